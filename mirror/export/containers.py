"""Where JPEG, PNG and WebP keep an XMP packet: found, put in, and nothing else touched. Pure.

Source: XMP specification part 3; RFC 2083 and PNG third edition (iTXt); WebP container specification (VP8X).
"""

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

_JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_JPEG_EXIF = b"Exif\0"
_APP0, _APP1, _SOS, _FILL = 0xE0, 0xE1, 0xDA, 0xFF
_LONGEST_SEGMENT = 0xFFFF - 2
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_XMP = b"XML:com.adobe.xmp\0"
_PNG_PLAIN = b"\0\0\0\0"
"""Not compressed, by method 0, no language, no translated keyword."""
_HAS_ALPHA, _HAS_XMP = 0x10, 0x04


class NoPlaceError(ValueError):
    """A picture cannot take a packet; the message says why."""


class _Part(NamedTuple):
    """A piece of a file: a segment, a chunk; from its first byte to behind its last."""

    kind: bytes
    start: int
    end: int
    body: bytes


def find_packet(picture: bytes) -> bytes | None:
    """Take the XMP packet out of a picture; None where there is none.

    Raises:
        NoPlaceError: No format that we know, or damaged.
    """
    found = [part for part in _parts(picture) if _is_xmp(part)]
    if len(found) > 1:
        raise NoPlaceError("it holds more than one XMP packet")
    return _packet_in(found[0]) if found else None


def put_packet(picture: bytes, packet: bytes) -> bytes:
    """Put an XMP packet into a picture, in the place of the one that it holds; all other bytes stay.

    A simple WebP becomes an extended one, which says the same of its picture.

    Raises:
        NoPlaceError: No format that we know, damaged, or the packet is too long for it.
    """
    parts = _parts(picture)
    if picture.startswith(b"RIFF"):
        return _into_webp(picture, parts, packet)
    is_jpeg = picture.startswith(b"\xff\xd8")
    body = _jpeg_segment(packet) if is_jpeg else _png_chunk(packet)
    old = next((part for part in parts if _is_xmp(part)), None)
    if old is not None:
        return picture[: old.start] + body + picture[old.end :]
    at = _jpeg_place(parts) if is_jpeg else parts[0].end
    return picture[:at] + body + picture[at:]


def _parts(picture: bytes) -> list[_Part]:
    try:
        if picture.startswith(b"\xff\xd8"):
            return list(_jpeg_segments(picture))
        if picture.startswith(_PNG):
            parts = list(_png_chunks(picture))
        elif picture[:4] == b"RIFF" and picture[8:12] == b"WEBP":
            parts = list(_webp_chunks(picture))
        else:
            raise NoPlaceError("its format has no place for it here")
    except (struct.error, IndexError):
        raise NoPlaceError("it is damaged") from None
    if not parts:
        raise NoPlaceError("it is damaged")
    return parts


def _is_xmp(part: _Part) -> bool:
    return (
        (part.kind == bytes([_APP1]) and part.body.startswith(_JPEG_XMP))
        or (part.kind == b"iTXt" and part.body.startswith(_PNG_XMP))
        or part.kind == b"XMP "
    )


def _packet_in(part: _Part) -> bytes:
    if part.kind == b"XMP ":
        return part.body
    if part.kind != b"iTXt":
        return part.body[len(_JPEG_XMP) :]
    rest = part.body[len(_PNG_XMP) :]
    if not rest.startswith(_PNG_PLAIN):
        raise NoPlaceError("its XMP is compressed or translated")
    return rest[len(_PNG_PLAIN) :]


# -- JPEG -------------------------------------------------------------------------------------------------------------


def _jpeg_segments(picture: bytes) -> Iterator[_Part]:
    """The segments before the picture data, without SOI."""
    at = 2
    while picture[at] == _FILL:
        start = at
        while picture[at] == _FILL:
            at += 1
        marker = picture[at]
        if marker == _SOS:
            return
        (length,) = struct.unpack_from(">H", picture, at + 1)
        end = at + 1 + length
        yield _Part(bytes([marker]), start, end, picture[at + 3 : end])
        at = end
    raise NoPlaceError("it is damaged")


def _jpeg_segment(packet: bytes) -> bytes:
    body = _JPEG_XMP + packet
    if len(body) > _LONGEST_SEGMENT:
        raise NoPlaceError("its XMP would be too long for a JPEG")
    return struct.pack(">BBH", _FILL, _APP1, len(body) + 2) + body


def _jpeg_place(parts: list[_Part]) -> int:
    """Behind JFIF and EXIF, which want to be first."""
    at = 2
    for part in parts:
        if part.kind[0] != _APP0 and not (part.kind[0] == _APP1 and part.body.startswith(_JPEG_EXIF)):
            break
        at = part.end
    return at


# -- PNG --------------------------------------------------------------------------------------------------------------


def _png_chunks(picture: bytes) -> Iterator[_Part]:
    at = len(_PNG)
    while at < len(picture):
        length, kind = struct.unpack_from(">I4s", picture, at)
        end = at + 12 + length
        if end > len(picture):
            raise NoPlaceError("it is damaged")
        yield _Part(kind, at, end, picture[at + 8 : end - 4])
        at = end


def _png_chunk(packet: bytes) -> bytes:
    body = b"iTXt" + _PNG_XMP + _PNG_PLAIN + packet
    return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))


# -- WebP -------------------------------------------------------------------------------------------------------------


def _webp_chunks(picture: bytes) -> Iterator[_Part]:
    at = 12
    while at < len(picture):
        kind, length = struct.unpack_from("<4sI", picture, at)
        end = at + 8 + length + length % 2
        if at + 8 + length > len(picture):
            raise NoPlaceError("it is damaged")
        yield _Part(kind, at, end, picture[at + 8 : at + 8 + length])
        at = end


def _into_webp(picture: bytes, parts: list[_Part], packet: bytes) -> bytes:
    first = parts[0]
    if first.kind == b"VP8X":
        head = bytes([first.body[0] | _HAS_XMP]) + first.body[1:]
        rest = parts[1:]
    else:
        head, rest = _webp_head(first), parts
    kept = b"".join(picture[part.start : part.end] for part in rest if part.kind != b"XMP ")
    chunks = _webp_chunk(b"VP8X", head) + kept + _webp_chunk(b"XMP ", packet)
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WEBP" + chunks


def _webp_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack("<4sI", kind, len(body)) + body + b"\0" * (len(body) % 2)


def _webp_head(first: _Part) -> bytes:
    """Say of a simple picture what the head of an extended one says: its size, and whether it is transparent."""
    flags = _HAS_XMP
    if first.kind == b"VP8L" and first.body[:1] == b"\x2f":
        bits = int.from_bytes(first.body[1:5], "little")
        width, height = bits & 0x3FFF, bits >> 14 & 0x3FFF
        flags |= _HAS_ALPHA if bits >> 28 & 1 else 0
    elif first.kind == b"VP8 " and first.body[3:6] == b"\x9d\x01\x2a":
        width, height = (int.from_bytes(first.body[at : at + 2], "little") & 0x3FFF for at in (6, 8))
        width, height = width - 1, height - 1
    else:
        raise NoPlaceError("it is damaged")
    return struct.pack("<I", flags) + width.to_bytes(3, "little") + height.to_bytes(3, "little")
