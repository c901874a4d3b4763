"""One worker as the client knows it: what it has to do, and what it says."""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from mirror.cluster.parcels import HostNews, Report, Results, Shard, pack_jobs, unpack_failed, unpack_fetched
from mirror.cluster.seam import Duties, Engine, Traffic
from mirror.errors import WorkerLostError
from mirror.model import Job
from mirror.pipeline import Put
from mirror.tally import Tally

if TYPE_CHECKING:
    from mirror.cluster.crew import Crew

log = logging.getLogger(__name__)

_FIRST, _FEWEST = 32, 8
_LASTS_S = 1.5
"""A shard is to take about so long."""
_SHORTEST_PULSE_S = 0.05


class Hand:
    """One worker of the crew: carriers bring it shards, a listener hears its pulse."""

    def __init__(self, address: str, traffic: Traffic) -> None:
        self.address = address
        self._traffic = traffic
        self.out: dict[int, Job] = {}
        """Jobs that it has and that have no outcome yet, by asset id."""
        self.heard = 0
        """Number of the last piece of news that came from it."""
        self._size = _FIRST
        self._rests_until = 0.0
        self._is_dismissed = False
        self._stopped = asyncio.Event()
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._fetched_bytes = self._retries = self._in_flight = 0

    def size(self, fair: int) -> int:
        """How many jobs its next shard is to have.

        Args:
            fair: Its part of all that is left: at the end nobody is to wait for somebody else's long shard.
        """
        return max(min(self._size, max(fair, _FEWEST)), 1)

    def stop(self) -> None:
        """Take no more shards."""
        self._stopped.set()

    def lose(self, why: str) -> None:
        """Give it up: what it has goes to others."""
        if not self._lost.done():
            self._lost.set_exception(WorkerLostError(why))

    async def work(self, crew: "Crew", engine: Engine, put: Put, duties: Duties) -> None:
        """Have it work until it is stopped, dismissed or lost.

        Raises:
            WorkerLostError: It is gone.
            MirrorError: What it met ends the run.
        """
        carriers = [asyncio.ensure_future(self._carry(crew, engine, put, duties)) for _ in range(self._traffic.shards)]
        listener = asyncio.ensure_future(self._listen(crew, engine, put, duties, carriers))
        tasks: set[asyncio.Future[None]] = {*carriers, listener}
        try:
            while not listener.done():
                done, tasks = await asyncio.wait({*tasks, self._lost}, return_when=asyncio.FIRST_COMPLETED)
                for each in done:
                    each.result()
        finally:
            self._lost.cancel()
            for each in (*carriers, listener):
                each.cancel()
            await asyncio.gather(*carriers, listener, return_exceptions=True)

    async def _carry(self, crew: "Crew", engine: Engine, put: Put, duties: Duties) -> None:
        """Bring it one shard after the other."""
        while (jobs := await self._next(crew, duties)) is not None:
            kept = tuple(draft for job in jobs if (draft := duties.kept.pop(job.asset_id, None)) is not None)
            began_at = time.monotonic()
            answer = await engine.fetch(self.address, Shard(jobs=pack_jobs(jobs), kept=kept))
            self._learn(len(jobs) - answer.left, time.monotonic() - began_at)
            self._judge(crew, answer.hosts)
            await self._take(answer.results, crew, put, duties)

    async def _next(self, crew: "Crew", duties: Duties) -> list[Job] | None:
        """The jobs of its next shard; None when it is to have no more."""
        await self._pause(self._rests_until - time.monotonic())
        if self._stopped.is_set():
            return None
        waiting = asyncio.ensure_future(crew.next_shard(self, duties))
        stopped = asyncio.ensure_future(self._stopped.wait())
        try:
            await asyncio.wait({waiting, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            if not waiting.done():
                waiting.cancel()
        return waiting.result() if waiting.done() else None

    async def _pause(self, seconds: float) -> None:
        if seconds > 0:
            await asyncio.wait({asyncio.ensure_future(self._stopped.wait())}, timeout=seconds)

    def _learn(self, jobs: int, took_s: float) -> None:
        """Make the next shard as large as lasts well."""
        fits = int(jobs * _LASTS_S / max(took_s, 1e-3))
        self._size = max(_FEWEST, min(fits, 3 * self._size, self._traffic.most_jobs))

    async def _listen(
        self, crew: "Crew", engine: Engine, put: Put, duties: Duties, carriers: Sequence[asyncio.Future[None]]
    ) -> None:
        """Hear its pulse, until it has nothing more to do."""
        is_last = False
        while not is_last:
            is_last = all(each.done() for each in carriers) and (crew.is_stopping or not self.out)
            began_at = time.monotonic()
            report = await engine.pulse(self.address, crew.order_for(self))
            self.heard = report.number
            self._count(report, duties.tally)
            for level, logger, text in report.logged:
                logging.getLogger(logger).log(level, "%s", text)
            self._judge(crew, report.hosts)
            await self._take(report.results, crew, put, duties)
            await asyncio.sleep(max(0.0, _SHORTEST_PULSE_S - (time.monotonic() - began_at)))

    def _judge(self, crew: "Crew", news: Sequence[HostNews]) -> None:
        """Draw the conclusions of what it says of hosts, before its jobs are put back."""
        verdict = crew.hosts.hear(self.address, news)
        if verdict.is_urgent:
            crew.spread()
        if verdict.rest_s:
            self._rests_until = time.monotonic() + verdict.rest_s
        if verdict.dismissed and not self._is_dismissed:
            self._is_dismissed = True
            crew.dismiss_for(self, verdict.dismissed)
            self.stop()

    async def _take(self, results: Results, crew: "Crew", put: Put, duties: Duties) -> None:
        """Bring in outcomes; of a job that it has no more nobody waits for one."""
        for row in results.postponed:
            if (job := self.out.pop(row[0], None)) is not None:
                held_s = crew.hosts.held_s(job.host)
                duties.tally.waiting_for = f"{job.host} ({held_s:.0f} s)" if held_s else ""
                duties.finish(job, _with_tries(job, row[1]))
        for row in results.failed:
            if (job := self.out.pop(row[0], None)) is not None:
                crew.hosts.count(job.host)
                duties.finish(job, None)
                await put(unpack_failed(row, job))
        for row in results.fetched:
            if (job := self.out.pop(row[0], None)) is not None:
                crew.hosts.count(job.host)
                duties.finish(job, None)
                await put(unpack_fetched(row, job))
        if results.fetched:
            duties.tally.waiting_for = ""

    def _count(self, report: Report, tally: Tally) -> None:
        tally.fetched_bytes += report.fetched_bytes - self._fetched_bytes
        tally.retries += report.retries - self._retries
        tally.in_flight += report.in_flight - self._in_flight
        self._fetched_bytes, self._retries, self._in_flight = report.fetched_bytes, report.retries, report.in_flight

    def take(self, job: Job) -> Job:
        """Take charge of a job."""
        self.out[job.asset_id] = job
        return job

    def give_back(self, duties: Duties) -> None:
        """Let others have what has no outcome yet."""
        for job in self.out.values():
            duties.finish(job, job)
        self.out.clear()
        duties.tally.in_flight -= self._in_flight
        self._in_flight = 0


def _with_tries(job: Job, tries: int) -> Job:
    return job if job.tries == tries else replace(job, tries=tries)
