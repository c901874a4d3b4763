"""Files outside the archive that have their name only when they are whole: written beside it, flushed, renamed."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from mirror.archive.disk import NEW_FLAGS, in_plain_words, printable
from mirror.errors import ArchiveError

_MODE = 0o666
"""The umask takes away what others must not do."""


def neighbour_of(target: Path) -> Path:
    """Name a file that nobody else writes, in the folder of another one; short, whatever the other is called."""
    return target.with_name(f".mirror-{secrets.token_hex(8)}.new")


@contextlib.contextmanager
def writing(target: Path) -> Iterator[None]:
    """Turn what the disk refuses inside into an ``ArchiveError`` that names the file to be written."""
    try:
        yield
    except OSError as error:
        raise ArchiveError(f"{printable(str(target))}: cannot be written: {in_plain_words(error)}") from error


@contextlib.contextmanager
def new_file(target: Path, *, is_flushed: bool = True) -> Iterator[BinaryIO]:
    """Write a file that takes its name, and the place of an older one, when the block ends well.

    Otherwise what lay there stays, and nothing of the new one is left but after a kill: ``.mirror-*.new``.

    Args:
        is_flushed: Bring its bytes to the disk before it gets the name; without, a power cut may leave an empty file.
    Raises:
        ArchiveError: The disk refused.
    """
    with writing(target):
        draft = neighbour_of(target)
        descriptor = os.open(draft, os.O_RDWR | NEW_FLAGS, _MODE)
        try:
            with open(descriptor, "w+b") as file:  # noqa: PTH123 - a descriptor
                yield file
                file.flush()
                if is_flushed:
                    os.fsync(descriptor)
            draft.replace(target)
        except BaseException:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
            raise
        if is_flushed:
            flush_folder(target.parent)


def flush_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, where folders can be flushed."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
