"""The index in small script files that a page loads as it needs them. Pure.

A race day has one outline (all that lays out the whole grid: some ten bytes a photo), blocks with the details of a few
hundred photos each, and bib lists by the bibs' first characters. A shard is called by the hash of its content, and
blocks end where a photo's id says so: one photo more changes one block, one bib list and the outline, nothing else.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from typing import Any
from zlib import crc32

from mirror.gallery.entries import UNDATED, Entry
from mirror.manifest import HeldFile

_HASH_BYTES = 8
_LEAST, _USUAL, _MOST = 100, 300, 800
"""Photos in a block."""
_MOST_REFS = 1500
"""Photos in a bib list, before it is split by one character more."""
_MOST_FOLDERS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One script file."""

    name: str
    """16 hex digits: the hash of its content."""
    text: bytes


def make_shard(content: Any) -> Shard:
    """Write plain data as a script that hands it to the page; pure ASCII, whatever is in it."""
    data = json.dumps(content, separators=(",", ":"), ensure_ascii=True)
    name = hash_of(data.encode())
    return Shard(name=name, text=f'mirror.shard("{name}",{data});\n'.encode())


def hash_of(*parts: bytes) -> str:
    """Name content by its hash: 16 hex digits."""
    digest = blake2b(digest_size=_HASH_BYTES)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


# -- blocks -----------------------------------------------------------------------------------------------------------


class Folders:
    """Folders of a race day's files, numbered: a key is a number and a name.

    Args:
        keys: All of them. Of a layout with a folder for each photo, most stay whole.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        found = sorted({key[: key.rfind("/") + 1] for key in keys} - {""})
        self._numbers = {folder: number for number, folder in enumerate(["", *found[:_MOST_FOLDERS]])}

    def split(self, key: str) -> tuple[int, str]:
        """Take a key apart."""
        end = key.rfind("/") + 1
        number = self._numbers.get(key[:end])
        return (0, key) if number is None else (number, key[end:])

    def names(self) -> list[str]:
        """All of them, by number; each but the first, which is empty, ends with a slash."""
        return list(self._numbers)


def record_of(entry: Entry, folders: Folders) -> list[Any]:
    """Write what only a visible photo needs; `static/archive.js` reads it."""
    number, name = folders.split(entry.small.key)

    def file(each: HeldFile | None) -> Any:
        if each is None:
            return 0
        folder, own = folders.split(each.key)
        size = [each.width_px or 0, each.height_px or 0, each.size_bytes]
        return [folder, 0 if own == name else own, *size]

    big = 0 if entry.big is entry.small else file(entry.big)
    return [entry.name, entry.uploaded, int(entry.is_taken), list(entry.bibs), number, name, big, file(entry.original)]


def cut_blocks(entries: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    """Cut photos into blocks at places that depend on the photos there, so that the others stay as they are."""
    start = 0
    for number, entry in enumerate(entries, 1):
        size = number - start
        ends_here = size >= _LEAST and crc32(b"%d" % entry.photo_id) % (_USUAL - _LEAST) == 0
        if ends_here or size >= _MOST or number == len(entries):
            yield entries[start:number]
            start = number


# -- the outline ------------------------------------------------------------------------------------------------------


def outline_of(entries: Sequence[Entry], album_ids: Sequence[str]) -> dict[str, Any]:
    """Write what lays out the grid of a whole race day: numbers in columns, ids and times as differences."""
    numbers = {album_id: number for number, album_id in enumerate(album_ids)}
    dated = [each.time for each in entries if each.time != UNDATED]
    return {
        "ids": differences(each.photo_id for each in entries),
        "times": differences(dated),
        "ratios": [each.ratio for each in entries],
        "album_of": [numbers[each.album_id] for each in entries],
        "untagged": differences(number for number, each in enumerate(entries) if not each.bibs),
    }


def differences(values: Iterable[int]) -> list[int]:
    """Write numbers as their differences; the first stands as it is."""
    return [after - before for before, after in pairwise((0, *values))]


# -- bibs -------------------------------------------------------------------------------------------------------------


def folded(bib: str) -> str:
    """A bib as people type it: `static/search.js` does the same."""
    return bib.strip().lower()


def bib_lists(found: Mapping[str, Sequence[Any]]) -> Iterator[tuple[str, list[tuple[str, Sequence[Any]]]]]:
    """Sort bibs into lists by their first characters, each short enough to be loaded while somebody types.

    Args:
        found: By folded bib, the photos or race days that it leads to.
    Yields:
        The characters, and the bibs that begin with them and stand in no longer-named list.
    """
    yield from _split("", sorted(found.items()))


def _split(prefix: str, bibs: list[tuple[str, Sequence[Any]]]) -> Iterator[tuple[str, list[tuple[str, Sequence[Any]]]]]:
    if len(bibs) <= 1 or sum(len(found) for _, found in bibs) <= _MOST_REFS:
        yield prefix, bibs
        return
    groups: dict[str, list[tuple[str, Sequence[Any]]]] = {}
    for bib, found in bibs:
        groups.setdefault(bib[: len(prefix) + 1], []).append((bib, found))
    for longer, group in groups.items():
        # A bib that is its own prefix stands alone; nothing of it is left to split by.
        yield from _split(longer, group) if longer != prefix else [(prefix, group)]
