"""Whatever the bytes: a verdict or one of two errors, never anything else."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from mirror.errors import MismatchError, TruncatedError
from mirror.imagecheck import Picture, check_image
from tests import imagecheck_samples as make

PICTURES = [data for data, _ in make.samples().values()]
BEGINNINGS = sorted({data[:length] for data in PICTURES for length in (2, 4, 8, 12, 16, 24, 32)})


def verdict(data: bytes) -> Picture | str:
    """Check some bytes and hold the promises that are true of any verdict."""
    try:
        return check_image(data)
    except (TruncatedError, MismatchError) as error:
        message = error.message
    assert message.isprintable()
    assert len(message) < 200
    return message


@given(st.binary(max_size=400))
@example(b"II*\0")
@example(b"II\x2b\0\x08\0\0\0" + b"\xff" * 40)
def test_check_image_judges_random_bytes(data: bytes) -> None:
    """Noise is refused in a short, clean sentence."""
    verdict(data)


@given(st.sampled_from(BEGINNINGS), st.binary(max_size=400))
def test_check_image_judges_random_bytes_behind_a_true_beginning(beginning: bytes, rest: bytes) -> None:
    """Noise that begins like a picture is judged as well."""
    verdict(beginning + rest)


@settings(max_examples=400)
@given(st.data())
def test_check_image_judges_damaged_pictures(data: st.DataObject) -> None:
    """Pictures with bytes changed, taken out and put in are judged without any other exception."""
    damaged = bytearray(data.draw(st.sampled_from(PICTURES)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, min(len(damaged), 600)))
        removed = data.draw(st.integers(0, 8))
        damaged[at : at + removed] = data.draw(st.binary(max_size=8) | st.sampled_from([b"\xff" * 4, b"\0" * 8]))
    verdict(bytes(damaged))


@given(st.sampled_from(PICTURES), st.sampled_from(PICTURES), st.data())
def test_check_image_judges_joined_pictures(first: bytes, second: bytes, data: st.DataObject) -> None:
    """Pieces of two pictures run together are judged, and the same bytes always alike."""
    joined = first[: data.draw(st.integers(0, len(first)))] + second[data.draw(st.integers(0, len(second))) :]
    assert verdict(joined) == verdict(joined)
