"""The fetching of a run: what earlier runs left, then every job to its recorded outcome, counted on the way."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime

from mirror.archive import Archive, KeptDraft
from mirror.cluster import Crew, Duties, HostTable, heed_news
from mirror.commit import Committer
from mirror.download import Downloads
from mirror.errors import AloneError, FetchError
from mirror.feed import Feed
from mirror.leftovers import adopt_drafts, sweep_drafts
from mirror.manifest import Manifest
from mirror.model import Failed, Fetched, Job, Postponed, RunReport, Stored
from mirror.pipeline import GroupLimits, drive, run
from mirror.retry import RetryPolicy
from mirror.tally import Tally
from mirror.transport import Transport

log = logging.getLogger(__name__)


class Fetching:
    """What every run does, whether it lists or not.

    Args:
        limits: When a group of finished drafts is committed.
        stop: When set, transfers end and what is finished is recorded.
        crew: Workers that fetch; without them this process does.
    """

    def __init__(
        self, *, archive: Archive, manifest: Manifest, transport: Transport, retry: RetryPolicy,
        limits: GroupLimits, tally: Tally, stop: asyncio.Event, crew: Crew | None = None,
    ) -> None:  # fmt: skip
        self.archive = archive
        self.manifest = manifest
        self.transport = transport
        self.tally = tally
        self.stop = stop
        self.answered = asyncio.Event()
        """Nothing is fetched before: a refused key fetches nothing."""
        self._hosts: Transport | HostTable = transport if crew is None else crew.hosts
        self.feed = Feed(find_hosts=manifest.hosts, find_jobs=manifest.wanted, hosts=self._hosts)
        self.committer = Committer(archive=archive, manifest=manifest, on_recorded=self._count_recorded)
        self._kept: dict[int, KeptDraft] = {}
        self._downloads = Downloads(
            transport=transport, archive=archive, retry=retry, kept=self._kept, on_retry=self.count_retry
        )
        self._crew = crew
        self._limits = limits
        self._started_at = datetime.now(UTC)
        self._run_id = 0
        self._adopted = 0
        self._given = 0
        """Jobs that were given to whoever fetches, and have not come back."""

    async def begin(self, command: str) -> None:
        """Write down that a run begins, and settle what a killed one left half-way."""
        self._started_at = datetime.now(UTC)
        self._run_id = await self.manifest.begin_run(command)
        self._adopted = await self.committer.settle()

    async def adopt(self) -> None:
        """Take over finished drafts of earlier runs; what is to be fetched must be known by now."""
        self._adopted += await adopt_drafts(
            self.archive, self.manifest, self.committer, into=self._kept
        )  # fmt: skip
        self.tally.wanted = await self.manifest.count_wanted()

    def end_listing(self) -> None:
        """Say that nothing more will be planned in this run."""
        self.tally.is_listing_done = True
        self.tally.phase = "fetching"
        self.answered.set()
        self.feed.end_listing()

    async def fetch_all(self) -> None:
        """Take every job to its recorded outcome, until the listing has ended and nothing is left."""
        if self._crew is None:
            await self._fetch_here()
            return
        try:
            await self._fetch_with(self._crew)
        except AloneError as error:
            log.warning("no helper is left (%s): this process goes on by itself", error)
            # It goes on where they ended: a host that is held or closed stays so.
            for news in self._crew.hosts.news_for(""):
                heed_news(self.transport, news)
            self.feed.hosts = self._hosts = self.transport
            await self._fetch_here()

    async def _fetch_here(self) -> None:
        await run(
            self._jobs(),
            self._download,
            self._commit,
            # More workers than places: those that pause before a retry hold no place at a host.
            workers=2 * self.transport.most_requests,
            limits=self._limits,
            stop=self.stop,
        )

    async def _fetch_with(self, crew: Crew) -> None:
        """Have others fetch; what is recorded is recorded here."""
        duties = Duties(
            finish=self._give_back,
            left=lambda: max(0, self.tally.wanted - self._given),
            tally=self.tally,
            kept=self._kept,
        )
        await drive(
            lambda put: crew.work(self._jobs(), put, duties),
            self._commit,
            limits=self._limits,
            stop=self.stop,
        )

    async def _commit(self, group: Sequence[Fetched | Failed]) -> None:
        await self.committer.commit(group)
        self.feed.recorded(each.job.asset_id for each in group)

    def _give_back(self, job: Job, again: Job | None) -> None:
        self._given -= again is not None
        self.feed.finish(job, again=again)

    async def _jobs(self) -> AsyncGenerator[Job, None]:
        """Jobs from the first good answer of the API on."""
        await self.answered.wait()
        async with contextlib.aclosing(self.feed.jobs()) as jobs:
            async for job in jobs:
                self._given += 1
                yield job

    async def _download(self, job: Job) -> Fetched | Failed | None:
        again: Job | None = None
        self.tally.in_flight += 1
        try:
            outcome = await self._downloads.download_asset(job)
            if isinstance(outcome, Postponed):
                again = outcome.job
                held_s = self.transport.held_s(job.host)
                self.tally.waiting_for = f"{job.host} ({held_s:.0f} s)" if held_s else ""
                return None
            if self.tally.waiting_for.startswith(job.host):
                self.tally.waiting_for = ""
            return outcome
        finally:
            self.tally.in_flight -= 1
            self.feed.finish(job, again=again)

    def count_retry(self, error: FetchError, tries: int, wait_s: float) -> None:
        """Count a request that is made again."""
        self.tally.retries += 1
        log.warning("try %s failed, again in %.1f s: %s", tries, wait_s, error.message)

    def _count_recorded(self, stored: Sequence[Stored], failed: Sequence[Failed]) -> None:
        self.tally.stored += len(stored)
        self.tally.stored_bytes += sum(each.content.size_bytes for each in stored)
        self.tally.failed += len(failed)

    async def finish(self) -> RunReport:
        """Sweep what no asset claims, and report on the fetching; a listing adds what it saw."""
        self.tally.phase = "finishing"
        await sweep_drafts(self.archive, self.manifest)
        missing = await self.manifest.missing()
        return RunReport(
            run_id=self._run_id,
            started_at=self._started_at,
            ended_at=datetime.now(UTC),
            stored=self.tally.stored,
            stored_bytes=self.tally.stored_bytes,
            adopted=self._adopted,
            gone=self.committer.gone,
            already_gone=await self.manifest.gone_count() - self.committer.gone,
            missing=missing.count,
            failures=missing.groups,
            retries=self.tally.retries,
            api_calls=self.transport.api_calls,
            closed_hosts=tuple(self._hosts.closed_hosts()),
            is_stopped=self.stop.is_set(),
        )

    async def end(self, report: RunReport, *, exit_code: int | None) -> None:
        """Write down how the run ended."""
        await self.manifest.end_run(
            exit_code=exit_code,
            new_photos=report.new_photos,
            stored=report.stored,
            stored_bytes=report.stored_bytes,
            failed=self.tally.failed,
        )
