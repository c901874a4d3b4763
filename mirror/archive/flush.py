"""How bytes and names reach the disk for good: one call for a whole file system, or file by file."""

import ctypes
import errno
import logging
import os
import re
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Self

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger(__name__)

_SLOW_S = 2.0
"""A flush of everything that took longer carries the writing of others: from then on ours alone."""
_THREADS = 8
# Local file systems known to do as syncfs says. What is not named here (FUSE, NFS, SMB, 9p) is flushed by file.
_FLUSHED_WHOLE = frozenset(
    (
        "bcachefs",
        "btrfs",
        "exfat",
        "ext2",
        "ext3",
        "ext4",
        "f2fs",
        "jfs",
        "msdos",
        "nilfs2",
        "ntfs3",
        "overlay",
        "ramfs",
        "reiserfs",
        "tmpfs",
        "udf",
        "vfat",
        "xfs",
        "zfs",
    )
)
# fmt: off
_ON_NETWORK = frozenset((
    "9p", "afpfs", "afs", "ceph", "cifs", "glusterfs", "lustre", "ncpfs", "nfs", "nfs4", "smb3", "smbfs", "virtiofs",
    "webdav", "fuse.davfs", "fuse.davfs2", "fuse.glusterfs", "fuse.rclone", "fuse.s3fs", "fuse.sshfs",
))
# fmt: on
_NOT_HERE = {errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOTTY, errno.ENODEV}
_SYNCFS_TELLS = (5, 8)
"""Linux version since which syncfs reports that bytes could not be written (man 2 syncfs)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """What the operating system offers for one folder.

    Args:
        filesystem: Its type, as the mount table names it; empty where nobody says.
        flush_all: Flushes the whole file system of a descriptor and raises OSError when bytes were lost; None where
            there is no such call.
        flush_one: Flushes one file or folder.
        kind: Name of the call behind ``flush_one``.
        link: Makes a hard link.
        clock: Seconds that only go up.
    """

    filesystem: str = ""
    flush_all: Callable[[int], None] | None = None
    flush_one: Callable[[int], None] = os.fsync
    kind: str = "fsync"
    link: Callable[..., None] = os.link
    clock: Callable[[], float] = time.monotonic

    @property
    def is_on_network(self) -> bool:
        """Whether the disk is another machine's."""
        return self.filesystem in _ON_NETWORK

    @classmethod
    def found_at(cls, folder: int) -> Self:
        """Look what this machine offers for the file system of an open folder."""
        if sys.platform == "darwin":
            return cls(flush_one=_full_fsync, kind="F_FULLFSYNC")
        filesystem = mount_type(folder)
        return cls(filesystem=filesystem, flush_all=_find_syncfs() if filesystem in _FLUSHED_WHOLE else None)


def mount_type(folder: int) -> str:
    """Say of which type the mounted file system of an open folder is; empty where nobody says.

    Source: proc_pid_mountinfo(5), proc_pid_fdinfo(5).
    """
    try:
        facts = Path(f"/proc/self/fdinfo/{folder}").read_text("utf-8")
        table = Path("/proc/self/mountinfo").read_text("utf-8", "replace")
    except OSError:
        return ""
    found = re.search(r"^mnt_id:\s*(\d+)", facts, re.MULTILINE)
    line = found and re.search(rf"^{found[1]} .* - (\S+) ", table, re.MULTILINE)
    return line[1] if line else ""


def _find_syncfs() -> Callable[[int], None] | None:
    release = re.match(r"(\d+)\.(\d+)", os.uname().release)
    if release is None or (int(release[1]), int(release[2])) < _SYNCFS_TELLS:
        return None
    call = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if call is None:
        return None

    def syncfs(descriptor: int) -> None:
        if call(descriptor):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    return syncfs


def _full_fsync(descriptor: int) -> None:
    """Flush through the drive's own cache too, which fsync on macOS does not (man 2 fsync)."""
    full = getattr(fcntl, "F_FULLFSYNC", None)
    try:
        if full is not None:
            fcntl.fcntl(descriptor, full)
            return
    except OSError as error:
        if error.errno not in _NOT_HERE:
            raise
    # Network disks do not know the call: for them fsync is all there is.
    os.fsync(descriptor)


class Flusher:
    """Flushes all at once where that is sure and quick, otherwise each file by itself in a few threads.

    Args:
        folder: Descriptor held since before the first write: what was lost since then, it is told.
    """

    def __init__(self, system: System, folder: int) -> None:
        self._system = system
        self._folder = folder
        self._all = system.flush_all

    @property
    def kind(self) -> str:
        """Name of the call in use: ``syncfs``, ``fsync`` or ``F_FULLFSYNC``."""
        return self._system.kind if self._all is None else "syncfs"

    def flush(self, openers: Iterable[Callable[[], int]]) -> None:
        """Flush files or folders.

        Args:
            openers: Each opens one of them and returns its descriptor; not asked when everything is flushed at once.
        Raises:
            OSError: Some of the bytes may not be on the disk.
        """
        if self._all is not None:
            self._flush_all(self._all)
            return
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="mirror-flush") as threads:
            for _ in threads.map(self._flush_one, openers):
                pass

    def _flush_all(self, flush_all: Callable[[int], None]) -> None:
        began = self._system.clock()
        flush_all(self._folder)
        took_s = self._system.clock() - began
        if took_s > _SLOW_S:
            self._all = None
            log.info("flushing the file system took %.1f s: from now on %s of each file", took_s, self.kind)

    def _flush_one(self, opener: Callable[[], int]) -> None:
        descriptor = opener()
        try:
            self._system.flush_one(descriptor)
        finally:
            os.close(descriptor)
