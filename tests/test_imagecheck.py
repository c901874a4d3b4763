"""A whole picture of any make passes; a part of one, or anything else, never does."""

import mmap
import struct
from pathlib import Path

import pytest

from mirror.errors import MismatchError, TruncatedError
from mirror.imagecheck import check_image
from tests import imagecheck_samples as make

SAMPLES = make.samples()
PADDING_BYTES = {"tiff of many pages": 15}
"""Pillow fills each page up to a multiple of 16 bytes; that much behind the last one is not part of a picture."""
FOREIGN = {
    b"<!DOCTYPE html><html><body>Sign in</body></html>": "an HTML page",
    b"\xef\xbb\xbf\r\n <HTML lang=en>": "an HTML page",
    b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code><RequestId>1</RequestId></Error>': "(AccessDenied)",
    b"<Error><Code>No\x1b[31mSuch\nKey</Code></Error>": "an XML document (No 31mSuch Key)",
    b"<?xml version='1.0'?><rss></rss>": "an XML document",
    b"<svg xmlns='http://www.w3.org/2000/svg'/>": "an SVG drawing",
    b'{"error": {"error_code": 6}}': "JSON",
    b"Service Unavailable\n": "plain text",
    b"%PDF-1.7\n": "a PDF document",
    b"\x1f\x8b\x08\0\0\0\0\0": "gzip data",
    b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom": "a video (MP4)",
    b"\0\0\0\x14ftypqt  \0\0\0\0qt  ": "a video (QuickTime)",
    b"RIFF\x24\0\0\0AVI LIST": "a video (AVI)",
    b"\0" * 64: "nothing but zero bytes",
    b"\xff\x00\x01\x02\x80\x81\x82\x83\x84\x85": "unknown data beginning with ff 00 01 02 80 81 82 83",
    b"": "empty",
}


@pytest.mark.parametrize("name", SAMPLES)
def test_check_image_accepts_whole_picture(name: str) -> None:
    """Every format and flavour passes, and its kind and size are read."""
    data, kind = SAMPLES[name]
    picture = check_image(data)
    assert picture.kind == kind
    expected = (8, 8) if name in {"tiff big-endian", "tiff with 64-bit offsets"} else (make.WIDTH, make.HEIGHT)
    assert (picture.width_px, picture.height_px) == expected


@pytest.mark.parametrize("name", SAMPLES)
def test_check_image_refuses_every_cut(name: str) -> None:
    """A picture cut at any byte before its end is never whole, and past its first bytes it is called truncated."""
    data, _ = SAMPLES[name]
    for length in range(len(data) - PADDING_BYTES.get(name, 0)):
        with pytest.raises(TruncatedError if length >= 16 else (TruncatedError, MismatchError)):
            check_image(data[:length])


@pytest.mark.parametrize("name", [name for name in SAMPLES if name.startswith(("jpeg", "png", "gif"))])
def test_check_image_refuses_every_cut_when_filled_with_zeros(name: str) -> None:
    """A cut picture that a transfer filled up to its length with zeros is truncated."""
    data, _ = SAMPLES[name]
    for length in range(16, len(data)):
        filled = data[:length].ljust(len(data), b"\0")
        if filled != data:
            with pytest.raises(TruncatedError):
                check_image(filled)


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("trailer", [b"\0", b"\0" * 512, b"trailing \xff\xd8\xff\xe1 bytes", b"\xff\xd9\xff\xd9"])
def test_check_image_accepts_bytes_after_the_end(name: str, trailer: bytes) -> None:
    """What stands behind a picture's end is the file's own affair."""
    data, kind = SAMPLES[name]
    assert check_image(data + trailer).kind == kind


@pytest.mark.parametrize("name", SAMPLES)
def test_check_image_reads_mapping_and_lets_go_of_it(name: str, tmp_path: Path) -> None:
    """A mapped file gets the same verdict as its bytes, and can be closed right after it, good or bad."""
    data, _ = SAMPLES[name]
    for content in (data, data[:-16]):
        (tmp_path / "picture").write_bytes(content)
        with (tmp_path / "picture").open("rb") as file:
            mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            if content is data:
                assert check_image(mapping) == check_image(data)
            else:
                with pytest.raises(TruncatedError):
                    check_image(mapping)
            mapping.close()


@pytest.mark.parametrize(("data", "words"), FOREIGN.items(), ids=FOREIGN.values())
def test_check_image_names_what_is_no_picture(data: bytes, words: str) -> None:
    """Anything else is a mismatch that says in clean words what it looks like."""
    with pytest.raises(MismatchError) as caught:
        check_image(data)
    assert words in caught.value.message
    assert caught.value.message.isprintable()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("jpeg with exif", "2025-05-17T09:12:30+02:00"),
        ("jpeg with thumbnail", "2025-05-17T09:12:30+02:00"),
        ("png with exif", "2025-05-17T09:12:30+02:00"),
        ("webp with exif", "2025-05-17T09:12:30+02:00"),
        ("heic", "2025-05-17T09:12:30+02:00"),
        ("jpeg", None),
    ],
)
def test_check_image_reads_capture_time(name: str, expected: str | None) -> None:
    """The capture time comes with the camera's offset, from every format that carries EXIF."""
    assert check_image(SAMPLES[name][0]).taken_at == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"2025:05:17 09:12:30", "2025-05-17T09:12:30+02:00"),
        (b"2025-05-17T09:12:30", "2025-05-17T09:12:30+02:00"),
        (b"0000:00:00 00:00:00", None),
        (b"2025:02:30 09:12:30", None),
        (b"    :  :     :  :  ", None),
        (b"\xff\0\x1b[31m2025:05:17", None),
    ],
)
def test_check_image_ignores_time_that_is_none(text: bytes, expected: str | None) -> None:
    """Blank, impossible and garbled times give no time and never spoil the picture."""
    for order in "<>":
        block = make.exif_block(order).replace(make.TAKEN.encode(), text.ljust(19)[:19])
        assert check_image(make.saved("JPEG", exif=b"Exif\0\0" + block)).taken_at == expected


