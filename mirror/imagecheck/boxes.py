"""Boxes: the frame of HEIF, AVIF and JPEG 2000 files.

Source: ISO/IEC 14496-12 (ISO-BMFF), 4.2; ISO/IEC 15444-1, annex I.4.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from mirror.errors import TruncatedError
from mirror.imagecheck.picture import MOST_PARTS, Data, too_many_parts

_header = struct.Struct(">I4s").unpack_from
_CARRIERS = frozenset(
    {
        b"mdat",
        b"meta",
        b"moov",
        b"moof",
        b"mpvd",
        b"sefd",
        b"free",
        b"skip",
        b"uuid",
        b"jp2c",
        b"jp2h",
        b"jp2i",
        b"xml ",
    }
)
"""Boxes at the top of a file: a trailer that happens to look like a box will hardly have one of these names."""
_ALPHABET = frozenset(range(0x20, 0x7F)) | {0xA9}


class Box(NamedTuple):
    """One box: its name, where its content begins and where the box ends."""

    name: bytes
    start: int
    end: int


def walk_boxes(data: Data, start: int, end: int, *, kind: str) -> Iterator[Box]:
    """Give the boxes between two positions in their order.

    Something that is no box, behind those that are, is the file's own affair: phones append trailers.

    Raises:
        TruncatedError: A box reaches beyond the end.
    """
    for _ in range(MOST_PARTS):
        if start + 8 > end:
            return
        size, name = _header(data, start)
        if any(letter not in _ALPHABET for letter in name):
            return
        content = start + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, content)
            content += 8
        stop = start + size if size else end
        if stop > end:
            if name not in _CARRIERS:
                return
            raise TruncatedError(f"{kind} picture stops before the end of its {name.decode('latin-1')!r} box")
        if stop < content:
            raise TruncatedError(f"{kind} file is damaged: a box smaller than its own header")
        yield Box(name, content, stop)
        start = stop
    raise too_many_parts(kind)
