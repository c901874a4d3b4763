"""An engine of one process for tests: stations in this event loop stand for workers, and can be killed and watched."""

import asyncio
from pathlib import Path

from mirror.cluster.parcels import Answer, Order, Report, Setup, Shard
from mirror.cluster.station import Station
from mirror.errors import WorkerLostError


class LoopEngine:
    """Workers by name; see ``mirror.cluster.seam.Engine`` for the promises.

    Args:
        folder: For what they keep for themselves.
    """

    def __init__(self, folder: Path, *workers: str, version: str) -> None:
        self.workers = list(workers)
        self.versions = dict.fromkeys(workers, version)
        self.stations: dict[str, Station] = {}
        self.orders: dict[str, list[Order]] = {}
        self.shards: list[tuple[str, int]] = []
        self.shares: dict[str, int] = {}
        self.are_together = False
        """Whether nobody fetches before all are there."""
        self._folder = folder
        self._dead: dict[str, asyncio.Event] = {}

    def kill(self, address: str) -> None:
        """Let a worker die: nothing it has at hand is answered any more."""
        self.workers.remove(address)
        self._dead.setdefault(address, asyncio.Event()).set()

    async def members(self) -> list[str]:
        """Name the workers."""
        return list(self.workers)

    async def version_of(self, address: str) -> str | None:
        """Say its version."""
        return self.versions.get(address)

    async def open(self, address: str, setup: Setup) -> None:
        """Open its station."""
        self.shares[address] = setup.share
        self.stations[address] = await Station.open(setup, self._folder / address)

    async def close(self, address: str) -> None:
        """Close it; the dead are closed too, so that nothing of them outlives the test."""
        if (station := self.stations.pop(address, None)) is not None:
            await station.aclose()

    async def fetch(self, address: str, shard: Shard) -> Answer:
        """Have it fetch."""
        while self.are_together and len(self.stations) < len(self.workers):
            await asyncio.sleep(0)
        self.shards.append((address, len(shard.jobs)))
        answer = await self._alive(address, asyncio.ensure_future(self.stations[address].fetch(shard)))
        assert isinstance(answer, Answer)
        return answer

    async def pulse(self, address: str, order: Order) -> Report:
        """Give it an order."""
        self._note(address, order)
        report = await self._alive(address, asyncio.ensure_future(self.stations[address].pulse(order)))
        assert isinstance(report, Report)
        return report

    async def heed(self, address: str, order: Order) -> None:
        """Give it an order at once."""
        self._note(address, order)
        if (station := self.stations.get(address)) is not None:
            station.heed(order)

    def _note(self, address: str, order: Order) -> None:
        self.orders.setdefault(address, []).append(order)
        self.shares[address] = order.share

    async def _alive(self, address: str, work: "asyncio.Future[Answer] | asyncio.Future[Report]") -> Answer | Report:
        dead = self._dead.setdefault(address, asyncio.Event())
        dying = asyncio.ensure_future(dead.wait())
        try:
            await asyncio.wait({work, dying}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            dying.cancel()
        if dead.is_set():
            work.cancel()
            raise WorkerLostError("it died")
        return work.result()
