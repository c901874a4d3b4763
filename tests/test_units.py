"""Durations and sizes as people write them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror.units import parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30), ("1h", 3600), ("90m", 5400), ("2d", 172_800), ("1h30m", 5400), ("500ms", 0.5), ("1w", 604_800),
        ("1.5 h", 5400), ("10 minutes", 600), ("1 hour 5 min", 3900), ("2 sec", 2), ("0", 0), (7, 7), (0.25, 0.25),
        ("7", 7),
    ],
)  # fmt: skip
def test_duration_is_read_as_people_write_it(text: object, seconds: float) -> None:
    """Units joined or with words, or plain seconds."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "s", "-1", -1, "1x", "30m1h", "1e9", True, None, float("nan"), float("inf"), "٣s", [1], "999999d"]
)
def test_no_duration_is_refused(text: object) -> None:
    """Anything else says what is expected."""
    with pytest.raises(ValueError, match="expected a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("10MB", 10**7), ("1GiB", 2**30), ("512KB", 512_000), ("512 kib", 524_288), ("1.5g", 1_500_000_000),
        ("2.3TB", 2_300_000_000_000),
        ("0", 0), (5, 5), ("12B", 12), ("7 bytes", 7),
    ],
)  # fmt: skip
def test_size_is_read_as_people_write_it(text: object, size: int) -> None:
    """Powers of 1000, or of 1024 with an i; plain numbers are bytes."""
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "MB", "-1", -1, "1XB", "1e9", True, None, "10 MB/s", "9999999999TB", [1], float("inf")]
)
def test_no_size_is_refused(text: object) -> None:
    """Anything else says what is expected."""
    with pytest.raises(ValueError, match="expected a size"):
        parse_size(text)


@settings(deadline=None)
@given(text=st.text(max_size=30))
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    """No text breaks a parser: it is read, or refused with what is expected."""
    for parse in (parse_duration, parse_size):
        try:
            parse(text)
        except ValueError as error:
            assert "expected" in str(error)  # noqa: PT017 - either way is right
