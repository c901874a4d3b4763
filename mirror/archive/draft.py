"""One draft in a folder: small bodies in one go, large ones piece by piece."""

import asyncio
import hashlib
import os
import stat
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from aiofiles.threadpool import wrap

from mirror.archive import names
from mirror.archive.disk import NEW_FLAGS, STORED_MODE, unlink_if_there
from mirror.archive.growing import DraftRoom, GrowingFile, flight_name, mapped
from mirror.archive.seam import Bytes

T = TypeVar("T")
_GROWING_MODE = 0o644
_ONE_THREAD_BYTES = 512 * 1024
"""More than that is hashed and written beside the small ones, not before them."""


class LocalDraft:
    """A draft in a folder; see ``seam.Draft`` for the promises."""

    def __init__(self, room: DraftRoom, asset_id: int, address: str) -> None:
        self._room = room
        self._asset_id = asset_id
        self._address = address
        self._file: GrowingFile | None = None
        self._has_begun = False
        self._hop: asyncio.Future[Any] | None = None
        self.size_bytes = 0
        self.name = flight_name(asset_id)
        self._mark = self.name.partition(".")[2] if room.is_shared else ""

    def go_on(self, file: GrowingFile) -> None:
        """Take over what an earlier run left under this draft's name."""
        self._file, self._has_begun, self.size_bytes = file, True, file.size_bytes

    async def write_whole(self, body: bytes, examine: Callable[[Bytes], T]) -> tuple[bytes, T]:
        """Take a whole small body in one go."""
        if self._has_begun:
            await self.restart()
        self._has_begun = True
        work = partial(self._write_whole_now, body, examine)
        return await (self._room.writer.do(work) if len(body) <= _ONE_THREAD_BYTES else self._in_pool(work))

    def _write_whole_now(self, body: bytes, examine: Callable[[Bytes], T]) -> tuple[bytes, T]:
        examined = examine(body)
        digest = hashlib.sha256(body).digest()
        name = self._checked_name(len(body), digest)
        self._room.disk.check_space(len(body))
        if self._file is not None:
            self._remove_now()
        try:
            self._room.write_new(name, body)
        except OSError as error:
            path = f"{names.STATE}/{names.DRAFTS}/{name}"
            raise self._room.disk.refusal(error, "write", path, needed_bytes=len(body)) from error
        self.name, self.size_bytes = name, len(body)
        return digest, examined

    def _checked_name(self, size_bytes: int, digest: bytes) -> str:
        return names.checked_name(self._asset_id, self._address, size_bytes, digest, mark=self._mark)

    async def write(self, chunk: bytes) -> None:
        """Append a piece; the one before it has arrived when this returns."""
        await self._settle()
        self._has_begun = True
        self.size_bytes += len(chunk)
        # A task of its own: a cancelled caller must not leave a thread behind that nobody waits for.
        self._hop = asyncio.ensure_future(self._append(chunk))

    async def _append(self, chunk: bytes) -> None:
        with self._room.saying("write", self.name, needed_bytes=len(chunk)):
            if self._file is None:
                self._file = await self._room.begin(self._create)
            await wrap(self._file, executor=self._room.pool).write(chunk)

    def _create(self) -> GrowingFile:
        descriptor = os.open(self.name, os.O_RDWR | NEW_FLAGS, _GROWING_MODE, dir_fd=self._room.folder)
        return GrowingFile(descriptor, self._room)

    async def finish(self, examine: Callable[[Bytes], T]) -> tuple[bytes, T]:
        """End a body that came in pieces."""
        self._has_begun = True
        return await self._in_pool(partial(self._finish_now, examine))

    def _finish_now(self, examine: Callable[[Bytes], T]) -> tuple[bytes, T]:
        with self._room.saying("write", self.name):
            file = self._file = self._file or self._create()
        with mapped(file.fileno(), file.size_bytes) as body:
            examined = examine(body)
        digest = file.digest()
        with self._room.saying("finish", self.name):
            mode = os.fstat(file.fileno()).st_mode
            os.fchmod(file.fileno(), stat.S_IMODE(mode) & STORED_MODE)
            name = self._checked_name(file.size_bytes, digest)
            self._close_now()
            self._room.rename(self.name, name)
        self.name = name
        return digest, examined

    async def restart(self) -> None:
        """Forget all bytes."""
        await self._settle()
        self.size_bytes = 0
        if self._file is not None:
            await self._in_pool(self._empty_now)
        elif self._has_begun:
            await self._remove()

    def _empty_now(self) -> None:
        if self._file is not None:
            with self._room.saying("empty", self.name):
                self._file.empty()

    async def discard(self) -> None:
        """Delete the draft."""
        await self._ended()
        self.size_bytes = 0
        if self._has_begun:
            await self._remove()

    async def _remove(self) -> None:
        # The writer's order holds: a body that is still waiting there is written before it is removed.
        self._has_begun = False
        await self._room.writer.do(self._remove_now)

    def _remove_now(self) -> None:
        with self._room.saying("delete", self.name):
            self._close_now()
            unlink_if_there(self._room.folder, self.name)
        self.name = flight_name(self._asset_id)

    async def keep(self, label: str) -> None:
        """Flush what came so far and name it so that a later run can go on from it."""
        hop = await self._ended()
        if self._file is None:
            return
        if hop is not None and (hop.cancelled() or hop.exception() is not None):
            await self._remove()
            return
        await self._in_pool(partial(self._keep_now, names.kept_name(self._asset_id, self._address, label)))

    def _keep_now(self, name: str) -> None:
        file = self._file
        if file is None or not file.size_bytes:
            self._remove_now()
            return
        with self._room.saying("keep", self.name):
            self._room.system.flush_one(file.fileno())
            self._close_now()
            self._room.rename(self.name, name)
        self.name = name

    def _close_now(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()

    async def _in_pool(self, work: Callable[[], T]) -> T:
        await self._settle()
        self._hop = hop = self._room.begin(work)
        await self._settle()
        return hop.result()

    async def _settle(self) -> None:
        """Wait for what was begun, and raise what became of it."""
        if (hop := await self._ended()) is not None:
            hop.result()

    async def _ended(self) -> asyncio.Future[Any] | None:
        """Wait for what was begun, whether or not somebody else was cancelled while waiting for it."""
        if self._hop is None:
            return None
        await asyncio.wait({self._hop})
        hop, self._hop = self._hop, None
        if not hop.cancelled():
            hop.exception()  # looked at: nobody else may, and that is no fault
        return hop
