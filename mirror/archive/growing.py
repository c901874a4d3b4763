"""What all drafts share, and the file behind one that grows piece by piece."""

import asyncio
import contextlib
import hashlib
import io
import mmap
import os
import random
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from mirror.archive import names
from mirror.archive.disk import NEW_FLAGS, STORED_MODE, Disk, unlink_if_there, write_all
from mirror.archive.flush import System
from mirror.archive.seam import Bytes
from mirror.archive.writer import CLOSED, Writer, WriterHere
from mirror.errors import ArchiveError

T = TypeVar("T")
_PIECE_BYTES = 1024 * 1024


def flight_name(asset_id: int) -> str:
    """Make a name for a draft in flight, unlike any other; the next run deletes what bears it."""
    return f"{asset_id}.{random.getrandbits(64):016x}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftRoom:
    """What all drafts share.

    Args:
        folder: Descriptor of their folder.
        writer: Does what is small, in order.
        pool: Does what is large.
        growing: The files open for more pieces.
        is_shared: Other processes write drafts of the same assets: no two of them may ever bear one name.
    """

    disk: Disk
    system: System
    folder: int
    writer: Writer | WriterHere
    pool: Executor
    growing: "set[GrowingFile]" = field(default_factory=set)
    is_shared: bool = False

    def saying(self, doing: str, name: str, *, needed_bytes: int = 0) -> contextlib.AbstractContextManager[None]:
        """Turn what the disk refuses inside into an ``ArchiveError`` about this draft, or about their folder."""
        return self.disk.saying(doing, f"{names.STATE}/{names.DRAFTS}/{name}".rstrip("/"), needed_bytes=needed_bytes)

    def begin(self, work: Callable[..., T], *arguments: Any) -> asyncio.Future[T]:
        """Begin blocking work in a thread of the pool.

        Raises:
            ArchiveError: The archive is closed.
        """
        if not self.writer.is_open:
            raise ArchiveError(CLOSED)
        return asyncio.get_running_loop().run_in_executor(self.pool, work, *arguments)

    def rename(self, old: str, new: str) -> None:
        """Rename a draft; one that has the new name already is replaced."""
        os.rename(old, new, src_dir_fd=self.folder, dst_dir_fd=self.folder)

    def write_new(self, name: str, body: bytes) -> None:
        """Write a whole file; on failure nothing is left."""
        flags = os.O_WRONLY | NEW_FLAGS
        try:
            descriptor = os.open(name, flags, STORED_MODE, dir_fd=self.folder)
        except FileExistsError:  # left by a try that was cut short: it may be half a file, and is read-only
            os.unlink(name, dir_fd=self.folder)
            descriptor = os.open(name, flags, STORED_MODE, dir_fd=self.folder)
        try:
            write_all(descriptor, body)
        except OSError:
            unlink_if_there(self.folder, name)
            raise
        finally:
            os.close(descriptor)


class GrowingFile(io.FileIO):
    """A file that hashes what it takes, so that a piece costs one hop.

    Args:
        descriptor: Open for reading and writing; what it holds already is hashed first.
    """

    def __init__(self, descriptor: int, room: DraftRoom) -> None:
        super().__init__(descriptor, "r+b")
        self._room = room
        room.growing.add(self)
        self._hash = hashlib.sha256()
        self.size_bytes = 0
        while piece := self.read(_PIECE_BYTES):
            self._hash.update(piece)
            self.size_bytes += len(piece)

    def write(self, piece: Any, /) -> int:
        """Write and hash the whole piece."""
        self._room.disk.check_space(len(piece))
        write_all(self.fileno(), piece)
        self._hash.update(piece)
        self.size_bytes += len(piece)
        return len(piece)

    def empty(self) -> None:
        """Forget everything."""
        self.seek(0)
        self.truncate()
        self._hash = hashlib.sha256()
        self.size_bytes = 0

    def digest(self) -> bytes:
        """Say the SHA-256 of what it holds."""
        return self._hash.digest()

    def close(self) -> None:
        """Let go of the file."""
        self._room.growing.discard(self)
        super().close()


@contextlib.contextmanager
def mapped(descriptor: int, size_bytes: int) -> Iterator[Bytes]:
    """Show a file's bytes without reading them into memory, where the file system can do that."""
    if not size_bytes:
        yield b""
        return
    try:
        view = mmap.mmap(descriptor, size_bytes, access=mmap.ACCESS_READ)
    except OSError:  # some FUSE disks
        with open(descriptor, "rb", closefd=False) as file:
            file.seek(0)
            body = file.read(size_bytes)
        yield body
        return
    try:
        yield view
    finally:
        # Whoever examined it may have left a view behind, in the traceback of its error for one.
        with contextlib.suppress(BufferError):
            view.close()
