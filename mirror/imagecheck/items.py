"""The items of a HEIF or AVIF file: what they are and where they lie.

Source: ISO/IEC 14496-12, 8.11.3 (iloc) and 8.11.6 (iinf, infe).
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from mirror.imagecheck.boxes import Box, walk_boxes
from mirror.imagecheck.picture import MOST_PARTS, Data, too_many_parts


class Extent(NamedTuple):
    """A piece of an item: where it is counted from (0 the file, 1 ``idat``, 2 another item), start and length."""

    item: int
    method: int
    start: int
    length: int


def walk_extents(data: Data, iloc: Box, kind: str) -> Iterator[Extent]:
    """Give every extent that an ``iloc`` box lists and that lies in this file."""
    version = data[iloc.start]
    sizes = struct.unpack_from(">BB", data, iloc.start + 4)
    offset_bytes, length_bytes, base_bytes = sizes[0] >> 4, sizes[0] & 15, sizes[1] >> 4
    index_bytes = sizes[1] & 15 if version else 0
    reader = _Numbers(data, iloc.start + 6, iloc.end)
    left = MOST_PARTS
    for _ in range(reader.take(2 if version < 2 else 4)):
        item = reader.take(2 if version < 2 else 4)
        method = reader.take(2) & 15 if version else 0
        is_elsewhere = reader.take(2)
        base = reader.take(base_bytes)
        extents = reader.take(2)
        if not index_bytes + offset_bytes + length_bytes:
            extents = min(extents, 1)  # they take no room, so that their number says nothing
        left -= 1 + extents
        if left < 0:
            raise too_many_parts(kind)
        for _ in range(extents):
            reader.take(index_bytes)
            extent = Extent(item, method, base + reader.take(offset_bytes), reader.take(length_bytes))
            if not is_elsewhere:
                yield extent


def item_types(data: Data, iinf: Box, kind: str) -> dict[int, bytes]:
    """Return the type of every item that an ``iinf`` box lists, by item number."""
    types = {}
    start = iinf.start + (6 if data[iinf.start] == 0 else 8)
    for box in walk_boxes(data, start, iinf.end, kind=kind):
        if box.name == b"infe" and data[box.start] in {2, 3}:
            item_format = ">HH4s" if data[box.start] == 2 else ">IH4s"
            item, _, name = struct.unpack_from(item_format, data, box.start + 4)
            types[item] = name
    return types


class _Numbers:
    """Reads numbers of given widths one after another, and never beyond the end of their box."""

    __slots__ = ("_data", "_end", "_position")

    def __init__(self, data: Data, position: int, end: int) -> None:
        self._data, self._position, self._end = data, position, end

    def take(self, width_bytes: int) -> int:
        start = self._position
        self._position += width_bytes
        if self._position > self._end:
            raise struct.error("number beyond its box")
        return int.from_bytes(self._data[start : self._position], "big")
