"""Stored files handed out: read and copied for other programs, from media that cannot be written too."""

import contextlib
import errno
import hashlib
import os
import stat
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from mirror.archive import names
from mirror.archive.disk import READ_FLAGS, Disk, in_plain_words, printable, write_all
from mirror.archive.neighbour import neighbour_of, new_file, writing
from mirror.archive.nouns import Copy, FileRef, How
from mirror.archive.tree import Folders
from mirror.errors import ArchiveError, DamagedError

if sys.platform != "win32":
    import fcntl

R = TypeVar("R")
T = TypeVar("T")

_FICLONE = 0x40049409
"""Share the blocks of another file: ioctl_ficlone(2)."""
_CANNOT = {
    errno.EXDEV, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.ENOTTY, errno.EINVAL, errno.EBADF, errno.EPERM,
    errno.ETXTBSY, errno.EIO,
}  # fmt: skip
"""How kernels and file systems say that a quicker way is not theirs; EIO, since by hand it is seen whose it is."""
_NO_LINK = {errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_AT_ONCE = 1 << 30
_CHUNK_BYTES = 1 << 20
_COARSEST_NS = 2_000_000_000
"""FAT, the file system of most sticks, keeps times to two seconds."""


class TreeFiles:
    """The files of an archive in a folder; see ``handing.StoredFiles`` for the promises.

    Nothing is read through a link inside the tree.

    Raises:
        ArchiveError: The folder cannot be opened.
    """

    def __init__(self, root: Path) -> None:
        try:
            self._disk = Disk(root, min_free_bytes=0)
        except OSError as error:
            raise ArchiveError(f"{root}: cannot open the archive: {in_plain_words(error)}") from error
        self._folders = Folders(self._disk)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folders.close()
        self._disk.close()

    def read(self, key: str) -> bytes:
        """Read a whole stored file.

        Raises:
            DamagedError: It is not there, or cannot be read to its end.
        """
        folder, name = self._place(key)
        with _opened(folder, name, key) as source, _reading(key):
            return b"".join(iter(lambda: os.read(source, _CHUNK_BYTES), b""))

    def check(self, key: str) -> None:
        """Make sure that a stored file is there.

        Raises:
            DamagedError: It is not, or is no regular file.
        """
        folder, name = self._place(key)
        with _opened(folder, name, key):
            pass

    def put(self, key: str, target: Path, *, how: How = "copy", size_bytes: int | None = None) -> None:
        """Put a stored file under a name outside the archive; see `put_copy`."""
        folder, name = self._place(key)
        put_copy(folder, name, target, how=how, size_bytes=size_bytes, key=key)

    def read_each(
        self, items: Iterable[tuple[T, FileRef | None]]
    ) -> Generator[tuple[T, bytes | DamagedError | None], None, None]:
        """Read whole files."""
        for item, file in items:
            yield item, None if file is None else _tried(self.read, file.key)

    def check_each(
        self, items: Iterable[tuple[T, FileRef | None]]
    ) -> Generator[tuple[T, DamagedError | None], None, None]:
        """Make sure that files are there."""
        for item, file in items:
            yield item, None if file is None else _tried(self.check, file.key)

    def put_each(
        self, items: Iterable[tuple[T, Copy | None]], *, how: How = "copy"
    ) -> Generator[tuple[T, DamagedError | None], None, None]:
        """Put files under names outside the archive."""
        for item, copy in items:
            yield item, None if copy is None else _tried(self._put, copy, how)

    def _put(self, copy: Copy, how: How) -> None:
        self.put(copy.file.key, copy.target, how=how, size_bytes=copy.file.size_bytes)

    def is_copy(self, file: FileRef, target: Path) -> bool:
        """Whether a copy of a file, or the file itself, lies there."""
        with contextlib.suppress(OSError, DamagedError):
            folder, name = self._place(file.key)
            ours = os.stat(name, dir_fd=folder, follow_symlinks=False)
            return os.path.samestat(ours, target.stat()) or is_like(
                target, size_bytes=ours.st_size, time_ns=ours.st_mtime_ns, sha256=file.sha256
            )
        return False

    def pass_on(self, key: str, take: Callable[[bytes], object]) -> int:
        """Hand a whole file on piece by piece."""
        folder, name = self._place(key)
        size_bytes = 0
        with _opened(folder, name, key) as source:
            while chunk := _piece(source, key):
                take(chunk)
                size_bytes += len(chunk)
        return size_bytes

    def _place(self, key: str) -> tuple[int, str]:
        parents, name = names.split_key(key)
        with _reading(key):
            return self._folders.find(parents), name


def is_like(target: Path, *, size_bytes: int | None, time_ns: int | None, sha256: bytes | None) -> bool:
    """Whether a file has this size, and this time or these bytes; nothing there, or a folder, is not like it."""
    with contextlib.suppress(OSError):
        found = target.stat()
        if found.st_size == size_bytes and stat.S_ISREG(found.st_mode):
            if time_ns is not None and abs(found.st_mtime_ns - time_ns) <= _COARSEST_NS:
                return True
            with target.open("rb") as opened:
                return sha256 is not None and hashlib.file_digest(opened, "sha256").digest() == sha256
    return False


def _tried(do: Callable[..., R], *given: object) -> R | DamagedError:
    try:
        return do(*given)
    except DamagedError as error:
        return error


def put_copy(
    folder: int, name: str, target: Path, *, how: How = "copy", size_bytes: int | None = None, key: str = ""
) -> None:
    """Put a stored file under a name outside the archive: there as a whole or not at all; an older one gives way.

    A copy belongs to whoever asked: it can be edited, and has the file's time. Nothing is flushed: whoever puts many
    flushes once.

    Args:
        folder: Descriptor of the folder that the file lies in.
        how: With ``link``, editing the one changes the other.
        size_bytes: What the manifest says of it, if that is to be checked.
        key: What messages call the file, if not ``name``.
    Raises:
        DamagedError: The file is not there, unreadable, or of another size.
        ArchiveError: The target cannot be written; or not as a link, since it is on another disk.
    """
    key = key or name
    with _opened(folder, name, key) as source:
        found = os.fstat(source)
        if size_bytes is not None and found.st_size != size_bytes:
            raise DamagedError(f"{printable(key)}: {found.st_size} bytes, expected {size_bytes}")
        if how == "link":
            _link(folder, name, target)
            return
        with new_file(target, is_flushed=False) as file:
            copy = file.fileno()
            _copy_bytes(source, copy, key)
            if os.fstat(copy).st_size != found.st_size:
                raise DamagedError(f"{printable(key)}: it changed while it was copied")
            if os.utime in os.supports_fd:
                os.utime(copy, ns=(found.st_atime_ns, found.st_mtime_ns))


@contextlib.contextmanager
def _reading(key: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DamagedError(f"{printable(key)}: cannot be read: {in_plain_words(error)}") from error


@contextlib.contextmanager
def _opened(folder: int, name: str, key: str) -> Iterator[int]:
    with _reading(key):
        descriptor = os.open(name, READ_FLAGS, dir_fd=folder)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise DamagedError(f"{printable(key)}: not a regular file")
        yield descriptor
    finally:
        os.close(descriptor)


def _link(folder: int, name: str, target: Path) -> None:
    draft = neighbour_of(target)
    with writing(target):
        try:
            os.link(name, draft, src_dir_fd=folder, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
            raise ArchiveError(
                f"{printable(str(target))}: cannot be a link: that takes a place on the archive's own disk, with a "
                "file system that has links; copies work everywhere"
            ) from error
        try:
            draft.replace(target)
        finally:
            # Renaming one link of a file onto another one does nothing, and leaves both.
            draft.unlink(missing_ok=True)


def _copy_bytes(source: int, copy: int, key: str) -> None:
    """Share the blocks, else let the kernel copy; what that leaves is copied by hand."""
    if _has_cloned(source, copy):
        return
    try:
        while os.copy_file_range(source, copy, _AT_ONCE):
            pass
    except AttributeError:  # macOS
        pass
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
    os.lseek(source, os.lseek(copy, 0, os.SEEK_CUR), os.SEEK_SET)
    while chunk := _piece(source, key):
        write_all(copy, chunk)


def _piece(source: int, key: str) -> bytes:
    with _reading(key):
        return os.read(source, _CHUNK_BYTES)


def _has_cloned(source: int, copy: int) -> bool:
    if sys.platform == "win32":
        return False
    try:
        fcntl.ioctl(copy, _FICLONE, source)
    except OSError as error:
        if error.errno in _CANNOT:
            return False
        raise
    return True
