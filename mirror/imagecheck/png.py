"""PNG and APNG: chunks from IHDR to IEND, the critical ones with their checksums.

Source: PNG specification, third edition (W3C), 5.3 chunk layout, 5.6 chunk ordering, 11.3.2.5 (eXIf).
"""

import struct
import zlib

from mirror.errors import MismatchError, TruncatedError
from mirror.imagecheck.exif import find_taken_at
from mirror.imagecheck.picture import MOST_PARTS, Data, Picture, too_many_parts

_chunk_header = struct.Struct(">I4s").unpack_from
_ANCILLARY = 0x20
"""Lower case in a chunk's first letter: a reader may do without it."""
_FIRST = {b"IHDR", b"CgBI"}
"""CgBI is what Apple's tools put before IHDR."""


def check_png(data: Data) -> Picture:
    """Walk a PNG to the end of its IEND chunk; what follows is the file's own affair.

    Raises:
        TruncatedError: It stops before that, or a critical chunk's checksum is wrong.
        MismatchError: It ends properly but holds no picture.
        IndexError, struct.error: It stops inside a header.
    """
    position = 8
    width = height = 0
    taken_at = None
    has_pixels = False
    for number in range(MOST_PARTS):
        length, name = _chunk_header(data, position)
        end = position + 12 + length
        if end > len(data):
            raise TruncatedError("PNG picture stops before its end chunk")
        if number == 0 and name not in _FIRST:
            raise TruncatedError("PNG file is damaged: it does not begin with its header chunk")
        if not name[0] & _ANCILLARY and not _is_intact(data, position + 4, end - 4):
            raise TruncatedError("PNG picture is damaged: a chunk's checksum is wrong")
        if name == b"IEND":
            break
        if name == b"IHDR":
            width, height = struct.unpack_from(">II", data, position + 8)
        elif name == b"IDAT":
            has_pixels = True
        elif name == b"eXIf" and taken_at is None:
            taken_at = find_taken_at(data[position + 8 : end - 4])
        position = end
    else:
        raise too_many_parts("PNG")
    if not has_pixels or not width or not height:
        raise MismatchError("PNG file without a picture in it")
    return Picture(kind="PNG", extension="png", width_px=width, height_px=height, taken_at=taken_at)


def _is_intact(data: Data, start: int, end: int) -> bool:
    with memoryview(data) as view, view[start:end] as part:
        checksum = zlib.crc32(part)
    return checksum == int.from_bytes(data[end : end + 4], "big")
