"""HEIF and AVIF: boxes within the file, and within them every extent of every item.

Source: ISO/IEC 14496-12, 8.11 (meta); ISO/IEC 23008-12 (HEIF), 6.5.3 (ispe), A.2.1 (Exif); AVIF 1.1.
"""

import struct
from collections.abc import Iterable

from mirror.errors import MismatchError, TruncatedError
from mirror.imagecheck.boxes import Box, walk_boxes
from mirror.imagecheck.exif import find_taken_at
from mirror.imagecheck.items import Extent, item_types, walk_extents
from mirror.imagecheck.picture import Data, Picture, is_padding

_AVIF = {b"avif", b"avis"}
_HEIC = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs"}
_HEIF = {b"mif1", b"mif2", b"msf1", b"miaf"}
_CODED = {b"hvc1", b"av01", b"avc1", b"vvc1", b"j2k1", b"jpeg"}
_LARGEST_EXIF_BYTES = 1_048_576


def heif_kind(brands: set[bytes]) -> tuple[str, str] | None:
    """Return name and extension for the brands of an ``ftyp`` box, or nothing if they are not a picture's."""
    if brands & _AVIF:
        return "AVIF", "avif"
    if brands & _HEIC:
        return "HEIC", "heic"
    return ("HEIF", "heif") if brands & _HEIF else None


def check_heif(data: Data, kind: str, extension: str) -> Picture:
    """Walk the boxes of a HEIF or AVIF file and hold every item against the file's length.

    Raises:
        TruncatedError: A box or an item reaches beyond the end.
        MismatchError: It is whole but holds no picture.
        IndexError, struct.error: It stops inside a header.
    """
    top = _by_name(walk_boxes(data, 0, len(data), kind=kind))
    meta = top.get(b"meta")
    if meta is None and b"moov" in top and b"mdat" in top:
        return Picture(kind=kind, extension=extension)
    inner = _by_name(walk_boxes(data, meta.start + 4, meta.end, kind=kind)) if meta else {}
    if b"iloc" not in inner:
        raise TruncatedError(f"{kind} picture stops before the list of its parts")
    types = item_types(data, inner[b"iinf"], kind) if b"iinf" in inner else {}
    taken_at = None
    has_pixels = False
    for extent in walk_extents(data, inner[b"iloc"], kind):
        start, end = _place(data, extent, inner.get(b"idat"), kind)
        if types.get(extent.item) in _CODED and is_padding(data, start, end):
            raise TruncatedError(f"{kind} picture stops early and is filled up with zeros")
        if types.get(extent.item) == b"Exif":
            taken_at = taken_at or _taken_at(data, start, end)
        else:
            has_pixels |= end > start
    size = _size(data, inner.get(b"iprp"), kind)
    if not has_pixels:
        raise MismatchError(f"{kind} file without a picture in it")
    return Picture(kind=kind, extension=extension, width_px=size[0], height_px=size[1], taken_at=taken_at)


def _by_name(boxes: Iterable[Box]) -> dict[bytes, Box]:
    """Keep the first box of each name."""
    named: dict[bytes, Box] = {}
    for box in boxes:
        named.setdefault(box.name, box)
    return named


def _place(data: Data, extent: Extent, idat: Box | None, kind: str) -> tuple[int, int]:
    """Return where an extent lies in the file; an empty range for what is made of other items."""
    start, limit = extent.start, len(data)
    if extent.method == 1 and idat is not None:
        start, limit = idat.start + extent.start, idat.end
    elif extent.method:
        return 0, 0
    if start + extent.length > limit:
        raise TruncatedError(f"{kind} picture stops before its last pixels")
    return start, start + extent.length


def _size(data: Data, iprp: Box | None, kind: str) -> tuple[int | None, int | None]:
    """Return the largest size that any item has: tiles, thumbnails and gain maps are smaller than the whole."""
    best: tuple[int | None, int | None] = (None, None)
    area = 0
    for ipco in walk_boxes(data, iprp.start, iprp.end, kind=kind) if iprp else ():
        if ipco.name != b"ipco":
            continue
        for box in walk_boxes(data, ipco.start, ipco.end, kind=kind):
            if box.name == b"ispe":
                width, height = struct.unpack_from(">II", data, box.start + 4)
                if width * height > area:
                    area, best = width * height, (width, height)
    return best


def _taken_at(data: Data, start: int, end: int) -> str | None:
    """Read the time from an Exif item, which begins with the distance to its TIFF header."""
    block = data[start : min(end, start + _LARGEST_EXIF_BYTES)]
    return find_taken_at(block[4 + int.from_bytes(block[:4], "big") :])
