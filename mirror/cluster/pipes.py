"""Helpers, as the crew sees them: an engine without a scheduler."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Sequence
from typing import Any, TypeVar

from mirror import __version__
from mirror.cluster import frames
from mirror.cluster.helpers import Helper
from mirror.cluster.parcels import Answer, Order, Report, Setup, Shard
from mirror.errors import AloneError, ClusterError, MirrorError, WorkerLostError

T = TypeVar("T")

_LOOK_S, _LOOKS = 15.0, 20
"""A helper that has a question and says nothing for so many looks stands still. One that waits for a slow disk is only
slow, and that may take minutes; if it died, the pipe says so at once."""
_REAP_S, _REAPS = 0.02, 10


class _Wire:
    """The pipe to one helper, and the questions that wait for its answers.

    Args:
        look_s: How long one look lasts. Looks are counted, not time: a program that was held up itself, by Ctrl-Z for
            one, must not blame its helpers for it.
        looks: After so many without a word the helper is killed: so it can do no harm later, and others get its work.
    """

    def __init__(
        self, helper: Helper, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, look_s: float, looks: int
    ) -> None:
        self.helper = helper
        self.is_cut = False
        self._why = ""
        self._reader = reader
        self._writer = writer
        self._look_s = look_s
        self._looks = looks
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._numbers = itertools.count()
        self._hearing = asyncio.ensure_future(self._hear())

    async def _hear(self) -> None:
        try:
            while True:
                number, answer = await self._next()
                if (waiting := self._waiting.pop(number, None)) is not None and not waiting.done():
                    waiting.set_result(answer)
        except (EOFError, OSError):
            pass
        except Exception as error:  # noqa: BLE001 - who waits for an answer must not wait for ever
            self._why = f"nobody understands what it says: {type(error).__name__}: {error}"
            self.helper.kill()
        # It hangs up a moment before it can be said how it ended.
        for _ in range(_REAPS):
            if self.helper.look():
                break
            await asyncio.sleep(_REAP_S)
        self._cut()

    def _cut(self) -> None:
        self.is_cut = True
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(self.lost())
        self._waiting.clear()

    async def _next(self) -> Any:
        """Wait for what it says next, and kill it if that takes far too long."""
        silent = 0
        reading = asyncio.ensure_future(frames.read(self._reader))
        try:
            while not reading.done():
                await asyncio.wait({reading}, timeout=self._look_s)
                silent = silent + 1 if self._waiting else 0
                if silent >= self._looks and not reading.done():
                    self._why = self._why or f"it stood still for {self._looks * self._look_s:.0f} s"
                    self.helper.kill()
            return reading.result()
        finally:
            reading.cancel()

    def lost(self) -> WorkerLostError:
        return WorkerLostError(self._why or self.helper.ended or "it has hung up")

    async def ask(self, what: str, *arguments: Any, expected: type[T]) -> T:
        """Ask, and wait for the answer as long as it lives."""
        if self.is_cut:
            raise self.lost()
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        frames.write(self._writer, (number, what, arguments))
        try:
            found = await answer
        finally:
            self._waiting.pop(number, None)
        if isinstance(found, ClusterError):
            self._why = self._why or str(found)
            raise self.lost()
        if isinstance(found, MirrorError):
            raise found
        assert isinstance(found, expected)  # noqa: S101 - tells the type checker
        return found

    def close(self) -> None:
        self._hearing.cancel()
        self._writer.close()
        self._cut()


class PipeEngine:
    """Calls on helpers; see `Engine` for the promises."""

    def __init__(self, wires: dict[str, _Wire]) -> None:
        self._wires = wires

    @classmethod
    @contextlib.asynccontextmanager
    async def connected(
        cls, helpers: Sequence[Helper], *, look_s: float = _LOOK_S, looks: int = _LOOKS
    ) -> AsyncIterator["PipeEngine"]:
        """Connect to helpers for one run, which is their last.

        Args:
            look_s: See `_Wire`.
            looks: See `_Wire`.
        """
        wires: dict[str, _Wire] = {}
        try:
            for helper in helpers:
                reader, writer = await asyncio.open_unix_connection(sock=helper.pipe, limit=frames.LIMIT_BYTES)
                wires[helper.address] = _Wire(helper, reader, writer, look_s=look_s, looks=looks)
            yield cls(wires)
        finally:
            for wire in wires.values():
                wire.close()

    async def members(self) -> list[str]:
        """Name those that live.

        Raises:
            AloneError: None does.
        """
        found = [address for address, wire in self._wires.items() if not wire.is_cut]
        if not found:
            raise AloneError("; ".join(f"{address}: {wire.lost()}" for address, wire in self._wires.items()))
        return found

    async def version_of(self, address: str) -> str | None:  # noqa: ARG002 - the same for all
        """Say which version a helper has: this one's."""
        return __version__

    async def open(self, address: str, setup: Setup) -> None:
        """Open a station there."""
        await self._wires[address].ask("open", setup, expected=type(None))

    async def close(self, address: str) -> None:
        """Close it."""
        await self._wires[address].ask("close", expected=type(None))

    async def fetch(self, address: str, shard: Shard) -> Answer:
        """Have a shard fetched."""
        return await self._wires[address].ask("fetch", shard, expected=Answer)

    async def pulse(self, address: str, order: Order) -> Report:
        """Give an order and wait for the report."""
        return await self._wires[address].ask("pulse", order, expected=Report)

    async def heed(self, address: str, order: Order) -> None:
        """Give an order that cannot wait."""
        await self._wires[address].ask("heed", order, expected=type(None))
