"""Opening the folder of an archive: everything that could be refused later is refused here."""

import contextlib
import errno
import os
import platform
from pathlib import Path

from mirror.archive import names
from mirror.archive.disk import FOLDER_MODE, NEW_FLAGS, READ_FLAGS, Disk, lstat_if_there, unlink_if_there, write_all
from mirror.archive.flush import System
from mirror.archive.growing import flight_name
from mirror.errors import ArchiveError

_ID = "archive-id"
_CLUSTER = "cluster-token"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_README = "README.txt"
_LONGEST_ID = 1024
_ABOUT = """\
This folder belongs to the program `mirror`, which made the tree around it.
  manifest.sqlite   what is wanted and what is stored, with all that the source said of it
  drafts            bytes on their way into the tree; between two runs, what the next can go on from
  versions          earlier bytes of files that the source replaced, and what lay in the way of files
  archive-id        which manifest this tree belongs to
The photos need none of it, but without it every one of them would be fetched again.
"""


class OpenFolder:
    """What an open archive holds; opened in a thread, since a disk can make us wait.

    Args:
        is_read_only: Nothing is made or tried; there need not even be a folder of drafts.
        is_shared: See `Disk`.
    """

    def __init__(
        self, root: Path, *, create: bool, min_free_bytes: int, is_read_only: bool, system: System | None,
        is_shared: bool = False,
    ) -> None:  # fmt: skip
        if os.open not in os.supports_dir_fd:
            raise ArchiveError(
                f"{root}: archives need a system that opens files relative to folders; this one does not"
            )
        with contextlib.ExitStack() as opened:
            try:
                if create:
                    root.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
                self.disk = Disk(root, min_free_bytes=min_free_bytes, is_shared=is_shared)
            except OSError as error:
                raise ArchiveError(_cannot_open(root, error)) from error
            opened.callback(self.disk.close)
            step = self.disk.make_below if create else self.disk.open_below
            with self.disk.saying("open", names.STATE):
                self.state = step(self.disk.folder, names.STATE)
                opened.callback(os.close, self.state)
            self.drafts = -1
            if not is_read_only:
                with self.disk.saying("open", f"{names.STATE}/{names.DRAFTS}"):
                    self.drafts = self.disk.make_below(self.state, names.DRAFTS)
                    opened.callback(os.close, self.drafts)
            self.system = system or System.found_at(self.disk.folder)
            if not is_read_only:
                self._try()
            self.close = opened.pop_all().close

    def _try(self) -> None:
        """Find out now what would otherwise be found out after the first download."""
        self.disk.check_space()
        name = flight_name(0)
        with self.disk.saying("write in", f"{names.STATE}/{names.DRAFTS}"):
            os.close(os.open(name, os.O_WRONLY | NEW_FLAGS, 0o600, dir_fd=self.drafts))
            unlink_if_there(self.drafts, name)
        if lstat_if_there(self.state, _README) is None:
            self._write(_README, _ABOUT)

    @property
    def device(self) -> str:
        """The running system and its number of the disk; a name that nobody else has where the system has no id."""
        try:
            boot_id = _BOOT_ID.read_text("ascii").strip()
        except OSError:
            boot_id = f"{platform.node()} {os.getpid()}"
        return f"{boot_id} {os.fstat(self.disk.folder).st_dev}"

    def read_id(self) -> str | None:
        """Read the archive's id."""
        return self._read(_ID)

    def read_token(self) -> str | None:
        """Read what the client of a cluster left for its workers."""
        return self._read(_CLUSTER)

    def write_token(self, token: str | None) -> None:
        """Leave it, or take it away."""
        if token is not None:
            self._write(_CLUSTER, token + "\n")
        else:
            with self.disk.saying("delete", f"{names.STATE}/{_CLUSTER}"):
                unlink_if_there(self.state, _CLUSTER)

    def _read(self, name: str) -> str | None:
        with self.disk.saying("read", f"{names.STATE}/{name}"), contextlib.suppress(FileNotFoundError):
            descriptor = os.open(name, READ_FLAGS, dir_fd=self.state)
            try:
                return os.read(descriptor, _LONGEST_ID).decode("utf-8", "replace").strip() or None
            finally:
                os.close(descriptor)
        return None

    def write_id(self, archive_id: str) -> None:
        """Write the archive's id."""
        self._write(_ID, archive_id + "\n")

    def _write(self, name: str, text: str) -> None:
        """Write a small file of ours in one step, durably."""
        flight = flight_name(0)
        with self.disk.saying("write", f"{names.STATE}/{name}"):
            descriptor = os.open(flight, os.O_WRONLY | NEW_FLAGS, 0o644, dir_fd=self.drafts)
            try:
                write_all(descriptor, text.encode())
                self.system.flush_one(descriptor)
            finally:
                os.close(descriptor)
            os.rename(flight, name, src_dir_fd=self.drafts, dst_dir_fd=self.state)
            self.system.flush_one(self.state)


def _cannot_open(root: Path, error: OSError) -> str:
    reasons = {
        errno.ENOENT: "it is not there: is its disk mounted?",
        errno.ENOTDIR: "it is not a folder",
        errno.EEXIST: "it is not a folder",
    }
    return f"{root}: cannot open the archive: {reasons.get(error.errno or 0, error.strerror)}"
