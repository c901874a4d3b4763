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

_ANSWER_S = 30.0
"""A helper that says nothing for so long is lost; should it live, it closes its station by itself."""
_REAP_S = 0.2


class _Wire:
    """The pipe to one helper, and the questions that wait for its answers."""

    def __init__(self, helper: Helper, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.helper = helper
        self.is_cut = False
        self._writer = writer
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._numbers = itertools.count()
        self._hearing = asyncio.ensure_future(self._hear(reader))

    async def _hear(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                number, answer = await frames.read(reader)
                if (waiting := self._waiting.pop(number, None)) is not None and not waiting.done():
                    waiting.set_result(answer)
        self.is_cut = True
        # It hangs up a moment before it can be said how it ended.
        if not self.helper.look():
            await asyncio.sleep(_REAP_S)
            self.helper.look()
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(self.lost())
        self._waiting.clear()

    def lost(self) -> WorkerLostError:
        return WorkerLostError(self.helper.ended or "it has hung up")

    async def ask(self, what: str, *arguments: Any, expected: type[T], wait_s: float | None = 0.0) -> T:
        """Ask, and wait for the answer.

        Args:
            wait_s: So long the answer may take by its nature; None for ever, as long as it lives.
        """
        if self.is_cut:
            raise self.lost()
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        frames.write(self._writer, (number, what, arguments))
        try:
            async with asyncio.timeout(None if wait_s is None else wait_s + _ANSWER_S):
                found = await answer
        except TimeoutError as error:
            raise WorkerLostError(f"no answer for {_ANSWER_S:.0f} s") from error
        finally:
            self._waiting.pop(number, None)
        if isinstance(found, ClusterError):
            raise WorkerLostError(str(found))
        if isinstance(found, MirrorError):
            raise found
        assert isinstance(found, expected)  # noqa: S101 - tells the type checker
        return found

    def close(self) -> None:
        self._hearing.cancel()
        self._writer.close()


class PipeEngine:
    """Calls on helpers; see `Engine` for the promises."""

    def __init__(self, wires: dict[str, _Wire]) -> None:
        self._wires = wires

    @classmethod
    @contextlib.asynccontextmanager
    async def connected(cls, helpers: Sequence[Helper]) -> AsyncIterator["PipeEngine"]:
        """Connect to helpers for one run, which is their last."""
        wires: dict[str, _Wire] = {}
        try:
            for helper in helpers:
                reader, writer = await asyncio.open_unix_connection(sock=helper.pipe, limit=frames.LIMIT_BYTES)
                wires[helper.address] = _Wire(helper, reader, writer)
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
        return await self._wires[address].ask("fetch", shard, expected=Answer, wait_s=None)

    async def pulse(self, address: str, order: Order) -> Report:
        """Give an order and wait for the report."""
        return await self._wires[address].ask("pulse", order, expected=Report, wait_s=order.wait_s)

    async def heed(self, address: str, order: Order) -> None:
        """Give an order that cannot wait."""
        await self._wires[address].ask("heed", order, expected=type(None))
