"""Looking at what lies in the tree: hashing many files in one hop, and finding what is there at all."""

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from mirror.archive import names
from mirror.archive.disk import READ_FLAGS, Disk, lstat_if_there
from mirror.archive.seam import Inspection
from mirror.archive.tree import ABSENT, DAMAGED, Folders

T = TypeVar("T")
_PIECE_BYTES = 1024 * 1024
_NO_FILE = ABSENT | {errno.ELOOP}
_NOT_OURS = {errno.EACCES, errno.EPERM, errno.EXDEV}
"""How a folder answers that is somebody else's, as ``lost+found`` is, or on another disk."""


class Inspector:
    """Reads files under keys. Every method blocks: it belongs into a thread, and several may run at once."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def inspect(self, keys: Sequence[str], examine: Callable[[bytes], T] | None) -> list[Inspection[T]]:
        """Hash files, in order; see ``seam.Archive``."""
        folders = Folders(self._disk)
        piece = bytearray(_PIECE_BYTES)
        try:
            return [self._look(folders, key, piece, examine) for key in keys]
        finally:
            folders.close()

    def _look(
        self, folders: Folders, key: str, piece: bytearray, examine: Callable[[bytes], T] | None
    ) -> Inspection[T]:
        parents, name = names.split_key(key)
        with self._disk.saying("read", key):
            try:
                found = lstat_if_there(folders.find(parents), name)
                if found is None or not stat.S_ISREG(found.st_mode):
                    return Inspection(is_there=found is not None)
                return self._read(os.open(name, READ_FLAGS, dir_fd=folders.find(parents)), piece, examine)
            except OSError as error:
                if error.errno in _NO_FILE:
                    return Inspection(is_there=False)
                if error.errno in DAMAGED:
                    return Inspection(is_there=True)
                raise

    @staticmethod
    def _read(descriptor: int, piece: bytearray, examine: Callable[[bytes], T] | None) -> Inspection[T]:
        """Hash piece by piece; what is to be examined is read as a whole, since a mapping of a bad disk would kill."""
        with open(descriptor, "rb", buffering=0) as file:
            if examine is not None:
                body = file.read()
                digest = hashlib.sha256(body).digest()
                return Inspection(is_there=True, size_bytes=len(body), sha256=digest, examined=examine(body))
            size, hashing, view = 0, hashlib.sha256(), memoryview(piece)
            while count := file.readinto(piece):
                hashing.update(view[:count])
                size += count
            return Inspection(is_there=True, size_bytes=size, sha256=hashing.digest())

    def walk(self) -> Iterator[list[str]]:
        """Name everything in the tree that is no folder, folder by folder; our own state folder is left out.

        A folder that may not be read is named itself, with a slash at its end.
        """
        waiting: list[tuple[str, ...]] = [()]
        while waiting:
            parts = waiting.pop()
            files, below = self._list(parts)
            waiting += reversed(below)
            yield files

    def _list(self, parts: tuple[str, ...]) -> tuple[list[str], list[tuple[str, ...]]]:
        """Read one folder: what lies in it, and the folders in it that belong to the tree."""
        files, below = [], []
        with self._disk.saying("list", "/".join(parts)):
            try:
                folder = self._disk.reopen(parts)
            except OSError as error:
                if parts and error.errno in _NOT_OURS:
                    return ["/".join((*parts, ""))], []
                raise
            try:
                with os.scandir(folder) as entries:
                    for entry in sorted(entries, key=lambda each: each.name):
                        key = "/".join((*parts, entry.name))
                        if not parts and names.is_state(key):
                            continue
                        if entry.is_dir(follow_symlinks=False):
                            below.append((*parts, entry.name))
                        else:
                            files.append(key)
            finally:
                os.close(folder)
        return files, below
