"""Disks that remember every write and every flush, so that the power can be cut afterwards, at any moment and as often as wanted.

A small FUSE file system shows each disk as one file; a loop device on it is what ext4 is made on. So the disk sees
what a real one would: writes that are done but may still sit in its cache, and flushes, after which what was written
before them stays. `Disks.cut` makes the image that a power cut leaves: everything before the last flush, and of what
came later any part in any order, the last write of it perhaps cut in two. What the kernel had not yet written is not
in it at all. That is harsher than a copy of the backing file at some moment, and never torn as such a copy is.

Source: linux/fuse.h, protocol 7.31.
"""

import contextlib
import ctypes
import errno
import os
import random
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Self

_MOST_BYTES = 1024 * 1024
_SECTOR_BYTES = 512
_ATTR = struct.Struct("<6Q10I")
_HEADER = struct.Struct("<IIQQIIII")
_FLAGS = 1 << 0 | 1 << 5 | 1 << 22
"""Reads ahead, large writes, many pages a request."""


class _Ask(IntEnum):
    """What the kernel asks a file system of this kind; anything else it can do without."""

    LOOKUP = 1
    FORGET = 2
    GETATTR = 3
    SETATTR = 4
    OPEN = 14
    READ = 15
    WRITE = 16
    STATFS = 17
    RELEASE = 18
    FSYNC = 20
    FLUSH = 25
    INIT = 26
    OPENDIR = 27
    RELEASEDIR = 29
    INTERRUPT = 36
    DESTROY = 38
    BATCH_FORGET = 42


