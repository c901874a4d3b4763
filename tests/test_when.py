"""Moments in people's words, by the clock on the wall."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from mirror.when import parse_when

NOW = datetime(2026, 5, 20, 14, 30)  # noqa: DTZ001 - a Wednesday, as the clock shows it


@pytest.fixture(autouse=True)
def new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The clock hangs in New York: four hours behind UTC in summer, five in winter."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "America/New_York")
        time.tzset()
        yield
    time.tzset()


def said(moment: datetime) -> str:
    """As UTC, short."""
    return moment.astimezone(UTC).strftime("%m-%d %H:%M")


@pytest.mark.parametrize(
    ("words", "start", "end"),
    [
        ("today", "05-20 04:00", "05-21 04:00"),
        (" Yesterday ", "05-19 04:00", "05-20 04:00"),
        ("sunday", "05-17 04:00", "05-18 04:00"),
        ("last SUN", "05-17 04:00", "05-18 04:00"),
        ("wednesday", "05-20 04:00", "05-21 04:00"),
        ("last wednesday", "05-13 04:00", "05-14 04:00"),
        ("2 days ago", "05-18 04:00", "05-19 04:00"),
        ("3d", "05-17 04:00", "05-18 04:00"),
        ("a week ago", "05-13 04:00", "05-14 04:00"),
        ("90 minutes ago", "05-20 17:00", "05-20 17:00"),
        ("2h", "05-20 16:30", "05-20 16:30"),
        ("2026-05-17", "05-17 04:00", "05-18 04:00"),
        ("2026-12", "12-01 05:00", "01-01 05:00"),
        ("2026", "01-01 05:00", "01-01 05:00"),
        ("2026-05-17T14:00", "05-17 18:00", "05-17 18:00"),
        ("2026-05-17 14:00:30", "05-17 18:00", "05-17 18:00"),
        ("2026-05-17T14:00Z", "05-17 14:00", "05-17 14:00"),
        ("now", "05-20 18:30", "05-20 18:30"),
    ],
)
def test_words_mean_a_moment(words: str, start: str, end: str) -> None:
    """Days begin at the local midnight, weekdays are the latest ones, and a day ends where the next begins."""
    found = parse_when(words, now=NOW)
    assert (said(found.start), said(found.end)) == (start, end)


def test_day_of_the_clock_change_is_as_long_as_it_is() -> None:
    """The first Sunday of November has 25 hours."""
    found = parse_when("2026-11-01", now=NOW)
    assert (found.end - found.start).total_seconds() == 25 * 3600


@pytest.mark.parametrize(
    "words", ["", "soon", "17.5.2026", "2026-13", "2026-02-30", "99999 years ago", "next sunday", "\x1b[1m"]
)
def test_other_words_are_refused_with_what_is_expected(words: str) -> None:
    """Nobody guesses, and the message can be shown in a terminal."""
    with pytest.raises(ValueError, match="expected a date such as 2026-05-17") as caught:
        parse_when(words, now=NOW)
    assert str(caught.value).isprintable()
