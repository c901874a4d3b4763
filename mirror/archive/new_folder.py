"""Folders outside the archive that have their name only when they are whole: built beside it, flushed, exchanged."""

import contextlib
import ctypes
import errno
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mirror.archive.disk import FOLDER_FLAGS, printable
from mirror.archive.flush import Flusher, System
from mirror.archive.neighbour import flush_folder, writing
from mirror.errors import ArchiveError

if sys.platform != "win32":
    import fcntl

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_NO_EXCHANGE = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}


@dataclass(slots=True, kw_only=True)
class NewFolder:
    """A folder being built.

    Args:
        path: ``.<name>.new``, empty at first, to be filled.
        is_wanted: Set it to False to keep what lies under the name, and drop this one.
    """

    path: Path
    is_wanted: bool = True


@contextlib.contextmanager
def new_folder(target: Path) -> Iterator[NewFolder]:
    """Build a folder that takes its name, and the place of an older one, when the block ends well.

    What a killed program left of it is cleared away by the next. Whether the older one may go is the caller's to know.

    Raises:
        ArchiveError: The disk refused, or another program is building the same folder.
    """
    folder = NewFolder(path=target.with_name(f".{target.name}.new"))
    with writing(target), _claimed(folder.path) as descriptor:
        try:
            _clear(folder.path)
            yield folder
            if folder.is_wanted:
                _flush(folder.path, descriptor)
                _give_name(folder.path, target)
                flush_folder(target.parent)
            else:
                shutil.rmtree(folder.path)
        except BaseException:
            shutil.rmtree(folder.path, ignore_errors=True)
            raise


@contextlib.contextmanager
def _claimed(folder: Path) -> Iterator[int]:
    """Make a folder that only one program fills at a time, and hold it open."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, FOLDER_FLAGS)
    try:
        if sys.platform != "win32":
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield descriptor
    except BlockingIOError:
        raise ArchiveError(f"{printable(str(folder))}: another export is filling it") from None
    finally:
        os.close(descriptor)


def _clear(folder: Path) -> None:
    for each in folder.iterdir():
        if each.is_dir() and not each.is_symlink():
            shutil.rmtree(each)
        else:
            each.unlink()


def _flush(folder: Path, descriptor: int) -> None:
    """Bring all files below a folder, and their names, to the disk."""
    openers = (
        partial(os.open, os.path.join(parent, name), os.O_RDONLY)  # noqa: PTH118 - there may be a hundred thousand
        for parent, _, names in os.walk(folder)
        for name in (*names, ".")
    )
    Flusher(System.found_at(descriptor), descriptor).flush(openers)


def _give_name(draft: Path, target: Path) -> None:
    """Rename; where a folder has the name, exchange the two in one step."""
    if not target.exists():
        draft.rename(target)
        return
    # The older one gets the draft's name: claimed, so that nobody builds in it while it is deleted.
    with _claimed(target):
        if not _has_exchanged(draft, target):
            # For an instant nothing has the name, and a kill in it leaves the older one beside it.
            older = target.with_name(f".{target.name}.old")
            shutil.rmtree(older, ignore_errors=True)
            target.rename(older)
            draft.rename(target)
            draft = older
        shutil.rmtree(draft)


def _has_exchanged(one: Path, other: Path) -> bool:
    """Exchange two names in one step, where system and file system can: renameat2(2)."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None) if sys.platform == "linux" else None
    if call is None:
        return False
    if call(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NO_EXCHANGE:
        return False
    raise OSError(number, os.strerror(number))