def test_check_image_falls_back_to_digitised_time() -> None:
    """Without an original time the time of digitising counts, and never the one of the last change."""
    digitised = make.exif_block().replace(struct.pack("<H", 0x9003), struct.pack("<H", 0x9004))
    assert check_image(make.saved("JPEG", exif=b"Exif\0\0" + digitised)).taken_at == "2025-05-17T09:12:30"
    changed = make.exif_block().replace(struct.pack("<H", 0x9003), struct.pack("<H", 0x0132))
    assert check_image(make.saved("JPEG", exif=b"Exif\0\0" + changed)).taken_at is None


def test_check_image_is_not_impressed_by_announced_size() -> None:
    """A picture announced larger than any memory is read like any other, since nothing is unpacked."""
    png = make.saved("PNG")
    bomb = png[:8] + make.chunk(b"IHDR", struct.pack(">II", 2**31 - 1, 2**31 - 1) + png[24:29]) + png[33:]
    assert check_image(bomb).width_px == 2**31 - 1


def test_png_is_refused_when_checksum_is_wrong() -> None:
    """A PNG with a changed bit in its pixels is damaged; one in a comment does not matter."""
    png = make.saved("PNG")
    at = png.index(b"IDAT") + 10
    with pytest.raises(TruncatedError, match="checksum"):
        check_image(png[:at] + bytes([png[at] ^ 1]) + png[at + 1 :])
    comment = make.chunk(b"tEXt", b"Comment\0hello").replace(b"hello", b"hallo")
    assert check_image(png[:33] + comment + png[33:]).kind == "PNG"


def test_webp_is_refused_when_filled_with_zeros() -> None:
    """A WebP and a HEIC whose pixels end in a long run of zeros were cut and filled up."""
    payload = make.saved("WEBP")[20:]
    for filling, is_whole in ((b"\x5a" * 4096, True), (b"\0" * 4096, False)):
        body = b"WEBP" + make.riff_chunk(b"VP8 ", payload + filling)
        for data in (b"RIFF" + struct.pack("<I", len(body)) + body, make.heif(pixels=payload + filling)):
            if is_whole:
                assert check_image(data)
            else:
                with pytest.raises(TruncatedError, match="zeros"):
                    check_image(data)


def test_heif_is_refused_when_item_lies_beyond_the_file() -> None:
    """Boxes that add up are not enough: every item must lie within the file."""
    with pytest.raises(TruncatedError):
        check_image(make.heif(tail_length=10_000))


def test_tiff_ends_when_directories_point_at_one_another() -> None:
    """A directory that is its own successor and its own child is read once."""
    data = make.tiff(fields=((0x14A, 4, 72),))
    looped = data[:-4] + struct.pack("<I", 72)
    assert check_image(looped).kind == "TIFF"


def test_tiff_is_refused_when_pixels_of_a_sub_directory_are_cut() -> None:
    """A raw photo keeps its pixels in a sub-directory, so that is held against the file's length as well."""
    first = make.tiff(fields=((0x14A, 4, 200), (0xC612, 1, 0x0104)))
    child = struct.pack("<HHHIIHHIII", 2, 0x111, 4, 1, 250, 0x117, 4, 1, 50, 0)
    whole = (first.ljust(200, b"\0") + child).ljust(300, b"\x5a")
    assert check_image(whole).extension == "dng"
    for length in range(200, 300):
        with pytest.raises(TruncatedError):
            check_image(whole[:length])


def test_tiff_accepts_full_length_of_shorter_last_strip() -> None:
    """Some writers announce a full strip's bytes for a last one that is shorter."""
    plain = make.tiff(fields=((0x103, 3, 1), (0x102, 3, 8), (0x115, 3, 1), (0x116, 3, 100)))
    sloppy = plain.replace(struct.pack("<HHII", 0x117, 4, 1, 64), struct.pack("<HHII", 0x117, 4, 1, 6400))
    assert check_image(sloppy).kind == "TIFF"


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8" + b"\xff\xfe\0\2" * 70_000 + b"\xff\xd9",
        b"\x89PNG\r\n\x1a\n"
        + make.chunk(b"IHDR", b"\0\0\0\1\0\0\0\1\x08\0\0\0\0")
        + make.chunk(b"teSt", b"") * 1_000_000,
        b"GIF89a" + b"\1\0\1\0\0\0\0" + b"\0" * 1_000_001,
        b"II*\0\x08\0\0\0" + b"\xff\xff" * 4_000_000,
    ],
    ids=["jpeg", "png", "gif", "tiff"],
)
def test_check_image_refuses_file_that_is_all_headers(data: bytes) -> None:
    """The work for one file is bounded, however many parts it claims to have."""
    with pytest.raises(TruncatedError):
        check_image(data)
