"""TIFF, BigTIFF and DNG: every directory, and every strip and tile it names, lies within the file.

Source: TIFF 6.0, sections 2, 3 (strips), 15 (tiles), 22 (JPEG); TIFF Technical Note 1 (SubIFDs); DNG 1.4.
"""

import math
from array import array
from collections.abc import Iterator
from operator import add

from mirror.errors import MismatchError, TruncatedError
from mirror.imagecheck.exif import find_taken_at
from mirror.imagecheck.ifd import Directories, Entry
from mirror.imagecheck.picture import Data, Picture

_KIND_OF_PAGE, _WIDTH, _HEIGHT, _SUB_IFDS, _DNG_VERSION = 0x00FE, 0x0100, 0x0101, 0x014A, 0xC612
_PIXELS = ((0x0111, 0x0117), (0x0144, 0x0145), (0x0201, 0x0202))
"""Tags of where pixels lie and how many bytes they are: strips, tiles, one old-style JPEG stream."""
_COMPRESSION, _DEPTHS, _SAMPLES, _ROWS_PER_STRIP, _PLANES = 0x0103, 0x0102, 0x0115, 0x0116, 0x011C
_IS_REDUCED = 1


def check_tiff(data: Data) -> Picture:
    """Walk all pages of a TIFF with their sub-directories.

    Raises:
        TruncatedError: Something that it names lies beyond its end.
        MismatchError: It is whole but holds no picture.
        IndexError, struct.error: A directory lies beyond its end.
    """
    tiff = Directories(data)
    size: tuple[int, int] | None = None
    reduced_size: tuple[int, int] | None = None
    has_pixels = is_dng = False
    for entries in _pages(tiff):
        has_pixels |= _check_pixels(tiff, entries)
        is_dng |= _DNG_VERSION in entries
        if _number(tiff, entries, _KIND_OF_PAGE) & _IS_REDUCED:
            reduced_size = reduced_size or _size(tiff, entries)
        else:
            size = size or _size(tiff, entries)
    width, height = size or reduced_size or (0, 0)
    if not has_pixels or not width or not height:
        raise MismatchError("TIFF file without a picture in it")
    kind, extension = ("DNG", "dng") if is_dng else ("TIFF", "tif")
    return Picture(kind=kind, extension=extension, width_px=width, height_px=height, taken_at=find_taken_at(data))


def _pages(tiff: Directories) -> Iterator[dict[int, Entry]]:
    """Give each directory once, however they point at one another."""
    waiting = [tiff.first]
    seen = {0}
    while waiting:
        offset = waiting.pop()
        if offset in seen:
            continue
        seen.add(offset)
        entries, end = tiff.read(offset)
        yield entries
        waiting.append(tiff.offset(end))
        waiting.extend(reversed(tiff.integers(entries.get(_SUB_IFDS))))


def _check_pixels(tiff: Directories, entries: dict[int, Entry]) -> bool:
    """Hold every extent of a directory against the file's length; say whether there are any."""
    size_bytes = len(tiff.data)
    if any(entry.start + entry.size_bytes > size_bytes for entry in entries.values()):
        raise TruncatedError("TIFF picture stops before the values of a directory")
    has_pixels = False
    for starts_tag, lengths_tag in _PIXELS:
        starts = tiff.integers(entries.get(starts_tag))
        lengths = tiff.integers(entries.get(lengths_tag))
        # Old writers leave out the length of a single strip.
        ends = map(add, starts, lengths) if lengths else starts
        if max(ends, default=0) > size_bytes and _plain_end(tiff, entries, starts) > size_bytes:
            raise TruncatedError("TIFF picture stops before its last pixels")
        has_pixels |= any(starts)
    return has_pixels


def _plain_end(tiff: Directories, entries: dict[int, Entry], starts: "array[int]") -> float:
    """Return where uncompressed strips really end: some writers give the last, shorter one a full strip's length."""
    width, height = _size(tiff, entries) or (0, 0)
    rows = _number(tiff, entries, _ROWS_PER_STRIP) or height
    if _number(tiff, entries, _COMPRESSION) != 1 or _number(tiff, entries, _PLANES) > 1 or not width or not starts:
        return math.inf
    depths = tiff.integers(entries.get(_DEPTHS))
    depth = max(sum(depths), max(depths, default=1) * _number(tiff, entries, _SAMPLES))
    row_bytes = (width * depth + 7) // 8
    return max(start + row_bytes * min(rows, height - rows * number) for number, start in enumerate(starts))


def _number(tiff: Directories, entries: dict[int, Entry], tag: int) -> int:
    return next(iter(tiff.integers(entries.get(tag))), 0)


def _size(tiff: Directories, entries: dict[int, Entry]) -> tuple[int, int] | None:
    width, height = _number(tiff, entries, _WIDTH), _number(tiff, entries, _HEIGHT)
    return (width, height) if width and height else None
