"""Stored files handed out: read and copied for other programs, from media that cannot be written too."""

import contextlib
import errno
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from mirror.archive import names
from mirror.archive.disk import READ_FLAGS, Disk, in_plain_words, printable, write_all
from mirror.archive.neighbour import neighbour_of, new_file, writing
from mirror.archive.tree import Folders
from mirror.errors import ArchiveError, DamagedError

if sys.platform != "win32":
    import fcntl

How = Literal["copy", "link"]
"""A copy, which shares the disk's blocks where the file system can; or a hard link: the very same file."""

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


class StoredFiles:
    """The files of an archive for those who only read: nothing is locked, made or tried; every method blocks.

    Nothing is read through a link inside the tree. Use it as a context manager.

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

    def _place(self, key: str) -> tuple[int, str]:
        parents, name = names.split_key(key)
        with _reading(key):
            return self._folders.find(parents), name


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
