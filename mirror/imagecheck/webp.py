"""WebP: the chunks of a RIFF container, still or moving.

Source: RFC 9649, sections 2.3 to 2.7 (container) and 3 (lossless header); RFC 6386, 9.1 (VP8 key frame header).
"""

import struct

from mirror.errors import MismatchError, TruncatedError
from mirror.imagecheck.exif import find_taken_at
from mirror.imagecheck.picture import MOST_PARTS, Data, Picture, is_padding, too_many_parts

_chunk_header = struct.Struct("<4sI").unpack_from
_PIXELS = {b"VP8 ", b"VP8L", b"ANMF"}
_ALPHABET = range(0x20, 0x7F)


def check_webp(data: Data) -> Picture:
    """Walk a WebP's chunks to the end that its RIFF header announces; what follows is the file's own affair.

    Raises:
        TruncatedError: It stops before that, or a chunk reaches beyond it.
        MismatchError: It ends properly but holds no picture.
        IndexError, struct.error: It stops inside a header.
    """
    end = 8 + struct.unpack_from("<I", data, 4)[0]
    if end > len(data):
        raise TruncatedError(f"WebP picture stops at byte {len(data)} of {end}")
    size: tuple[int, int] | None = None
    taken_at = None
    has_pixels = False
    position = 12
    for _ in range(MOST_PARTS):
        if position + 8 > end:
            break
        name, length = _chunk_header(data, position)
        start, stop = position + 8, position + 8 + length
        if stop > end or any(letter not in _ALPHABET for letter in name):
            raise TruncatedError("WebP picture is damaged: a chunk reaches beyond its end")
        if name in _PIXELS:
            has_pixels = True
            if is_padding(data, start, stop):
                raise TruncatedError("WebP picture stops early and is filled up with zeros")
        size = size or _size(data, name, start)
        if name == b"EXIF":
            block = data[start:stop]
            taken_at = find_taken_at(block.removeprefix(b"Exif\0\0"))
        position = stop + length % 2
    else:
        raise too_many_parts("WebP")
    if not has_pixels or size is None:
        raise MismatchError("WebP file without a picture in it")
    return Picture(kind="WebP", extension="webp", width_px=size[0], height_px=size[1], taken_at=taken_at)


def _size(data: Data, name: bytes, start: int) -> tuple[int, int] | None:
    if name == b"VP8X":
        width = int.from_bytes(data[start + 4 : start + 7], "little")
        height = int.from_bytes(data[start + 7 : start + 10], "little")
        return width + 1, height + 1
    if name == b"VP8L":
        bits = int.from_bytes(data[start + 1 : start + 5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if name == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, start + 6)
        return width & 0x3FFF, height & 0x3FFF
    return None
