"""What lies in a tree, whoever put it there: every name below the root, and why it is no file if it is none."""

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from functools import partial

from mirror.archive import names
from mirror.archive.disk import READ_FLAGS, Disk, lstat_if_there
from mirror.archive.flush import Flusher
from mirror.archive.seam import Entry

_NOT_HERE = {
    errno.EACCES: "permission denied",
    errno.EPERM: "not permitted",
    errno.EIO: "the disk reports an input/output error",
    errno.EBADMSG: "the disk reports damage",
    getattr(errno, "EUCLEAN", errno.EIO): "the disk reports damage",
    errno.EXDEV: "a mount point inside the archive",
    errno.ENOTDIR: "it changed while it was looked at",
    errno.ELOOP: "it changed while it was looked at",
    errno.ENOENT: "it went away while it was looked at",
}
"""What one folder alone can suffer from; anything else is trouble of the whole disk."""
_NO_TEXT = "its name is no text"


class Survey:
    """Looks at a tree and changes nothing. Every method blocks: it belongs into a thread.

    Nothing is followed that could lead elsewhere: each folder is opened from the root, step by step.
    """

    def __init__(self, disk: Disk, flusher: Flusher) -> None:
        self._disk = disk
        self._flusher = flusher

    def walk(self, below: str = "") -> Iterator[Entry]:
        """Name everything below a folder of the tree but our own, in an order that does not change.

        Only the names of one folder are in memory. A folder that is not there is empty.
        """
        waiting = [tuple(below.split("/")) if below else ()]
        while waiting:
            parts = waiting.pop()
            folders: list[tuple[str, ...]] = []
            try:
                yield from self._look_into(parts, folders)
            except OSError as error:
                if error.errno not in _NOT_HERE or not parts:
                    raise self._disk.refusal(error, "look into", "/".join(parts) or ".") from error
                if "/".join(parts) != below or error.errno != errno.ENOENT:
                    yield Entry(key="/".join(parts), trouble=_NOT_HERE[error.errno])
            waiting += reversed(folders)

    def _look_into(self, parts: tuple[str, ...], folders: list[tuple[str, ...]]) -> Iterator[Entry]:
        folder = self._disk.reopen(parts)
        try:
            with os.scandir(folder) as entries:
                found_names = sorted(entry.name for entry in entries)
            for name in found_names:
                found = None if not parts and names.is_state(name) else lstat_if_there(folder, name)
                if found is not None and stat.S_ISDIR(found.st_mode):
                    folders.append((*parts, name))
                elif found is not None:
                    yield _entry("/".join((*parts, name)), found)
        finally:
            os.close(folder)

    def flush_files(self, keys: Sequence[str]) -> None:
        """Bring the bytes of files to the disk, unless one call will do that for all of them in the end."""
        if self._flusher.kind != "syncfs":
            with self._disk.saying("flush", "files"):
                self._flusher.flush([partial(self._open, key) for key in keys])

    def _open(self, key: str) -> int:
        parents, name = names.split_key(key)
        folder = self._disk.reopen(parents)
        try:
            return os.open(name, READ_FLAGS, dir_fd=folder)
        finally:
            os.close(folder)

    def flush_folders(self, folders: Sequence[tuple[str, ...]]) -> None:
        """Bring the names in these folders to the disk, and where one call does that, all bytes too."""
        with self._disk.saying("flush", "the folders"):
            self._flusher.flush([partial(self._disk.reopen, parts) for parts in folders])


def _entry(key: str, found: os.stat_result) -> Entry:
    if stat.S_ISLNK(found.st_mode):
        return Entry(key=key, trouble="a link, and links are not followed")
    if not stat.S_ISREG(found.st_mode):
        return Entry(key=key, trouble="no regular file")
    trouble = "" if names.is_text(key) else _NO_TEXT
    return Entry(key=key, size_bytes=found.st_size, modified_ts=found.st_mtime, trouble=trouble)
