"""Taking objects out of a bucket: deleted, or brought to a folder of this machine first."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mirror.archive import names
from mirror.archive.neighbour import flush_folder, new_file, writing
from mirror.archive.objects.parallel import for_each
from mirror.archive.objects.shelf import Shelf
from mirror.archive.removing import relatives_of, require_removable
from mirror.errors import AbsentError

if TYPE_CHECKING:
    from mirror.archive.objects.bucket import Bucket


class Taker:
    """Deletes objects; see ``seam.Archive`` for the promises."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._bucket: Bucket = shelf.bucket

    async def relatives(self, keys: Sequence[str]) -> list[str]:
        """Find versions of these files, and foreign things that lay under their keys."""
        homes = {(home, names.split_key(key)[0]) for key in keys for home in (names.VERSIONS, names.FOREIGN)}
        of_names = [relatives_of(names.split_key(key)[1]) for key in keys]
        found: set[str] = set()
        for home, parents in sorted(homes):
            below = "/".join((home, *parents))
            async for entries in self._shelf.survey(below):
                for each in entries:
                    folder, _, name = each.key.rpartition("/")
                    if folder == below and any(pattern.fullmatch(name) for pattern in of_names):
                        found.add(each.key)
        return sorted(found)

    async def remove(self, keys: Sequence[str]) -> list[int | None]:
        """Delete files of the tree or versions."""
        for key in keys:
            require_removable(key)
        sizes = await self._shelf.sizes(keys)
        await self._bucket.delete([key for key, size in zip(keys, sizes, strict=True) if size is not None])
        return sizes

    async def move_out(self, keys: Sequence[str], to: Path) -> list[int | None]:
        """Bring files under the same names into a folder of this machine, flushed there before they are deleted."""
        for key in keys:
            require_removable(key)

        async def fetch(key: str) -> int | None:
            target = to / key
            with writing(target):
                await asyncio.to_thread(target.parent.mkdir, parents=True, exist_ok=True)
            try:
                return await self._fetch(key, target)
            except AbsentError:
                return None

        sizes = await for_each(keys, fetch)
        gone = [key for key, size in zip(keys, sizes, strict=True) if size is not None]
        for folder in sorted({parent for key in gone for parent in (to / key).parents if parent.is_relative_to(to)}):
            with writing(folder):
                await asyncio.to_thread(flush_folder, folder)
        await self._bucket.delete(gone)
        return sizes

    async def _fetch(self, key: str, target: Path) -> int:
        with new_file(target) as file:

            def take(piece: bytes) -> None:
                # In our words here: the bucket would take it for the store's refusal, and ask again.
                with writing(target):
                    file.write(piece)

            return (await self._bucket.read(key, take)).size_bytes