_JUST_YES = {_Ask.FSYNC, _Ask.RELEASE, _Ask.FLUSH, _Ask.RELEASEDIR, _Ask.DESTROY}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A write, or a flush where there is no data."""

    disk: int
    offset: int = 0
    data: bytes | None = None


class Disks:
    """Some disks of one size, seen as files in a folder; use it with ``with``.

    Args:
        folder: Where the files are to be seen.
    """

    def __init__(self, folder: Path, *, count: int, size_bytes: int) -> None:
        self.folder = folder
        self.slow_flushes = 0
        """So many of the first disk's next flushes take more than two seconds."""
        self.events: list[Event] = []
        self._bodies = [bytearray(size_bytes) for _ in range(count)]
        self._size_bytes = size_bytes

    def __enter__(self) -> Self:
        self.folder.mkdir()
        self._kernel = os.open("/dev/fuse", os.O_RDWR)
        options = f"fd={self._kernel},rootmode=40000,user_id=0,group_id=0"
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mount(b"disks", str(self.folder).encode(), b"fuse", 0, options.encode()):
            number = ctypes.get_errno()
            os.close(self._kernel)
            raise OSError(number, os.strerror(number))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        command("umount", str(self.folder))
        self._thread.join()
        os.close(self._kernel)

    def path(self, disk: int) -> Path:
        """Where a disk is to be seen."""
        return self.folder / str(disk)

    # -- cutting the power --------------------------------------------------------------------------------------

    def cut(self, moment: int, rng: random.Random) -> list[bytearray]:
        """Make the images that a power cut leaves after so many events."""
        images = [bytearray(self._size_bytes) for _ in self._bodies]
        for disk, image in enumerate(images):
            past = [each for each in self.events[:moment] if each.disk == disk]
            flushed = max((number for number, each in enumerate(past) if each.data is None), default=0)
            share = rng.choice((0.0, 0.3, 0.7, 1.0))
            cached = [each for each in past[flushed:] if each.data is not None and rng.random() < share]
            if share < 1:
                rng.shuffle(cached)
            for each in past[:flushed]:
                _write(image, each, each.data or b"")
            for number, each in enumerate(cached):
                data = each.data or b""
                is_torn = share < 1 and number == len(cached) - 1
                _write(
                    image,
                    each,
                    data[: rng.randrange(len(data) // _SECTOR_BYTES + 1) * _SECTOR_BYTES] if is_torn else data,
                )
        return images

    # -- what the kernel asks -----------------------------------------------------------------------------------

    def _serve(self) -> None:
        while True:
            try:
                request = os.read(self._kernel, _MOST_BYTES + 4096)
            except OSError as error:
                if error.errno == errno.ENODEV:  # not mounted any more
                    return
                continue
            _, opcode, unique, node, *_ = _HEADER.unpack_from(request)
            answer = self._answer(opcode, node, request[_HEADER.size :])
            if answer is not None:
                code, body = (-answer, b"") if isinstance(answer, int) else (0, answer)
                with contextlib.suppress(OSError):
                    os.write(self._kernel, struct.pack("<IiQ", 16 + len(body), code, unique) + body)

    def _answer(self, opcode: int, node: int, body: bytes) -> bytes | int | None:
        """Answer one request: a body, a number of an error, or nothing at all."""
        if opcode in {_Ask.FORGET, _Ask.INTERRUPT, _Ask.BATCH_FORGET}:
            return None
        if opcode in {_Ask.READ, _Ask.WRITE}:
            return self._transfer(opcode, node - 2, body)
        if opcode == _Ask.FSYNC:
            if node == 2 and self.slow_flushes:
                self.slow_flushes -= 1
                time.sleep(2.1)
            self.events.append(Event(disk=node - 2))
        return b"" if opcode in _JUST_YES else self._describe(opcode, node, body)

    def _describe(self, opcode: int, node: int, body: bytes) -> bytes | int:
        match opcode:
            case _Ask.INIT:
                return struct.pack("<4I2H2I2HI28x", 7, 31, _MOST_BYTES, _FLAGS, 64, 48, _MOST_BYTES, 1, 256, 0, 0)
            case _Ask.LOOKUP:
                name = body.rstrip(b"\0")
                if not name.isdigit() or int(name) >= len(self._bodies):
                    return errno.ENOENT
                return struct.pack("<4Q2I", int(name) + 2, 0, 60, 60, 0, 0) + self._attributes(int(name) + 2)
            case _Ask.GETATTR | _Ask.SETATTR:
                return struct.pack("<Q2I", 60, 0, 0) + self._attributes(node)
            case _Ask.OPEN | _Ask.OPENDIR:
                return struct.pack("<Q2I", 0, 0, 0)
            case _Ask.STATFS:
                return struct.pack("<5Q10I", 0, 0, 0, 0, 0, 4096, 255, 4096, *[0] * 7)
        return errno.ENOSYS

    def _transfer(self, opcode: int, disk: int, body: bytes) -> bytes:
        _, offset, size = struct.unpack_from("<QQI", body)
        if opcode == _Ask.READ:
            return bytes(self._bodies[disk][offset : offset + size])
        event = Event(disk=disk, offset=offset, data=body[40 : 40 + size])
        self.events.append(event)
        _write(self._bodies[disk], event, body[40 : 40 + size])
        return struct.pack("<2I", size, 0)

    def _attributes(self, node: int) -> bytes:
        mode = 0o40755 if node == 1 else 0o100600
        size = 0 if node == 1 else self._size_bytes
        return _ATTR.pack(node, size, size // 512, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


def _write(image: bytearray, event: Event, data: bytes) -> None:
    image[event.offset : event.offset + len(data)] = data


def command(*words: str) -> None:
    """Run a command of the system; what it says is part of the failure."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"


@contextlib.contextmanager
def mounted(image: Path, at: Path, *, options: str = "") -> Iterator[Path]:
    """Mount an image by way of a loop device.

    A cut may leave half a superblock, which no journal mends: then e2fsck takes its copy, as at every start of a system.
    """
    at.mkdir(exist_ok=True)
    words = ("mount", "-o", f"loop,{options}".rstrip(","), str(image), str(at))
    if subprocess.run(words, capture_output=True, check=False).returncode:
        subprocess.run(["e2fsck", "-fy", str(image)], capture_output=True, check=False)  # noqa: S607
        command(*words)
    try:
        yield at
    finally:
        command("umount", str(at))
