"""The disk under an archive: descriptors instead of paths, free space, and refusals in plain words."""

import contextlib
import errno
import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from mirror.errors import ArchiveError

_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
FOLDER_FLAGS = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | _NOFOLLOW
# Not waiting: a pipe under a key must not stop us.
READ_FLAGS = os.O_RDONLY | _NOFOLLOW | getattr(os, "O_NONBLOCK", 0)
NEW_FLAGS = os.O_CREAT | os.O_EXCL | _NOFOLLOW
FOLDER_MODE = 0o755
STORED_MODE = 0o444
"""Mode of a stored file; the umask may take more away."""

_SPACE_EVERY_S = 1.0
_MOST_SHARERS = 16
_PIECE_BYTES = 256 * 1024
_MOUNT_INSIDE = "a mount point lies inside the archive, and a rename cannot cross it"
_IN_WORDS = {
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "the operation is not permitted",
    errno.EDQUOT: "the disk quota is used up",
    errno.EIO: "the disk reports an input/output error",
    errno.EMFILE: "too many open files",
    errno.ENFILE: "too many open files on this machine",
    errno.ELOOP: "a link or a file lies where a folder should be",
    errno.ENOTDIR: "a link or a file lies where a folder should be",
    errno.EXDEV: _MOUNT_INSIDE,
    errno.ENOENT: "it is not there",
    errno.ENAMETOOLONG: "the name is too long for this file system",
    errno.ENODEV: "the disk is gone",
    errno.ESTALE: "the network disk is gone",
}
_UNITS = ("bytes", "kB", "MB", "GB")


def printable(text: str) -> str:
    """Replace what would do more to a terminal than print."""
    return "".join(each if each.isprintable() else "?" for each in text)


def in_words(size_bytes: int) -> str:
    """Write a size for people."""
    size, step = float(size_bytes), 0
    while size >= 1000 and step < len(_UNITS) - 1:
        size, step = size / 1000, step + 1
    return f"{size:.1f} {_UNITS[step]}" if step else f"{size_bytes} bytes"


def in_plain_words(error: OSError) -> str:
    """Say what a disk refused with in words that people know."""
    if error.errno == errno.ENOSPC:
        return "the disk is full"
    return _IN_WORDS.get(error.errno or 0) or error.strerror or "the disk refused"


def write_all(descriptor: int, body: bytes) -> None:
    """Write every byte; one call may take fewer.

    What is large is written piece by piece: a call with several megabytes costs Linux twice as much for each of them.
    """
    written = os.write(descriptor, body) if len(body) <= _PIECE_BYTES else 0
    if written < len(body):
        rest = memoryview(body)
        while written < len(body):
            written += os.write(descriptor, rest[written : written + _PIECE_BYTES])


def unlink_if_there(folder: int, name: str) -> bool:
    """Delete a name and say whether it was there."""
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return False
    return True


def lstat_if_there(folder: int, name: str) -> os.stat_result | None:
    """Look at a name without following it."""
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def hash_file(folder: int, name: str) -> tuple[int, bytes] | None:
    """Read a file and say its size in bytes and SHA-256; None where no regular file lies."""
    found = lstat_if_there(folder, name)
    if found is None or not stat.S_ISREG(found.st_mode):
        return None
    with open(os.open(name, READ_FLAGS, dir_fd=folder), "rb", buffering=0) as file:  # noqa: PTH123 - a descriptor
        digest = hashlib.file_digest(file, "sha256")
        return file.tell(), digest.digest()


