"""All workers of a run: who belongs to it, what each one gets, and what is done when one goes."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace

from mirror.cluster.hand import Hand
from mirror.cluster.host_table import HostTable
from mirror.cluster.parcels import Order, Setup
from mirror.cluster.seam import FAR, Duties, Engine, Traffic
from mirror.cluster.shares import Shares
from mirror.errors import ArchiveError, ClusterError, ConfigError, WorkerLostError
from mirror.model import Job
from mirror.pipeline import Put

log = logging.getLogger(__name__)

_READY = 500
"""Jobs that wait for a worker at most: a whole shard."""
_LOOK_S, _FIRST_LOOKS_S, _BEGINNING_S = 1.0, 0.1, 10.0
_AGAIN_S = 5.0
_TOGETHER_S = 0.1
_ALONE_S = 60.0
"""A run without any worker ends after that time."""
_GRACE_S = 10.0
"""What a stop grants the workers to bring in what they have."""
_SPREAD_S = 2.0
_MOMENT_S = 0.005


class Crew:
    """Hands out jobs to workers in shards, and brings in what becomes of them.

    Args:
        places: Requests at once over all workers together; each gets its share of them.
        limit_rate_bytes_s: The same for the speed limit; 0 for none.
    """

    def __init__(
        self, engine: Engine, setup: Setup, *, places: int, limit_rate_bytes_s: float = 0.0,
        traffic: Traffic = FAR,
    ) -> None:  # fmt: skip
        self.hosts = HostTable()
        self.hands: dict[str, Hand] = {}
        self._stopping = asyncio.Event()
        self._engine = engine
        self._setup = setup
        self.shares = Shares(places, limit_rate_bytes_s)
        self._traffic = traffic
        self._ready: asyncio.Queue[Job] = asyncio.Queue(_READY)
        self._needed = asyncio.Event()
        """Nobody is called before there is a job."""
        self._turn = asyncio.Lock()
        self._unfit: set[str] = set()
        self._spreading: set[asyncio.Task[None]] = set()
        self._alone_since = time.monotonic()
        self._grace_s = _GRACE_S
        self._running: tuple[asyncio.Future[None], ...] = ()

    @property
    def is_stopping(self) -> bool:
        """Whether no more shards are handed out."""
        return self._stopping.is_set()

    # -- who belongs to it --------------------------------------------------------------------------------------

    async def muster(self) -> int:
        """See that every worker is fit, before the first job.

        Returns:
            How many there are; more may come.
        Raises:
            ConfigError: One is of another version, or does not see the archive.
            ClusterError: The scheduler is gone.
        """
        members = await self._engine.members()
        for address in members:
            with contextlib.suppress(WorkerLostError):
                await self._open_station(address)
                await self._engine.close(address)
        return len(members)

    async def _open_station(self, address: str) -> None:
        """Prepare a worker, if it is fit.

        Raises:
            ConfigError: It is not.
        """
        version = await self._engine.version_of(address)
        if version != self._setup.version:
            found = f"version {version} of mirror" if version else "no mirror"
            raise ConfigError(
                f"worker {address} has {found}, this is version {self._setup.version}: every worker needs the same"
            )
        setup = replace(self._setup, share=self.shares.places_of(address), limit_rate_bytes_s=self.shares.rate_bytes_s)
        try:
            await self._engine.open(address, setup)
        except ArchiveError as error:
            if not self._setup.token:  # it is of this machine: what it met, this program would meet
                raise
            raise ConfigError(
                f"{error}; every worker must reach the archive at {setup.root}, and write there: "
                "on a disk that all of them mount there"
            ) from error

    def limit_rate(self, bytes_s: float) -> None:
        """From now on let so many bytes per second flow over all workers together; 0 for no limit."""
        if bytes_s != self.shares.limit_rate_bytes_s:
            self.shares.limit_rate_bytes_s = bytes_s
            self.spread()

    def order_for(self, hand: Hand) -> Order:
        """Say what a worker is to know and do now."""
        return Order(
            heard=hand.heard,
            share=self.shares.places_of(hand.address),
            limit_rate_bytes_s=self.shares.rate_bytes_s,
            hosts=self.hosts.news_for(hand.address),
            is_stopping=self.is_stopping,
            wait_s=self._traffic.pulse_s,
        )

    def spread(self) -> None:
        """Tell all workers at once what has changed."""
        for hand in self.hands.values():
            task = asyncio.ensure_future(self._tell(hand))
            self._spreading.add(task)
            task.add_done_callback(self._spreading.discard)

    async def _tell(self, hand: Hand) -> None:
        # Who cannot be reached is noticed by its next pulse.
        with contextlib.suppress(ClusterError):
            await self._engine.heed(hand.address, self.order_for(hand))

    # -- the run ------------------------------------------------------------------------------------------------

    async def work(self, jobs: AsyncGenerator[Job, None], put: Put, duties: Duties) -> None:
        """Take every job to its outcome.

        Cancelled, it has the workers end what they are at, and brings in what they have finished.

        Raises:
            ArchiveError: A worker's archive takes no more.
            ClusterError: The scheduler is gone, or no worker has been there for a minute.
        """
        feeding = asyncio.ensure_future(self._feed(jobs, duties))
        following = asyncio.ensure_future(self._follow(put, duties))
        self._running = (feeding, following)
        try:
            await asyncio.wait({feeding, following}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._stopping.set()
            feeding.cancel()
            following.cancel()
            await asyncio.wait({feeding, following})
            while not self._ready.empty():  # the run may go on without us
                duties.finish(job := self._ready.get_nowait(), job)
        for each in (following, feeding):
            if not each.cancelled():
                each.result()

    async def aclose(self) -> None:
        """End whatever is still on, at once."""
        self._grace_s = 0.0
        for each in self._running:
            each.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _feed(self, jobs: AsyncGenerator[Job, None], duties: Duties) -> None:
        async with contextlib.aclosing(jobs):
            async for job in jobs:
                self._needed.set()
                try:
                    await self._ready.put(job)
                except asyncio.CancelledError:
                    duties.finish(job, job)
                    raise

    async def next_shard(self, hand: Hand, duties: Duties) -> list[Job]:
        """Wait for jobs, and take as many as a worker is to get; it need not be that many."""
        async with self._turn:
            # Whatever happens next, they are the worker's: nobody else knows of them.
            found = [hand.take(await self._ready.get())]
            left = duties.left() + self._ready.qsize()
            size = hand.size(left // max(1, self._traffic.shards * len(self.hands)))
            if self._ready.qsize() + 1 < size:
                # The feed hands out one by one: give it a moment.
                await asyncio.sleep(_MOMENT_S)
            while len(found) < size and not self._ready.empty():
                found.append(hand.take(self._ready.get_nowait()))
            return found

    async def _follow(self, put: Put, duties: Duties) -> None:
        """Have everybody at work who belongs to the cluster, as workers come and go."""
        at_work: dict[str, asyncio.Task[None]] = {}
        await self._needed.wait()
        self._alone_since = began_at = time.monotonic()
        try:
            while True:
                members = set(await self._engine.members())
                new = sorted(members - at_work.keys() - self._unfit)[: max(0, self.shares.places - len(at_work))]
                # All of them, before the first one takes its share.
                self.shares.sharers.update(new)
                for address in new:
                    at_work[address] = asyncio.ensure_future(self._employ(address, put, duties))
                for address in self.hands.keys() - members:
                    self.hands[address].lose("it has left the cluster")
                self._look_for_company()
                pause_s = _FIRST_LOOKS_S if time.monotonic() - began_at < _BEGINNING_S else _LOOK_S
                if at_work:
                    await asyncio.wait(at_work.values(), timeout=pause_s, return_when=asyncio.FIRST_COMPLETED)
                else:
                    await asyncio.sleep(pause_s)
                for address in [each for each, task in at_work.items() if task.done()]:
                    task = at_work.pop(address)
                    if not task.cancelled():
                        task.result()
        finally:
            await self._bring_in([*at_work.values()])

    def _look_for_company(self) -> None:
        if self.hands:
            self._alone_since = time.monotonic()
        elif time.monotonic() - self._alone_since > _ALONE_S:
            raise ClusterError(
                f"no worker has been there for {_ALONE_S:.0f} s; what was stored is recorded, and the next run goes on"
            )

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    async def _bring_in(self, at_work: Sequence[asyncio.Task[None]]) -> None:
        """Let the workers end what they are at, for a moment."""
        self._stopping.set()
        self.spread()
        for hand in self.hands.values():
            hand.stop()
        try:
            if at_work:
                await asyncio.wait(at_work, timeout=self._grace_s)
        finally:  # somebody may not want to wait so long
            for task in at_work:
                task.cancel()
            await asyncio.gather(*at_work, *self._spreading, return_exceptions=True)

    async def _employ(self, address: str, put: Put, duties: Duties) -> None:
        """Have one worker at work, which is counted among the sharers already, for as long as it is there."""
        try:
            # Those who are here make room before the new one takes its share.
            await asyncio.gather(*map(self._tell, self.hands.values()))
            await self._open_station(address)
            await self._work_with(Hand(address, self._traffic), put, duties)
        except ConfigError as error:
            log.warning("%s; it gets nothing to do", error)
            self._unfit.add(address)
        except WorkerLostError as error:
            log.info("worker %s: %s", address, error)
            # It may be on its way out, or stand still: it is looked for again.
            await self._pause(_AGAIN_S)
        finally:
            self.shares.sharers.discard(address)
            self.spread()

    async def _work_with(self, hand: Hand, put: Put, duties: Duties) -> None:
        self.hands[hand.address] = hand
        self.hosts.workers = len(self.hands)
        try:
            if not self.is_stopping:
                await hand.work(self, self._engine, put, duties)
        except WorkerLostError as error:
            # Deaths come together, and who is left alone has but one thing to say.
            await self._pause(_TOGETHER_S)
            await self._engine.members()
            log.warning("worker %s is lost (%s): %s jobs go to others", hand.address, error, len(hand.out))
            raise
        finally:
            del self.hands[hand.address]
            self.hosts.workers = len(self.hands)
            self.hosts.forget_worker(hand.address)
            hand.give_back(duties)
            await self._close_station(hand.address)

    def dismiss_for(self, hand: Hand, why: str) -> None:
        """Give a worker nothing more in this run."""
        log.warning("worker %s gets nothing more to do: others get pictures where it gets none (%s)", hand.address, why)
        self._unfit.add(hand.address)

    async def _close_station(self, address: str) -> None:
        with contextlib.suppress(ClusterError, TimeoutError):
            async with asyncio.timeout(_SPREAD_S):
                await self._engine.close(address)
