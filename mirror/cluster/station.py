"""What one worker process holds for one run: its transport, the archive's drafts, and the jobs it was given.

Nothing here knows of the engine that brings the jobs.
"""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from mirror.archive import Archive, open_shared
from mirror.cluster.ears import Ears
from mirror.cluster.heeding import heed_news
from mirror.cluster.outbox import Outbox
from mirror.cluster.parcels import Answer, HostNews, Order, Report, Results, Setup, Shard, pack_outcomes, unpack_jobs
from mirror.download import Downloads
from mirror.errors import ArchiveError, FetchError, ThrottledError
from mirror.model import Fetched, Job, Outcome, Postponed
from mirror.transport import Transport

log = logging.getLogger(__name__)

_SHARD_S = 5.0
"""A shard is answered after that time at the latest: what has not begun by then is for somebody quicker."""


@dataclass(slots=True, eq=False)
class _Batch:
    """A shard on its way."""

    left: dict[int, Job]
    """Jobs without an outcome, by asset id."""
    outcomes: list[Outcome] = field(default_factory=list)
    is_answered: bool = False
    done: asyncio.Event = field(default_factory=asyncio.Event)


class Station:
    """Fetches what it is given, as many at once as it is told, and never longer than its client lives."""

    def __init__(self, setup: Setup, archive: Archive) -> None:
        self._archive = archive
        self._transport: Transport = setup.line.open(most_requests=setup.share, on_bytes=self._count_bytes)
        self._transport.limit_rate(setup.limit_rate_bytes_s)
        self._downloads = Downloads(
            transport=self._transport, archive=archive, retry=setup.retry, on_retry=self._count_retry
        )
        # What another kernel wrote, no flush of the client's brings to the disk.
        self._is_flushing = archive.device != setup.device
        self._waiting: deque[tuple[_Batch, Job]] = deque()
        self._batches: set[_Batch] = set()
        self._working: set[asyncio.Task[None]] = set()
        self._outbox = Outbox()
        self._alarm = asyncio.Event()
        self._failure: BaseException | None = None
        self._is_stopping = False
        self._is_closed = False
        self._done: dict[str, int] = {}
        self._throttles_told: dict[str, int] = {}
        self._in_flight = self._fetched_bytes = self._retries = 0
        self._ears = Ears(self._outbox.put_logged)
        self._ordered_at = time.monotonic()
        self._guarding = asyncio.ensure_future(self._guard(setup.deserted_s))

    @classmethod
    async def open(cls, setup: Setup, folder: Path) -> "Station":
        """Open the archive, see that it is the client's, and be ready.

        Args:
            folder: Of this machine, for drafts on their way elsewhere.
        Raises:
            ArchiveError: None lies there, or another one, or it cannot be written.
            ConfigError: A file that the network settings name is not there.
        """
        archive = await open_shared(
            setup.root, folder, token=setup.token, min_free_bytes=setup.min_free_bytes, has_threads=setup.has_threads
        )
        try:
            return cls(setup, archive)
        except BaseException:
            await archive.aclose()
            raise

    async def aclose(self) -> None:
        """End what is on its way, keep what can be resumed, close everything. A second time does nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        if asyncio.current_task() is not self._guarding:
            self._guarding.cancel()
        await self._stop()
        self._ears.close()
        await self._transport.aclose()
        await self._archive.aclose()

    # -- jobs ---------------------------------------------------------------------------------------------------

    async def fetch(self, shard: Shard) -> Answer:
        """Take some jobs to their outcomes, or as far as they get in a few seconds.

        Jobs that are still under way then go on; their outcomes come with later reports. Those that have not begun
        are put back.

        Raises:
            ArchiveError: The archive takes no more.
        """
        batch = _Batch({job.asset_id: job for job in unpack_jobs(shard.jobs)})
        self._downloads.kept |= {each.asset_id: each for each in shard.kept}
        self._waiting.extend((batch, job) for job in batch.left.values())
        self._batches.add(batch)
        try:
            if not self._is_stopping:
                self._work_on()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_SHARD_S):
                        await batch.done.wait()
        finally:
            self._put_back(batch)
            self._batches.discard(batch)
            batch.is_answered = True
        self._raise_failure()
        return Answer(results=await self._pack(batch.outcomes), left=len(batch.left), hosts=tuple(self._host_news()))

    def _work_on(self) -> None:
        """Have as many at work as there is work for: twice the places, since those that pause hold no place."""
        most = 2 * self._transport.most_requests
        for _ in range(min(len(self._waiting), most - len(self._working))):
            task = asyncio.ensure_future(self._work())
            self._working.add(task)
            task.add_done_callback(self._working.discard)

    async def _work(self) -> None:
        while self._waiting and not self._is_stopping and len(self._working) <= 2 * self._transport.most_requests:
            batch, job = self._waiting.popleft()
            outcome: Outcome = Postponed(job=job)
            self._in_flight += 1
            try:
                outcome = await self._downloads.download_asset(job)
            except Exception as error:  # noqa: BLE001 - whoever waits for a report gets it
                self._fail(error)
                return
            finally:
                self._in_flight -= 1
                self._note(batch, job, outcome)

    def _note(self, batch: _Batch, job: Job, outcome: Outcome) -> None:
        batch.left.pop(job.asset_id, None)
        if isinstance(outcome, Fetched):
            self._done[job.host] = self._done.get(job.host, 0) + 1
        elif isinstance(outcome, Postponed):
            self._alarm.set()
        if batch.is_answered:
            self._outbox.put(outcome)
        else:
            batch.outcomes.append(outcome)
            if not batch.left:
                batch.done.set()

    def _put_back(self, batch: _Batch) -> None:
        """Give back what has not begun."""
        mine = [job for each, job in self._waiting if each is batch]
        self._waiting = deque(each for each in self._waiting if each[0] is not batch)
        for job in mine:
            del batch.left[job.asset_id]
        batch.outcomes.extend(Postponed(job=job) for job in mine)
        if not batch.left:
            batch.done.set()

    def _fail(self, error: BaseException) -> None:
        self._failure = self._failure or error
        for batch in self._batches:
            batch.done.set()
        self._alarm.set()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    # -- orders and reports -------------------------------------------------------------------------------------

    async def pulse(self, order: Order) -> Report:
        """Do as told, and report when something must be known at once, or the time is over.

        Raises:
            ArchiveError: The archive takes no more.
        """
        self._ordered_at = time.monotonic()
        self._outbox.forget(order.heard)
        self._heed(order)
        if order.is_stopping:
            await self._stop()
        elif not self._alarm.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(order.wait_s):
                    await self._alarm.wait()
        self._alarm.clear()
        self._raise_failure()
        for batch in self._batches:  # whoever watches does not want to wait for the last of a shard
            while batch.outcomes:
                self._outbox.put(batch.outcomes.pop())
        number, outcomes, logged = self._outbox.everything()
        return Report(
            number=number,
            results=await self._pack(outcomes),
            logged=logged,
            hosts=tuple(self._host_news()),
            in_flight=self._in_flight,
            fetched_bytes=self._fetched_bytes,
            retries=self._retries,
        )

    def heed(self, order: Order) -> None:
        """Do what cannot wait for the next pulse."""
        self._heed(order)
        if order.is_stopping:
            self._begin_stop()
            self._alarm.set()

    def _heed(self, order: Order) -> None:
        if order.share != self._transport.most_requests:
            self._transport.share(order.share)
            self._work_on()
        self._transport.limit_rate(order.limit_rate_bytes_s)
        now = time.monotonic()
        for news in order.hosts:
            heed_news(self._transport, news)
            if news.throttles > self._throttles_told.get(news.host, 0):
                self._throttles_told[news.host] = news.throttles
                self._transport.places.pace(news.host).slow(now)

    async def _pack(self, outcomes: Iterable[Outcome]) -> Results:
        """Make outcomes ready to travel, once the bytes of what was fetched are on the disk as far as that is ours."""
        found = list(outcomes)
        drafts = [each.draft for each in found if isinstance(each, Fetched)]
        if self._is_flushing and drafts:
            try:
                await self._archive.flush_drafts(drafts)
            except ArchiveError as error:
                # Nobody can say which of them reached the disk.
                self._fail(error)
                await self._archive.discard_drafts(drafts)
                raise
        return pack_outcomes(found)

    def _host_news(self) -> Iterable[HostNews]:
        places = self._transport.places
        for host in places.hosts():
            pace = places.pace(host)
            yield HostNews(
                host=host,
                limit=pace.allowed,
                held_s=self._transport.held_s(host),
                why_closed=self._transport.why_closed(host),
                is_doubtful=pace.breaker.is_on_trial or pace.is_tripped,
                throttles=pace.throttles,
                done=self._done.get(host, 0),
            )

    def _count_bytes(self, size: int) -> None:
        self._fetched_bytes += size

    def _count_retry(self, error: FetchError, tries: int, wait_s: float) -> None:
        self._retries += 1
        log.warning("try %s failed, again in %.1f s: %s", tries, wait_s, error.message)
        if isinstance(error, ThrottledError):
            self._alarm.set()

    # -- the end ------------------------------------------------------------------------------------------------

    async def _stop(self) -> None:
        """Cancel what is on its way; what has come to its end by then is reported like all else."""
        self._begin_stop()
        if self._working:
            await asyncio.wait(tuple(self._working))

    def _begin_stop(self) -> None:
        if self._is_stopping:
            return
        self._is_stopping = True
        for batch in self._batches:
            self._put_back(batch)
        for task in self._working:
            task.cancel()

    async def _guard(self, deserted_s: float) -> None:
        """Close when the client is heard no more: another run may hold the archive by now."""
        if not deserted_s:
            return
        quiet_s = 0.0
        while quiet_s < deserted_s:
            await asyncio.sleep(deserted_s - quiet_s)
            quiet_s = time.monotonic() - self._ordered_at
        log.warning("the client is gone: what was on its way ends here")
        await self.aclose()