class Disk:
    """The root folder of an archive, held open all run, and what can go wrong on its disk.

    Args:
        min_free_bytes: What must stay free for others.
        is_shared: Other processes write there too, and watch what is to spare like this one.
        clock: Seconds that only go up.
    """

    def __init__(
        self,
        root: Path,
        *,
        min_free_bytes: int,
        is_shared: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.root = root
        self.folder = os.open(root, FOLDER_FLAGS & ~_NOFOLLOW)
        self._device = os.fstat(self.folder).st_dev
        self._min_free_bytes = min_free_bytes
        self._sharers = _MOST_SHARERS if is_shared else 1
        self._clock = clock
        self._space_due = 0.0
        self._spare_bytes = 0

    def close(self) -> None:
        """Let go of the root folder."""
        os.close(self.folder)

    def open_below(self, parent: int, name: str) -> int:
        """Open a folder inside another one, never through a link and never on another disk."""
        try:
            descriptor = os.open(name, FOLDER_FLAGS, dir_fd=parent)
        except OSError as error:
            if error.errno == errno.ELOOP:  # what macOS says of a link, and Linux only sometimes
                raise NotADirectoryError(errno.ENOTDIR, error.strerror) from error
            raise
        if os.fstat(descriptor).st_dev != self._device:
            os.close(descriptor)
            raise OSError(errno.EXDEV, _MOUNT_INSIDE)
        return descriptor

    def make_below(self, parent: int, name: str) -> int:
        """Open a folder inside another one; where there is none, one is made."""
        try:
            return self.open_below(parent, name)
        except FileNotFoundError:
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, FOLDER_MODE, dir_fd=parent)
            return self.open_below(parent, name)

    def reopen(self, parts: Sequence[str]) -> int:
        """Open a folder below the root, step by step."""
        descriptor = os.open(".", FOLDER_FLAGS, dir_fd=self.folder)
        for part in parts:
            parent = descriptor
            try:
                descriptor = self.open_below(parent, part)
            finally:
                os.close(parent)
        return descriptor

    def free_bytes(self) -> int:
        """Measure what the disk still takes from us."""
        space = os.fstatvfs(self.folder)
        return space.f_bavail * space.f_frsize

    def check_space(self, coming_bytes: int = 0) -> None:
        """Refuse to go on when less would be free than must stay free.

        Measured once a second at most, and whenever we ourselves may have used up what was to spare then.

        Args:
            coming_bytes: About to be written.
        Raises:
            ArchiveError: Names what is free and what must stay so.
        """
        now = self._clock()
        self._spare_bytes -= coming_bytes
        if not self._min_free_bytes or (now < self._space_due and self._spare_bytes >= 0):
            return
        free = self.free_bytes()
        spare_bytes = free - self._min_free_bytes - coming_bytes
        if spare_bytes < 0:
            coming = f", {in_words(coming_bytes)} to be written" if coming_bytes else ""
            raise ArchiveError(
                f"{printable(str(self.root))}: the disk is almost full: {in_words(free)} free{coming}, "
                f"{in_words(self._min_free_bytes)} must stay free (archive.min_free)"
            )
        self._spare_bytes = spare_bytes // self._sharers
        self._space_due = now + _SPACE_EVERY_S

    def refusal(self, error: OSError, doing: str, path: str, *, needed_bytes: int = 0) -> ArchiveError:
        """Put a refusal of the disk in plain words.

        Args:
            doing: The verb: what was tried.
            path: Relative to the root.
        """
        if error.errno == errno.ENOSPC:
            needed = f", {in_words(needed_bytes)} needed" if needed_bytes else ""
            with contextlib.suppress(OSError):  # a disk in trouble may refuse this question too
                needed = f" ({in_words(self.free_bytes())} free{needed})"
            words = f"{in_plain_words(error)}{needed}"
        else:
            words = in_plain_words(error)
        return ArchiveError(f"{printable(str(self.root))}: cannot {doing} {printable(path)}: {words}")

    @contextlib.contextmanager
    def saying(self, doing: str, path: str, *, needed_bytes: int = 0) -> Iterator[None]:
        """Turn what the disk refuses inside into an ``ArchiveError`` that says what was being done."""
        try:
            yield
        except OSError as error:
            raise self.refusal(error, doing, path, needed_bytes=needed_bytes) from error
