"""What lies in a bucket: sizes by listing, bytes by reading them back."""

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from mirror.archive import names
from mirror.archive.objects.facts import ObjectFacts
from mirror.archive.objects.labels import sha256_in
from mirror.archive.objects.parallel import for_each
from mirror.archive.seam import Entry, Inspection
from mirror.errors import AbsentError

if TYPE_CHECKING:
    from mirror.archive.objects.bucket import Bucket

T = TypeVar("T")
_FEW = 4
"""Up to so many files of one folder are looked at one by one; of more, the folder is listed."""


class Shelf:
    """Looks at objects and changes none."""

    def __init__(self, bucket: "Bucket") -> None:
        self.bucket = bucket

    async def holds(self, there: ObjectFacts, size_bytes: int, sha256: bytes) -> bool:
        """Whether an object has these bytes: by its label, or by reading it back where it has none."""
        if there.size_bytes != size_bytes:
            return False
        return (sha256_in(there.labels) or (await self.read_back(there.key))[1]) == sha256

    async def read_back(self, key: str) -> tuple[int, bytes]:
        """Read an object and say its size in bytes and SHA-256.

        Raises:
            AbsentError: It is not there.
        """
        hashing = hashlib.sha256()
        facts = await self.bucket.read(key, hashing.update)
        return facts.size_bytes, hashing.digest()

    async def sizes(self, keys: Sequence[str]) -> list[int | None]:
        """Measure objects, in order; None for what is not there."""
        folders: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
        for key in keys:
            folders[names.split_key(key)[0]].append(key)
        found: dict[str, int] = {}
        few = [key for group in folders.values() if len(group) <= _FEW for key in group]
        for facts in await for_each(few, self.bucket.find):
            if facts is not None:
                found[facts.key] = facts.size_bytes
        many = [group for group in folders.values() if len(group) > _FEW]
        for sizes in await for_each(many, self._list_range):
            found |= sizes
        return [found.get(key) for key in keys]

    async def _list_range(self, keys: Sequence[str]) -> dict[str, int]:
        """Measure objects of one folder by listing it from the first to the last of them."""
        first, last = min(keys), max(keys)
        wanted = set(keys)
        found: dict[str, int] = {}
        below = first.rpartition("/")[0]
        # What a key begins with comes before it.
        async for page in self.bucket.list_below(below, after=first[:-1]):
            found |= {each.key: each.size_bytes for each in page if each.key in wanted}
            if page and page[-1].key >= last:
                break
        return found

    async def inspect(self, keys: Sequence[str], examine: Callable[[bytes], T] | None) -> list[Inspection[T]]:
        """Hash objects, several at once; see ``seam.Archive``."""

        async def look(key: str) -> Inspection[T]:
            names.split_key(key)
            try:
                if examine is None:
                    size_bytes, digest = await self.read_back(key)
                    return Inspection(is_there=True, size_bytes=size_bytes, sha256=digest)
                body, _ = await self.bucket.get(key)
            except AbsentError:
                return Inspection(is_there=False)
            return await asyncio.to_thread(_examined, body, examine)

        return await for_each(keys, look)

    async def survey(self, below: str) -> AsyncGenerator[list[Entry], None]:
        """Name everything below a folder but our own, in the order of the keys."""
        async for page in self.bucket.list_below(below):
            found = [
                Entry(key=each.key, size_bytes=each.size_bytes, modified_ts=each.modified_ts)
                for each in page
                if below or not names.is_state(each.key)
            ]
            if found:
                yield found


def _examined(body: bytes, examine: Callable[[bytes], T]) -> Inspection[T]:
    digest = hashlib.sha256(body).digest()
    return Inspection(is_there=True, size_bytes=len(body), sha256=digest, examined=examine(body))
