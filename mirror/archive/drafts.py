"""The folder of drafts: opened, taken up again, listed, swept, flushed."""

import contextlib
import os
import stat
from collections.abc import Callable, Collection
from functools import partial
from typing import TypeVar

from mirror.archive import names
from mirror.archive.disk import FOLDER_FLAGS, READ_FLAGS, hash_file, lstat_if_there, unlink_if_there
from mirror.archive.draft import LocalDraft
from mirror.archive.flush import Flusher
from mirror.archive.growing import DraftRoom, GrowingFile, mapped
from mirror.archive.seam import Bytes, KeptDraft
from mirror.errors import ArchiveError

T = TypeVar("T")


class Drafts:
    """All drafts of an archive. The plain methods block: they belong into a thread."""

    def __init__(self, room: DraftRoom, flusher: Flusher) -> None:
        self._room = room
        self._flusher = flusher

    def open(self, asset_id: int, address: str) -> LocalDraft:
        """Begin an empty draft; no call to the disk is made."""
        return LocalDraft(self._room, asset_id, address)

    async def resume(self, name: str) -> LocalDraft:
        """Take up a kept draft at its end; one that vanished is empty."""
        kept = names.parse_draft(name, 0)
        if kept is None or kept.etag is None:
            raise ArchiveError(f"not a draft that can be resumed: {name!r}")
        draft = LocalDraft(self._room, kept.asset_id, kept.address)
        file = await self._room.begin(self._take_up, name, draft.name)
        if file is not None:
            draft.go_on(file)
        return draft

    def _take_up(self, name: str, flight: str) -> GrowingFile | None:
        with self._room.saying("resume", name), contextlib.suppress(FileNotFoundError):
            self._room.rename(name, flight)
            return GrowingFile(os.open(flight, os.O_RDWR | READ_FLAGS, dir_fd=self._room.folder), self._room)
        return None

    def check(self, name: str, examine: Callable[[Bytes], T]) -> T | None:
        """Hash a checked draft of an earlier run again and examine it; None when it is not what its name says."""
        kept = names.parse_draft(name, 0)
        with self._room.saying("read", name):
            if kept is None or kept.sha256 is None or self._hash(name) != (kept.size_bytes, kept.sha256):
                return None
            descriptor = os.open(name, READ_FLAGS, dir_fd=self._room.folder)
        try:
            with mapped(descriptor, kept.size_bytes) as body:
                return examine(body)
        finally:
            os.close(descriptor)

    def _hash(self, name: str) -> tuple[int, bytes] | None:
        return hash_file(self._room.folder, name)

    def kept(self) -> list[KeptDraft]:
        """List what a run may claim."""
        found = []
        with self._room.saying("list", ""):
            for name in sorted(os.listdir(self._room.folder)):  # noqa: PTH208 - a descriptor
                facts = lstat_if_there(self._room.folder, name)
                if facts is not None and stat.S_ISREG(facts.st_mode) and facts.st_size:
                    found.append(names.parse_draft(name, facts.st_size))
        return [each for each in found if each is not None]

    def clean(self, keep: Collection[str]) -> int:
        """Delete all others; what bears no name of ours is left alone."""
        kept = set(keep)
        with self._room.saying("list", ""):
            there = os.listdir(self._room.folder)  # noqa: PTH208 - a descriptor
        doomed = [each for each in there if each not in kept and names.is_draft(each)]
        return sum(map(self._delete, doomed))

    def discard(self, doomed: Collection[str]) -> None:
        """Delete these; one that is not there is no matter."""
        for name in doomed:
            self._delete(name)

    def _delete(self, name: str) -> bool:
        if not names.is_draft(name):
            raise ArchiveError(f"not a draft: {name!r}")
        with self._room.saying("delete", name):
            return unlink_if_there(self._room.folder, name)

    def flush(self, flushed: Collection[str]) -> None:
        """Bring the bytes of these drafts to the disk."""
        openers = [partial(os.open, name, READ_FLAGS, dir_fd=self._room.folder) for name in flushed]
        with self._room.saying("flush", ""):
            self._flusher.flush([*openers, partial(os.open, ".", FOLDER_FLAGS, dir_fd=self._room.folder)])
