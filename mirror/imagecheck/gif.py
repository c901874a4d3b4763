"""GIF: blocks from the screen descriptor to the trailer.

Source: GIF89a specification (CompuServe, 1990), sections 15 to 27.
"""

import struct

from mirror.errors import MismatchError, TruncatedError
from mirror.imagecheck.picture import MOST_PARTS, Data, Picture, too_many_parts

_IMAGE, _EXTENSION, _TRAILER, _STRAY = 0x2C, 0x21, 0x3B, 0x00
_HAS_COLOURS = 0x80


def check_gif(data: Data) -> Picture:
    """Walk a GIF, still or moving, to its trailer; what follows is the file's own affair.

    Raises:
        TruncatedError: It stops before that.
        MismatchError: It ends properly but holds no picture.
        IndexError, struct.error: It stops inside a header.
    """
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    position = 13 + _colours_bytes(flags)
    images = 0
    in_data = False
    for _ in range(MOST_PARTS):
        block = data[position]
        if in_data:  # a sub-block, its length in front; an empty one ends the row
            position += 1 + block
            in_data = bool(block)
        elif block == _TRAILER:
            break
        elif block == _IMAGE:
            images += 1
            position += 11 + _colours_bytes(data[position + 9])
            in_data = True
        elif block == _EXTENSION:
            position += 2
            in_data = True
        elif block == _STRAY:  # some writers end their rows twice
            position += 1
        else:
            raise TruncatedError("GIF picture is damaged: no block where one must begin")
    else:
        raise too_many_parts("GIF")
    if not images:
        raise MismatchError("GIF file without a picture in it")
    return Picture(kind="GIF", extension="gif", width_px=width, height_px=height)


def _colours_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & _HAS_COLOURS else 0
