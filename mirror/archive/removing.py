"""Taking files out of the tree: the only room that deletes what was stored. Only `forget` and `prune` ask for it."""

import os
import re
import shutil
import stat
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path

from mirror.archive import names
from mirror.archive.disk import READ_FLAGS, Disk, lstat_if_there, unlink_if_there
from mirror.archive.flush import Flusher
from mirror.archive.neighbour import flush_folder, new_file, writing
from mirror.archive.tree import ABSENT, Folders
from mirror.errors import ArchiveError

_COPY_BYTES = 1024 * 1024


class Remover:
    """Deletes files under keys, or moves them out. Every method blocks: it belongs into a thread.

    Args:
        drafts: Descriptor of the drafts' folder.
    """

    def __init__(self, disk: Disk, flusher: Flusher, drafts: int) -> None:
        self._disk = disk
        self._flusher = flusher
        self._drafts = drafts

    def remove(self, keys: Sequence[str]) -> list[int | None]:
        """Delete files and flush their folders; says the size of each, None for what was not there."""
        folders = Folders(self._disk)
        try:
            sizes = [self._remove(folders, key) for key in keys]
            self._flush(folders)
        finally:
            folders.close()
        return sizes

    def _remove(self, folders: Folders, key: str) -> int | None:
        parents, name = require_removable(key)
        with self._disk.saying("delete", key):
            try:
                folder = folders.find(parents)
            except OSError as error:
                if error.errno in ABSENT:
                    return None
                raise
            found = lstat_if_there(folder, name)
            if found is None or stat.S_ISDIR(found.st_mode):
                return None
            os.unlink(name, dir_fd=folder)
        return found.st_size

    def _flush(self, folders: Folders) -> None:
        with self._disk.saying("flush", "the folders"):
            self._flusher.flush([partial(self._disk.reopen, parts) for parts in folders.seen])

    def relatives(self, keys: Sequence[str]) -> list[str]:
        """Find versions of files, and foreign things that lay under their keys, recorded or not."""
        found: set[str] = set()
        for key in keys:
            parents, name = names.split_key(key)
            is_relative = relatives_of(name).fullmatch
            for home in (names.VERSIONS, names.FOREIGN):
                folder = (*home.split("/"), *parents)
                found.update("/".join((*folder, each)) for each in self._names_in(folder) if is_relative(each))
        return sorted(found)

    def _names_in(self, parts: Sequence[str]) -> list[str]:
        with self._disk.saying("list", "/".join(parts)):
            try:
                folder = self._disk.reopen(parts)
            except OSError as error:
                if error.errno in ABSENT:
                    return []
                raise
            try:
                return os.listdir(folder)  # noqa: PTH208 - a descriptor
            finally:
                os.close(folder)

    def remove_drafts(self, asset_ids: Collection[int]) -> int:
        """Delete every draft of these assets, in whatever state, and say how many."""
        prefixes = {str(each) for each in asset_ids}
        with self._disk.saying("delete in", f"{names.STATE}/{names.DRAFTS}"):
            doomed = [each for each in os.listdir(self._drafts) if each.partition(".")[0] in prefixes]  # noqa: PTH208
            count = sum(unlink_if_there(self._drafts, each) for each in doomed if names.is_draft(each))
            if doomed:
                self._flusher.flush([partial(self._disk.reopen, (names.STATE, names.DRAFTS))])
        return count

    def move_out(self, keys: Sequence[str], to: Path) -> list[int | None]:
        """Bring files under the same names into another folder, flushed there before they are deleted here."""
        folders = Folders(self._disk)
        made: set[Path] = set()
        try:
            sizes = [self._copy_out(folders, key, to / key, made) for key in keys]
            for folder in sorted(made):
                with writing(folder):
                    flush_folder(folder)
        finally:
            folders.close()
        self.remove([key for key, size in zip(keys, sizes, strict=True) if size is not None])
        return sizes

    def _copy_out(self, folders: Folders, key: str, target: Path, made: set[Path]) -> int | None:
        """Copy one file by way of another name; one that lies there already was left by a killed run."""
        parents, name = require_removable(key)
        with self._disk.saying("read", key):
            try:
                descriptor = os.open(name, READ_FLAGS, dir_fd=folders.find(parents))
            except OSError as error:
                if error.errno in ABSENT:
                    return None
                raise
        with open(descriptor, "rb", buffering=0) as old, writing(target):  # noqa: PTH123 - a descriptor
            target.parent.mkdir(parents=True, exist_ok=True)
            with new_file(target) as new:
                shutil.copyfileobj(old, new, _COPY_BYTES)
                size = new.tell()
            made.update(_between(target.parent, key.count("/")))
        return size


def require_removable(key: str) -> tuple[tuple[str, ...], str]:
    """Take a key apart; of our own folder nothing but versions may go."""
    if names.is_state(key) and not key.startswith(names.VERSIONS + "/"):
        raise ArchiveError(f"not to be deleted: {key!r}")
    return names.split_key(key)


def relatives_of(name: str) -> re.Pattern[str]:
    """Match ``900101_a.<16 digits>.jpg``, a version of ``900101_a.jpg``, and what gave way to either."""
    stem, dot, extension = name.rpartition(".")
    version = re.escape(stem if dot else name) + "[.][0-9a-f]{16}" + re.escape(f".{extension}" if dot else "")
    return re.compile(f"{version}|(?:{version}|{re.escape(name)})[.][0-9a-f]{{8}}")


def _between(folder: Path, depth: int) -> list[Path]:
    """A folder and those above it, as far as they may have been made for a key."""
    return [folder, *folder.parents[: depth + 1]]
