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


@pytest.mark.parametrize(
    "part",
    [
        *[segment(0xE2, b"ICC_PROFILE\0" + bytes([number, 3]) + b"\x7f" * 60_000) for number in (1, 2, 3)],
        segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta>\xff\xd9\xff\xd8</x:xmpmeta>"),
        segment(0xED, b"Photoshop 3.0\0" + b"8BIM\x04\x0c\0\0" + JPEG),
        segment(0xE0, b"JFXX\0\x10" + JPEG),
        segment(0xEE, b"Adobe\0\x64\0\0\0\0\x01"),
        segment(0xFE, b"\xff\xd9" * 30_000),
        segment(0xE2, b"MPF\0" + b"MM\0*" + b"\0" * 60),
        segment(0xDD, b"\0\x04"),
        segment(0xEF),
    ],
    ids=[
        "icc 1",
        "icc 2",
        "icc 3",
        "xmp",
        "photoshop",
        "jfxx thumbnail",
        "adobe",
        "comment",
        "mpf",
        "restarts",
        "empty",
    ],
)
def test_jpeg_accepts_what_cameras_and_editors_put_in(part: bytes) -> None:
    """Profiles, packets, thumbnails and end markers inside segments change nothing; a cut behind them is a cut."""
    whole = SOI + part + JPEG[2:]
    assert check_image(whole).width_px == make.WIDTH
    for length in (len(part) // 2 + 2, len(part) + 2, SCAN_AT + len(part), len(whole) - 1):
        with pytest.raises(TruncatedError):
            check_image(whole[:length])


def test_jpeg_accepts_multi_picture_file() -> None:
    """A file of several pictures, as phones and Pillow write it, is a JPEG whose first picture must be whole."""
    several = make.saved("MPO", frames=3)
    assert (check_image(several).kind, check_image(several).width_px) == ("JPEG", make.WIDTH)
    first_end = several.index(EOI + SOI) + 2
    for length in range(100, first_end):
        with pytest.raises(TruncatedError):
            check_image(several[:length])
    assert check_image(several[:first_end])
