"""The kernel lock that admits one writing command per archive; it dies with its holder."""

import os
import platform
import sys
import time
from pathlib import Path

from mirror.errors import ArchiveError, InUseError
from mirror.manifest.text import cleaned, now_text

_POLL_S = 0.1
_LONGEST_NOTE = 500

if sys.platform == "win32":
    import msvcrt

    _FAR = 1 << 30  # a byte beyond the note, so that others can still read who holds the lock

    def _try_lock(descriptor: int) -> None:
        os.lseek(descriptor, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError from error
else:
    import fcntl

    def _try_lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


class Lock:
    """Held from construction to `release`, or to the end of the process, however it ends.

    The file stays where it is: only the kernel's lock on it counts, and deleting it would let two runs hold two locks.

    Raises:
        InUseError: Somebody else holds it; the message says who.
        ArchiveError: The file cannot be made or locked.
    """

    def __init__(self, path: Path, *, wait_s: float) -> None:
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        try:
            self._descriptor = os.open(path, flags, 0o644)
        except OSError as error:
            raise ArchiveError(f"{path}: cannot write here: {error.strerror}") from error
        try:
            self._take(path, time.monotonic() + wait_s)
            self._note(f"pid {os.getpid()} on {platform.node() or 'this host'}, since {now_text()}\n")
        except OSError as error:
            self.release()
            raise ArchiveError(
                f"{path}: cannot be locked: {error.strerror}; a state folder on a local disk helps (archive.state_dir)"
            ) from error
        except BaseException:
            self.release()
            raise

    def _take(self, path: Path, until: float) -> None:
        while True:
            try:
                _try_lock(self._descriptor)
            except BlockingIOError as error:
                if time.monotonic() >= until:
                    raise InUseError(f"{path.parent}: in use by another run ({self._holder()})") from error
                time.sleep(_POLL_S)
            else:
                return

    def _holder(self) -> str:
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        note = os.read(self._descriptor, _LONGEST_NOTE).decode("utf-8", "replace")
        return cleaned(note) or "it does not say who"

    def _note(self, text: str) -> None:
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        os.write(self._descriptor, text.encode("utf-8", "replace"))

    def release(self) -> None:
        """Let others in; releasing twice is fine."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
