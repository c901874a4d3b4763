"""JPEG 2000: boxes, and in them a code stream from SOC through its tile-parts to EOC.

Source: ISO/IEC 15444-1, A.4 (SOC, SOT, EOC), A.5.1 (SIZ), annex I (JP2).
"""

import struct

from mirror.errors import TruncatedError
from mirror.imagecheck.boxes import walk_boxes
from mirror.imagecheck.picture import MOST_PARTS, Data, Picture, too_many_parts

_EOC, _SOT = b"\xff\xd9", b"\xff\x90"
_KIND = "JPEG 2000"


def check_jp2(data: Data) -> Picture:
    """Walk a JP2 file: its boxes, and the first code stream in them.

    Raises:
        TruncatedError: A box or the code stream stops early, or there is none.
        IndexError, struct.error: It stops inside a header.
    """
    size = None
    for box in walk_boxes(data, 0, len(data), kind=_KIND):
        if box.name == b"jp2c" and size is None:
            size = _check_stream(data, box.start, box.end)
    if size is None:
        raise TruncatedError(f"{_KIND} picture stops before its code stream")
    return Picture(kind=_KIND, extension="jp2", width_px=size[0], height_px=size[1])


def check_j2k(data: Data) -> Picture:
    """Walk a bare code stream, as ``check_jp2`` does for one in a box."""
    width, height = _check_stream(data, 0, len(data))
    return Picture(kind=_KIND, extension="j2k", width_px=width, height_px=height)


def _check_stream(data: Data, start: int, end: int) -> tuple[int, int]:
    right, bottom, left, top = struct.unpack_from(">4I", data, start + 8)
    position = start + 2
    for _ in range(MOST_PARTS):
        marker = data[position : min(position + 2, end)]
        if marker == _EOC:
            break
        if marker == _SOT:
            length = int.from_bytes(data[position + 6 : position + 10], "big")
            # No length: the last tile-part runs up to the end marker, which its pixels cannot contain.
            position = position + max(length, 12) if length else data.find(_EOC, position + 12, end)
        else:
            position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        if not 0 <= position < end:
            raise TruncatedError(f"{_KIND} picture stops before its end marker")
    else:
        raise too_many_parts(_KIND)
    if right <= left or bottom <= top:
        raise TruncatedError(f"{_KIND} picture is damaged: no proper size")
    return right - left, bottom - top
