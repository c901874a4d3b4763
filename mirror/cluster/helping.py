"""A helper's own side: it hears orders from a pipe, has a station do them, and ends with the pipe."""

import asyncio
import contextlib
import socket
from pathlib import Path
from typing import Any

from mirror.cluster import frames
from mirror.cluster.heap import keep_freed
from mirror.cluster.parcels import Order, Setup, Shard
from mirror.cluster.station import Station
from mirror.errors import ClusterError, MirrorError

_NOWHERE = Path()
"""Where a station keeps what goes into a bucket; helpers write into folders only."""


async def help_over(pipe: socket.socket) -> None:
    """Do what is asked through a pipe until it is closed; what can be resumed then is kept."""
    reader, writer = await asyncio.open_unix_connection(sock=pipe, limit=frames.LIMIT_BYTES)
    desk = _Desk(writer)
    try:
        with contextlib.suppress(EOFError, OSError):
            while True:
                number, what, arguments = await frames.read(reader)
                desk.begin(number, what, arguments)
    finally:
        await desk.close()


class _Desk:
    """One station at a time, and the questions that it has not answered yet."""

    def __init__(self, pipe: asyncio.StreamWriter) -> None:
        self._pipe = pipe
        self._station: Station | None = None
        self._open: set[asyncio.Task[None]] = set()

    def begin(self, number: int, what: str, arguments: tuple[Any, ...]) -> None:
        task = asyncio.ensure_future(self._answer(number, what, arguments))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _answer(self, number: int, what: str, arguments: tuple[Any, ...]) -> None:
        try:
            answer: Any = await getattr(self, what)(*arguments)
        except MirrorError as error:
            answer = error
        except Exception as error:  # noqa: BLE001 - whoever asked gets it
            frames.write(self._pipe, (number, ClusterError(f"it met a bug: {type(error).__name__}: {error}")))
            # It may be in any state. If the bug comes with a picture, the program that goes on alone meets it too.
            self._pipe.close()
            return
        frames.write(self._pipe, (number, answer))

    async def open(self, setup: Setup) -> None:
        """Open a station, in the place of any other."""
        await self.close()
        if setup.line.memory_bytes:  # with none, bodies come in small pieces
            keep_freed(setup.line.memory_bytes)
        self._station = await Station.open(setup, _NOWHERE)

    async def close(self) -> None:
        """Close it, if there is one."""
        station, self._station = self._station, None
        if station is not None:
            await station.aclose()

    async def fetch(self, shard: Shard) -> object:
        """Have a shard fetched."""
        return await self._at_work().fetch(shard)

    async def pulse(self, order: Order) -> object:
        """Give an order, and wait for the report."""
        return await self._at_work().pulse(order)

    async def heed(self, order: Order) -> None:
        """Give an order that cannot wait."""
        self._at_work().heed(order)

    def _at_work(self) -> Station:
        if self._station is None:
            raise ClusterError("it has nothing open")
        return self._station
