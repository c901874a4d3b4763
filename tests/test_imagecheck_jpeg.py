"""The JPEGs of phones, cameras and editors, and what becomes of two that were run together."""

import pytest

from mirror.errors import MismatchError, TruncatedError
from mirror.imagecheck import check_image
from tests import imagecheck_samples as make
from tests.imagecheck_samples import EOI, SCAN, SCAN_HEADER, SOI, frame, hand_made_jpeg, segment

JPEG = make.jpeg()
SCAN_AT = JPEG.rindex(b"\xff\xda") + 14


@pytest.mark.parametrize(
    "between",
    [b"\xff", b"\xff" * 300, b"\0", b"\0" * 64, b"stray \x80 bytes", b"\xff\0", b"\xff\x01", b"\xff\xd0"],
    ids=["fill", "long fill", "zero", "zeros", "garbage", "stuffed", "TEM", "RST"],
)
def test_jpeg_accepts_stray_bytes_between_segments(between: bytes) -> None:
    """Fill bytes and garbage between segments are skipped, as every decoder does."""
    first_table = JPEG.index(b"\xff\xdb")
    assert check_image(JPEG[:first_table] + between + JPEG[first_table:]).width_px == make.WIDTH


def test_jpeg_accepts_fill_bytes_before_end_marker() -> None:
    """Any number of FF may stand before EOI."""
    assert check_image(JPEG[:-2] + b"\xff\xff\xff" + EOI)


def test_jpeg_accepts_missing_jfif_segment() -> None:
    """A JPEG may begin with its tables at once."""
    assert check_image(SOI + JPEG[20:])


@pytest.mark.parametrize("cut", [0, 1, 100, 400])
def test_jpeg_accepts_cut_picture_behind_the_first(cut: int) -> None:
    """In multi-picture files, gain maps and motion photos the first picture decides, even if what follows is cut."""
    several = JPEG + JPEG + b"\0\0\0\x18ftypmp42" + b"\x5a" * 100
    assert check_image(several[: len(several) - cut]).kind == "JPEG"


def test_jpeg_is_refused_when_first_of_several_is_cut() -> None:
    """A thumbnail's end marker, or a second picture's, does not stand in for the first one's."""
    data = make.with_thumbnail()
    for length in range(SCAN_AT + len(data) - len(JPEG), len(data) - 1):
        with pytest.raises(TruncatedError):
            check_image(data[:length] + JPEG)


def test_jpeg_is_refused_when_another_begins_inside_its_scan() -> None:
    """Two pictures run together, the first cut anywhere in its pixels, are not one whole picture."""
    for length in range(SCAN_AT, len(JPEG) - 1):
        with pytest.raises(TruncatedError):
            check_image(JPEG[:length] + JPEG)


def test_jpeg_is_refused_when_segment_swallowed_another_beginning() -> None:
    """A picture cut inside a large Exif segment and started over does not pass for its own thumbnail."""
    data = SOI + segment(0xE1, b"Exif\0\0" + make.exif_block() + b"\x11" * 5000 + JPEG) + JPEG[2:]
    for length in range(200, 5000, 7):
        with pytest.raises((TruncatedError, MismatchError)):
            check_image(data[:length] + data)


def test_jpeg_is_refused_when_another_frame_begins_between_scans() -> None:
    """A second frame header belongs to another picture."""
    with pytest.raises(TruncatedError, match="another frame"):
        check_image(hand_made_jpeg(frame(), SCAN_HEADER, SCAN, frame(), SCAN_HEADER, SCAN))


def test_jpeg_accepts_several_frames_when_hierarchical() -> None:
    """A hierarchical picture has several frames, and the size of the whole stands before them."""
    parts = (frame(0xDE), frame(height=12), SCAN_HEADER, SCAN, segment(0xDF, b"\x11"), frame(0xC5), SCAN_HEADER, SCAN)
    assert check_image(hand_made_jpeg(*parts)).height_px == make.HEIGHT


def test_jpeg_takes_height_from_behind_the_first_scan() -> None:
    """A height that was not known beforehand comes in a DNL segment; without one there is no picture."""
    undefined = (frame(height=0), SCAN_HEADER, SCAN)
    assert check_image(hand_made_jpeg(*undefined, segment(0xDC, b"\0\x20"))).height_px == 32
    with pytest.raises(MismatchError):
        check_image(hand_made_jpeg(*undefined))


def test_jpeg_accepts_tables_with_end_marker_bytes_between_scans() -> None:
    """FF D9 inside a segment between two scans is not the end, and a cut right behind it is one."""
    first = SOI + frame(0xC2) + SCAN_HEADER + SCAN + segment(0xFE, b"comment \xff\xd9 goes on")
    assert check_image(first + SCAN_HEADER + SCAN + EOI)
    with pytest.raises(TruncatedError):
        check_image(first[: first.index(EOI) + 2])


@pytest.mark.parametrize(
    "parts",
    [(), (frame(),), (segment(0xFE, b"only a comment"),), (frame(), SCAN_HEADER), (SCAN_HEADER, SCAN)],
    ids=["nothing", "only a frame", "only a comment", "no pixels", "no frame"],
)
def test_jpeg_is_refused_when_there_is_no_picture_in_it(parts: tuple[bytes, ...]) -> None:
    """Markers that run properly from SOI to EOI are not enough without a frame and pixels."""
    with pytest.raises((TruncatedError, MismatchError)):
        check_image(hand_made_jpeg(*parts))
