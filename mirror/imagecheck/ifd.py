"""Directories (IFDs) of TIFF-structured bytes, in either byte order: the frame of TIFF, DNG and EXIF.

Source: TIFF 6.0, section 2; BigTIFF as described by its authors (magic 43, 64-bit offsets).
"""

import struct
import sys
from array import array
from typing import NamedTuple

from mirror.errors import TruncatedError
from mirror.imagecheck.picture import MOST_PARTS, Data

_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_INTEGERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_ORDERS = {b"II": "<", b"MM": ">"}
_NATIVE = "<" if sys.byteorder == "little" else ">"


class Entry(NamedTuple):
    """One field of a directory: its type, how many values it has, where they begin and how long they are."""

    type: int
    values: int
    start: int
    size_bytes: int


class Directories:
    """Read directories; whatever reaches beyond the data raises ``struct.error``.

    The work is bounded for the file as a whole, since hostile directories can point at one another.
    """

    def __init__(self, data: Data) -> None:
        self.data = data
        order = _ORDERS.get(data[:2])
        if order is None:
            raise struct.error("no byte order")
        self._order = order
        (magic,) = struct.unpack_from(order + "H", data, 2)
        self._is_big = magic == 43
        self._fields = struct.Struct(order + ("HHQ8s" if self._is_big else "HHI4s"))
        self._offset = order + ("Q" if self._is_big else "I")
        self._left = MOST_PARTS
        self.first = self.offset(8 if self._is_big else 4)

    def read(self, offset: int) -> tuple[dict[int, Entry], int]:
        """Return the fields of the directory at an offset, by tag, and where the offset of the next one stands."""
        count_format = self._order + ("Q" if self._is_big else "H")
        if offset > len(self.data):
            raise struct.error("directory beyond the data")
        (count,) = struct.unpack_from(count_format, self.data, offset)
        self._spend(count + 1)
        start = offset + struct.calcsize(count_format)
        end = start + count * self._fields.size
        if end > len(self.data):
            raise struct.error("directory beyond the data")
        value_at = self._fields.size - struct.calcsize(self._offset)
        entries: dict[int, Entry] = {}
        for number, (tag, type_, values, inline) in enumerate(self._fields.iter_unpack(self.data[start:end])):
            size_bytes = _TYPE_BYTES.get(type_, 0) * values
            at = start + number * self._fields.size + value_at
            if size_bytes > len(inline):
                (at,) = struct.unpack(self._offset, inline)
            entries.setdefault(tag, Entry(type_, values, at, size_bytes))
        return entries, end

    def offset(self, position: int) -> int:
        """Return the offset that stands at a position; 0 means that no directory follows."""
        return int(struct.unpack_from(self._offset, self.data, position)[0])

    def integers(self, entry: Entry | None) -> "array[int]":
        """Return the values of a field of whole numbers, none if it is absent or of another type."""
        values: array[int] = array(_INTEGERS.get(entry.type, "B") if entry else "B")
        if entry is None or entry.type not in _INTEGERS:
            return values
        self._spend(entry.values)
        values.frombytes(self.text(entry))
        if self._order != _NATIVE:
            values.byteswap()
        return values

    def text(self, entry: Entry) -> bytes:
        """Return the bytes of a field's values."""
        end = entry.start + entry.size_bytes
        if end > len(self.data):
            raise struct.error("values beyond the data")
        return self.data[entry.start : end]

    def _spend(self, work: int) -> None:
        self._left -= work
        if self._left < 0:
            raise TruncatedError(f"TIFF structure is damaged: more than {MOST_PARTS} parts")
