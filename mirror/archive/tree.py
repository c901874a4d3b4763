"""The tree of keys: every folder opened one by one from the root, never through a link."""

import contextlib
import errno
import os
import secrets
import shutil
import stat
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from functools import partial

from mirror.archive import names
from mirror.archive.disk import NEW_FLAGS, READ_FLAGS, STORED_MODE, Disk, hash_file, lstat_if_there
from mirror.archive.flush import Flusher, System
from mirror.archive.growing import flight_name
from mirror.archive.seam import Publication
from mirror.errors import ArchiveError

_MOST_FOLDERS = 64
_COPY_BYTES = 1024 * 1024
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EINVAL}
"""How file systems without hard links say so, or that a file has as many as it can."""
ABSENT = {errno.ENOENT, errno.ENOTDIR}
DAMAGED = {errno.EIO, errno.EBADMSG, getattr(errno, "EUCLEAN", errno.EIO)}
"""A file that cannot be read to its end is lost, and its asset alone."""


class Folders:
    """Descriptors of folders, for the length of one hop: later, people may have moved them.

    Args:
        is_making: Whether folders that are missing are made.
    """

    def __init__(self, disk: Disk, *, is_making: bool = False) -> None:
        self._disk = disk
        self._is_making = is_making
        self._open: OrderedDict[tuple[str, ...], int] = OrderedDict()
        self.seen: dict[tuple[str, ...], None] = {(): None}
        """All folders asked for and those above them, the root first."""

    def find(self, parts: tuple[str, ...]) -> int:
        """Open a folder; the descriptor is good until some dozens of others were asked for."""
        if not parts:
            return self._disk.folder
        if (known := self._open.get(parts)) is not None:
            self._open.move_to_end(parts)
            return known
        parent = self.find(parts[:-1])
        step = self._disk.make_below if self._is_making else self._disk.open_below
        descriptor = self._open[parts] = step(parent, parts[-1])
        self.seen[parts] = None
        if len(self._open) > _MOST_FOLDERS:
            os.close(self._open.popitem(last=False)[1])
        return descriptor

    def close(self) -> None:
        """Let go of all."""
        while self._open:
            os.close(self._open.popitem()[1])


