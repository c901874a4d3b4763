"""Whole pictures for the picture check: drawn by Pillow where it can, put together by hand where it cannot."""

import functools
import io
import random
import struct
import zlib

from PIL import Image

WIDTH, HEIGHT = 40, 24
TAKEN = "2025:05:17 09:12:30"


def drawn(mode: str = "RGB", *, seed: int = 1) -> Image.Image:
    """Draw a small picture with something to see in it."""
    noise = random.Random(seed).randbytes(5 * 3 * 3)
    return Image.frombytes("RGB", (5, 3), noise).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC).convert(mode)


def saved(image_format: str, mode: str = "RGB", *, frames: int = 1, **options: object) -> bytes:
    """Save a drawn picture, or several in one file."""
    out = io.BytesIO()
    if frames > 1:
        options |= {"save_all": True, "append_images": [drawn(mode, seed=number) for number in range(2, frames + 1)]}
    drawn(mode).save(out, format=image_format, **options)
    return out.getvalue()


def exif_block(order: str = "<") -> bytes:
    """Put together a TIFF-structured EXIF block with an original time and its offset."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    time, offset = TAKEN.encode() + b"\0", b"+02:00\0"
    texts_at = 8 + 18 + 30
    return (
        mark
        + struct.pack(order + "I", 8)
        + struct.pack(order + "HHHIII", 1, 0x8769, 4, 1, 26, 0)
        + struct.pack(order + "H", 2)
        + struct.pack(order + "HHII", 0x9003, 2, len(time), texts_at)
        + struct.pack(order + "HHII", 0x9011, 2, len(offset), texts_at + len(time))
        + struct.pack(order + "I", 0)
        + time
        + offset
    )


def segment(marker: int, payload: bytes = b"") -> bytes:
    """Put a JPEG marker and a length in front of a payload."""
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def frame(marker: int = 0xC0, *, height: int = HEIGHT, precision: int = 8) -> bytes:
    """Make a frame header with one component."""
    return segment(marker, struct.pack(">BHHB3B", precision, height, WIDTH, 1, 1, 0x11, 0))


SCAN_HEADER = segment(0xDA, b"\x01\x01\x00\x00\x3f\x00")
SCAN = b"\x12\x34\xff\x00\x56\xff\xd0\x78\xff\x00\x9a"
SOI, EOI = b"\xff\xd8", b"\xff\xd9"


def hand_made_jpeg(*parts: bytes) -> bytes:
    """Put segments between SOI and EOI."""
    return SOI + b"".join(parts) + EOI


def chunk(name: bytes, payload: bytes) -> bytes:
    """Make a PNG chunk."""
    return struct.pack(">I", len(payload)) + name + payload + struct.pack(">I", zlib.crc32(name + payload))


def riff_chunk(name: bytes, payload: bytes) -> bytes:
    """Make a RIFF chunk, padded to an even length."""
    return name + struct.pack("<I", len(payload)) + payload + b"\0" * (len(payload) % 2)


def box(name: bytes, *parts: bytes) -> bytes:
    """Make a box of the ISO base media format."""
    payload = b"".join(parts)
    return struct.pack(">I", len(payload) + 8) + name + payload


def heif(*, brand: bytes = b"heic", pixels: bytes = b"\x26\x01\xaf" * 20, tail_length: int | None = None) -> bytes:
    """Put together a HEIF file: one coded item, one Exif item, both in the media data box."""
    exif = struct.pack(">I", 6) + b"Exif\0\0" + exif_block(">")

    def head(media_at: int) -> bytes:
        items = ((1, media_at, len(pixels)), (2, media_at + len(pixels), tail_length or len(exif)))
        iloc = b"\0\0\0\0\x44\0" + struct.pack(">H", 2)
        iloc += b"".join(struct.pack(">HHHII", item, 0, 1, at, length) for item, at, length in items)
        entries = [
            box(b"infe", b"\2\0\0\0", struct.pack(">HH", n, 0), t, b"\0") for n, t in ((1, b"hvc1"), (2, b"Exif"))
        ]
        ispe = [box(b"ispe", b"\0\0\0\0", struct.pack(">II", *size)) for size in ((16, 8), (WIDTH, HEIGHT))]
        return box(b"ftyp", brand, b"\0\0\0\0mif1", brand) + box(
            b"meta",
            b"\0\0\0\0",
            box(b"iinf", b"\0\0\0\0", struct.pack(">H", 2), *entries),
            box(b"iprp", box(b"ipco", *ispe)),
            box(b"iloc", iloc),
        )

    return head(len(head(0)) + 8) + box(b"mdat", pixels, exif)


def tiff(order: str = "<", *, fields: tuple[tuple[int, int, int], ...] = (), pixels: bytes = b"\x5a" * 64) -> bytes:
    """Put together a TIFF: one strip, then the directory, with more fields if wanted."""
    at = 8 + len(pixels)
    entries = ((0x100, 3, 8), (0x101, 3, 8), (0x111, 4, 8), (0x117, 4, len(pixels)), *fields)
    out = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", at) + pixels
    out += struct.pack(order + "H", len(entries))
    for tag, kind, value in sorted(entries):
        out += struct.pack(
            order + ("HHIHH" if kind == 3 else "HHII"), tag, kind, 1, value, *((0,) if kind == 3 else ())
        )
    return out + struct.pack(order + "I", 0)


def big_tiff() -> bytes:
    """Put together a BigTIFF with one strip."""
    pixels = b"\x5a" * 64
    fields = ((0x100, 3, 8), (0x101, 3, 8), (0x111, 16, 16), (0x117, 16, len(pixels)))
    out = b"II\x2b\0\x08\0\0\0" + struct.pack("<Q", 16 + len(pixels)) + pixels + struct.pack("<Q", len(fields))
    return out + b"".join(struct.pack("<HHQQ", tag, kind, 1, value) for tag, kind, value in fields) + b"\0" * 8


@functools.cache
def jpeg() -> bytes:
    """Draw an ordinary baseline JPEG."""
    return saved("JPEG")


def with_thumbnail() -> bytes:
    """Put a whole small JPEG, with its own SOI and EOI, into the Exif segment of another."""
    return SOI + segment(0xE1, b"Exif\0\0" + exif_block() + jpeg()) + jpeg()[2:]


@functools.cache
def samples() -> dict[str, tuple[bytes, str]]:
    """Return whole pictures by name, each with the kind it must be called; nothing follows their ends."""
    png = saved("PNG")
    interlaced = png[:8] + chunk(b"IHDR", png[16:28] + b"\1") + png[33:]
    webp = saved("WEBP")
    extended = (
        b"VP8X" + struct.pack("<II", 10, 8) + struct.pack("<I", WIDTH - 1)[:3] + struct.pack("<I", HEIGHT - 1)[:3]
    )
    with_exif = extended + webp[12:] + riff_chunk(b"EXIF", exif_block())
    return {
        "jpeg": (jpeg(), "JPEG"),
        "jpeg progressive": (saved("JPEG", progressive=True), "JPEG"),
        "jpeg optimised": (saved("JPEG", optimize=True, quality=95, subsampling=0), "JPEG"),
        "jpeg with restarts": (saved("JPEG", restart_marker_blocks=2), "JPEG"),
        "jpeg grey": (saved("JPEG", "L"), "JPEG"),
        "jpeg cmyk": (saved("JPEG", "CMYK"), "JPEG"),
        "jpeg with exif": (saved("JPEG", exif=b"Exif\0\0" + exif_block()), "JPEG"),
        "jpeg with thumbnail": (with_thumbnail(), "JPEG"),
        "jpeg arithmetic": (hand_made_jpeg(frame(0xC9), segment(0xCC, b"\0\x10"), SCAN_HEADER, SCAN), "JPEG"),
        "jpeg lossless": (hand_made_jpeg(frame(0xC3), SCAN_HEADER, SCAN), "JPEG"),
        "jpeg 12 bit": (hand_made_jpeg(frame(0xC1, precision=12), SCAN_HEADER, SCAN), "JPEG"),
        "jpeg-ls": (hand_made_jpeg(frame(0xF7), SCAN_HEADER, b"\x12\xff\x7f\x34"), "JPEG"),
        "png": (png, "PNG"),
        "png palette": (saved("PNG", "P"), "PNG"),
        "png 16 bit": (saved("PNG", "I;16"), "PNG"),
        "png alpha": (saved("PNG", "RGBA"), "PNG"),
        "png moving": (saved("PNG", frames=3), "PNG"),
        "png interlaced": (interlaced, "PNG"),
        "png with exif": (png[:33] + chunk(b"eXIf", exif_block()) + png[33:], "PNG"),
        "gif": (saved("GIF", "P"), "GIF"),
        "gif moving": (saved("GIF", frames=3, loop=0), "GIF"),
        "webp": (webp, "WebP"),
        "webp lossless": (saved("WEBP", lossless=True), "WebP"),
        "webp moving": (saved("WEBP", frames=3), "WebP"),
        "webp with exif": (b"RIFF" + struct.pack("<I", 4 + len(with_exif)) + b"WEBP" + with_exif, "WebP"),
        "tiff": (saved("TIFF"), "TIFF"),
        "tiff lzw": (saved("TIFF", compression="tiff_lzw"), "TIFF"),
        "tiff deflate": (saved("TIFF", compression="tiff_adobe_deflate"), "TIFF"),
        "tiff jpeg": (saved("TIFF", compression="jpeg"), "TIFF"),
        "tiff fax": (saved("TIFF", "1", compression="group4"), "TIFF"),
        "tiff of many pages": (saved("TIFF", frames=3, compression="packbits"), "TIFF"),
        "tiff big-endian": (tiff(">"), "TIFF"),
        "tiff with 64-bit offsets": (big_tiff(), "TIFF"),
        "heic": (heif(), "HEIC"),
        "avif": (saved("AVIF"), "AVIF"),
        "avif moving": (saved("AVIF", frames=3), "AVIF"),
        "jpeg 2000": (saved("JPEG2000"), "JPEG 2000"),
        "jpeg 2000 bare": (saved("JPEG2000", no_jp2=True), "JPEG 2000"),
        "bmp": (saved("BMP"), "BMP"),
        "bmp palette": (saved("BMP", "P"), "BMP"),
    }
