"""Files read to their end: hashed, and checked to be whole pictures, a few at once."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mirror.archive import Archive, Entry, Inspection
from mirror.errors import FetchError
from mirror.imagecheck import Picture
from mirror.one_try import examine
from mirror.tally import Tally

_HOP = 16
_LARGE_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A file that was read to its end, or why it could not be."""

    key: str
    size_bytes: int = 0
    sha256: bytes = b""
    modified_ts: float = 0.0
    picture: Picture | None = None
    fault: str = ""
    """Why it is no whole picture."""
    group: str = ""
    """The same without what is peculiar to this file, if that is something else."""


@dataclass(slots=True, kw_only=True)
class Reader:
    """Reads files of a tree; each is in memory as a whole, since a mapping of a failing disk would kill.

    Args:
        tally: Counts files as stored, and their bytes as fetched.
        largest_bytes: No asset is larger: what is, is not read at all.
    """

    archive: Archive
    tally: Tally
    largest_bytes: int

    async def read_all(self, keys: Sequence[str], entries: Mapping[str, Entry]) -> list[Read]:
        """Read files to their end, in order; the small ones a few at once, the large ones one at a time."""
        most_bytes = min(_LARGE_BYTES, self.largest_bytes)
        small = [key for key in keys if _size(entries, key) <= most_bytes]
        hops = [small[at : at + _HOP] for at in range(0, len(small), _HOP)]
        found = {
            read.key: read
            for reads in await asyncio.gather(*(self._read(hop, entries) for hop in hops))
            for read in reads
        }
        for key in keys:
            if key not in found:
                found[key] = (await self._read([key], entries))[0]
        await self.archive.flush_files([read.key for read in found.values() if read.picture is not None])
        return [found[key] for key in keys]

    async def _read(self, keys: Sequence[str], entries: Mapping[str, Entry]) -> list[Read]:
        if _size(entries, keys[0]) > self.largest_bytes:
            self.tally.stored += 1
            return [Read(key=keys[0], fault="larger than any asset (download.largest_asset)")]
        reads = [
            _read(key, entries.get(key), found)
            for key, found in zip(keys, await self.archive.inspect(keys, _examined), strict=True)
        ]
        self.tally.stored += len(reads)
        self.tally.fetched_bytes += sum(read.size_bytes for read in reads)
        return reads


def _examined(body: bytes) -> Picture | str:
    """What the picture check says, or why it is no whole picture."""
    try:
        return examine(body)
    except FetchError as error:
        return error.message


def _size(entries: Mapping[str, Entry], key: str) -> int:
    return entries[key].size_bytes if key in entries else 0


def _read(key: str, entry: Entry | None, found: Inspection[Picture | str]) -> Read:
    if found.size_bytes is None or found.sha256 is None:
        fault = "cannot be read to its end" if found.is_there else "it went away while it was looked at"
        return Read(key=key, fault=fault)
    picture = found.examined if isinstance(found.examined, Picture) else None
    return Read(
        key=key,
        size_bytes=found.size_bytes,
        sha256=found.sha256,
        modified_ts=entry.modified_ts if entry is not None else 0.0,
        picture=picture,
        fault=found.examined if isinstance(found.examined, str) else "",
        group="no whole picture" if picture is None else "",
    )