class Tree:
    """What lies under keys. Every method blocks: it belongs into a thread.

    Args:
        drafts: Descriptor of the drafts' folder.
    """

    def __init__(self, disk: Disk, system: System, flusher: Flusher, drafts: int) -> None:
        self._disk = disk
        self._system = system
        self._flusher = flusher
        self._drafts = drafts

    def publish(self, group: Sequence[Publication]) -> list[tuple[str, str]]:
        """Keep what is replaced, flush that, rename, flush the names; say what foreign things were moved."""
        moved: list[tuple[str, str]] = []
        with self._folders(is_making=True) as folders:
            damaged = {each.key for each in group if each.keep_as is not None and self._is_damaged(folders, each)}
            kept = [(each.key, each.keep_as) for each in group if each.keep_as is not None and each.key not in damaged]
            for key, version in kept:
                moved += self._keep_version(folders, key, version)
            if kept:
                self._flush(folders)
            for each in group:
                moved += self._give_name(folders, each, can_replace=each.is_ours_there and each.key not in damaged)
            self._flush(folders)
        return moved

    def _flush(self, folders: Folders) -> None:
        """Bring names to the disk, from the root on: a folder that is new is a name itself."""
        with self._disk.saying("flush", "the folders"):
            self._flusher.flush([partial(self._disk.reopen, parts) for parts in folders.seen])

    def _is_damaged(self, folders: Folders, publication: Publication) -> bool:
        """Whether the bytes to be kept are no longer what they were: no version may claim their hash."""
        if publication.sha256_there is None:
            return False
        parents, name = names.split_key(publication.key)
        with self._disk.saying("read", publication.key):
            try:
                found = hash_file(folders.find(parents), name)
            except OSError as error:
                if error.errno in DAMAGED:
                    return True
                raise
        return found is not None and found[1] != publication.sha256_there

    def _give_name(self, folders: Folders, publication: Publication, *, can_replace: bool) -> list[tuple[str, str]]:
        key, moved = publication.key, []
        parents, name = names.split_key(key)
        if names.is_state(key) or not names.is_draft(publication.draft):
            raise ArchiveError(f"no key for an asset, or no draft: {key!r}, {publication.draft!r}")
        with self._disk.saying("store", key):
            folder = folders.find(parents)
            found = lstat_if_there(folder, name)
            is_ours = can_replace and found is not None and stat.S_ISREG(found.st_mode)
            if found is not None and not is_ours:
                moved.append((key, self._move_away(folders, key)))
            os.rename(publication.draft, name, src_dir_fd=self._drafts, dst_dir_fd=folders.find(parents))
        return moved

    def _move_away(self, folders: Folders, key: str) -> str:
        """Put what is not ours where nothing overwrites it, whatever it is."""
        place = f"{names.FOREIGN}/{key.removeprefix(names.VERSIONS + '/')}.{secrets.token_hex(4)}"
        old_parents, old_name = names.split_key(key)
        new_parents, new_name = names.split_key(place)
        target = folders.find(new_parents)
        os.rename(old_name, new_name, src_dir_fd=folders.find(old_parents), dst_dir_fd=target)
        return place

    def _keep_version(self, folders: Folders, key: str, version: str) -> list[tuple[str, str]]:
        """Give the bytes under a key a second name; what lies under that name and is something else gives way."""
        if not version.startswith(names.VERSIONS + "/"):
            raise ArchiveError(f"no key for a version: {version!r}")
        parents, name = names.split_key(key)
        version_parents, version_name = names.split_key(version)
        moved = []
        with self._disk.saying("keep the version", version):
            target = folders.find(version_parents)
            source = folders.find(parents)
            ours = lstat_if_there(source, name)
            if ours is None or not stat.S_ISREG(ours.st_mode):
                return []
            kept = lstat_if_there(target, version_name)
            if kept is not None:
                is_same = os.path.samestat(kept, ours) or hash_file(target, version_name) == hash_file(source, name)
                if is_same:
                    return []
                moved.append((version, self._move_away(folders, version)))
            self._link(folders.find(parents), name, folders.find(version_parents), version_name)
        return moved

    def _link(self, source: int, name: str, target: int, version_name: str) -> None:
        try:
            self._system.link(name, version_name, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            self._copy(source, name, target, version_name)

    def _copy(self, source: int, name: str, target: int, version_name: str) -> None:
        """Copy by way of a draft: a version too has its name only when it is whole and flushed."""
        flight = flight_name(0)
        with (
            open(os.open(name, READ_FLAGS, dir_fd=source), "rb", buffering=0) as old,  # noqa: PTH123 - descriptors
            open(os.open(flight, os.O_WRONLY | NEW_FLAGS, STORED_MODE, dir_fd=self._drafts), "wb") as new,  # noqa: PTH123
        ):
            shutil.copyfileobj(old, new, _COPY_BYTES)
            new.flush()
            self._system.flush_one(new.fileno())
        os.rename(flight, version_name, src_dir_fd=self._drafts, dst_dir_fd=target)

    def sizes(self, keys: Sequence[str]) -> list[int | None]:
        """Measure stored files."""
        with self._folders() as folders:
            return [self._size(folders, key) for key in keys]

    def _size(self, folders: Folders, key: str) -> int | None:
        parents, name = names.split_key(key)
        with self._disk.saying("look at", key):
            try:
                found = os.stat(name, dir_fd=folders.find(parents), follow_symlinks=False)
            except (FileNotFoundError, NotADirectoryError):
                return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def digest(self, key: str) -> tuple[int, bytes] | None:
        """Hash a stored file."""
        parents, name = names.split_key(key)
        with self._folders() as folders, self._disk.saying("read", key):
            try:
                return hash_file(folders.find(parents), name)
            except OSError as error:
                if error.errno in ABSENT | DAMAGED:
                    return None
                raise

    def read(self, key: str) -> bytes:
        """Read a stored file."""
        parents, name = names.split_key(key)
        with self._folders() as folders, self._disk.saying("read", key):
            descriptor = os.open(name, READ_FLAGS, dir_fd=folders.find(parents))
            with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123 - a descriptor
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise ArchiveError(f"{key}: not a regular file")
                return file.read()

    @contextlib.contextmanager
    def _folders(self, *, is_making: bool = False) -> Iterator[Folders]:
        folders = Folders(self._disk, is_making=is_making)
        try:
            yield folders
        finally:
            folders.close()
