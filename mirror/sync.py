"""One run: opens the rooms, joins them, closes them."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime

from mirror.archive import LocalArchive
from mirror.commit import Committer
from mirror.config import Config
from mirror.download import Downloads
from mirror.errors import AccessError, FetchError, MirrorError
from mirror.feed import Feed
from mirror.leftovers import adopt_drafts, sweep_drafts, want_vanished
from mirror.manifest import Manifest
from mirror.model import Failed, Fetched, Job, PassReport, Postponed, RunReport, Stored
from mirror.opening import leave_snapshot, open_manifest, open_source, open_transport, retry_policy
from mirror.passes import Passes
from mirror.pipeline import GroupLimits, run
from mirror.records import variants_of
from mirror.tally import Tally
from mirror.targets import Targets, Wish, resolve
from mirror.transport import Transport

log = logging.getLogger(__name__)

_RACE_DAYS_AT_ONCE = 2


async def run_sync(
    config: Config,
    *,
    races: Sequence[str] = (),
    is_full: bool = False,
    stop: asyncio.Event | None = None,
    tally: Tally | None = None,
) -> RunReport:
    """Bring the archive up to date with the source: list, fetch what is wanted, record.

    Args:
        races: Only these of the configured races, by id or URL; empty means all.
        is_full: Read every listing from end to end, due or not.
        stop: When set, the run ends early and cleanly: what is finished is recorded.
        tally: Counts that a watcher may read while the run is on.
    Returns:
        What was done and what is left undone; a listing that failed is in there, not raised.
    Raises:
        ConfigError: The configuration names no race, or not those asked for.
        AccessError: The API refuses this caller altogether; what was planned before stays planned.
        ArchiveError: The archive takes no more.
        ManifestError: The archive is in use, foreign, damaged or of a newer version.
    """
    wishes = wishes_of(config, races)
    tally = tally if tally is not None else Tally()
    tally.started_at = time.monotonic()
    async with contextlib.AsyncExitStack() as rooms:
        archive = await LocalArchive.open(config.archive.root, create=True, min_free_bytes=config.archive.min_free)
        rooms.push_async_callback(archive.aclose)
        manifest = await open_manifest(config, archive)
        rooms.push_async_callback(manifest.aclose)

        def count_bytes(size: int) -> None:
            tally.fetched_bytes += size

        transport = open_transport(config, on_bytes=count_bytes)
        rooms.push_async_callback(transport.aclose)
        this = _Run(config, archive, manifest, transport, tally, is_full=is_full, stop=stop or asyncio.Event())
        try:
            return await this.to_its_end(wishes)
        except BaseExceptionGroup as group:
            raise _first_cause(group) from group


def wishes_of(config: Config, only: Sequence[str] = ()) -> list[Wish]:
    """Say what the configuration asks for, race by race.

    Raises:
        ConfigError: No race is configured, or one asked for is not.
    """
    return [
        Wish(
            race=race.race,
            days=race.days,
            variants=race.variants or config.download.variants,
            participant_uploads=race.participant_uploads,
            albums=race.albums,
        )
        for race in config.chosen_races(only)
    ]


def _first_cause(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The failure that ended the run: ours before any other, since the rest follows from it."""
    causes = [_first_cause(each) if isinstance(each, BaseExceptionGroup) else each for each in group.exceptions]
    return next((each for each in causes if isinstance(each, MirrorError)), causes[0])


class _Run:
    """The joints of one run; every decision is made elsewhere."""

    def __init__(
        self, config: Config, archive: LocalArchive, manifest: Manifest, transport: Transport, tally: Tally,
        *, is_full: bool, stop: asyncio.Event,
    ) -> None:  # fmt: skip
        self.config = config
        self.archive = archive
        self.manifest = manifest
        self.transport = transport
        self.tally = tally
        self.stop = stop
        """Set by the caller, or by this run when the API refuses the caller altogether."""
        self.answered = asyncio.Event()
        self.is_refused: AccessError | None = None
        self.source = open_source(config, transport, on_retry=self.count_retry, on_answer=self.answered.set)
        self.feed = Feed(find_hosts=manifest.hosts, find_jobs=manifest.wanted, hosts=transport)
        self.passes = Passes(
            source=self.source,
            manifest=manifest,
            tally=tally,
            page_size=config.api.page_size,
            most_pages=config.listing.most_pages,
            overlap_s=config.listing.overlap,
            full_every_s=config.listing.full_every,
            is_full=is_full,
            on_wanted=self.feed.wake,
            before_full=self.find_vanished,
        )
        self.committer = Committer(archive=archive, manifest=manifest, on_recorded=self.count_recorded)
        self.downloads = Downloads(
            transport=transport, archive=archive, retry=retry_policy(config), on_retry=self.count_retry
        )
        self.vanished: int | None = None

    async def to_its_end(self, wishes: Sequence[Wish]) -> RunReport:
        started_at = datetime.now(UTC)
        run_id = await self.manifest.begin_run("sync")
        adopted = await self.committer.settle()
        targets = await self.choose(wishes)
        await self.manifest.select(targets.selected, variants_of=variants_of)
        adopted += await adopt_drafts(self.archive, self.manifest, self.committer, into=self.downloads.kept)
        self.tally.wanted = await self.manifest.count_wanted()
        async with asyncio.TaskGroup() as tasks:
            listing = tasks.create_task(self.list_all(targets))
            fetching = tasks.create_task(self.fetch_all())
            stopping = tasks.create_task(self.stop_listing(listing))
            fetching.add_done_callback(lambda _: stopping.cancel())
        self.tally.phase = "finishing"
        await sweep_drafts(self.archive, self.manifest)
        report = await self.report(run_id, started_at, targets, adopted)
        await self.manifest.end_run(
            exit_code=None if self.is_refused else report.exit_code,
            new_photos=report.new_photos,
            stored=report.stored,
            stored_bytes=report.stored_bytes,
            failed=self.tally.failed,
        )
        await leave_snapshot(self.config, self.archive, self.manifest)
        if self.is_refused is not None:
            raise self.is_refused
        return report

    # -- listing ------------------------------------------------------------------------------------------------

    async def choose(self, wishes: Sequence[Wish]) -> Targets:
        """Which race days and assets today's configuration means; none if the API refuses the caller."""
        self.tally.phase = "asking for races"
        try:
            return await resolve(
                wishes, source=self.source, manifest=self.manifest, fresh_s=self.config.listing.race_every
            )
        except AccessError as error:
            self.refuse(error)
            return Targets()

    def refuse(self, error: AccessError) -> None:
        """End the run and what it fetches: the API refuses the caller, not one race."""
        self.is_refused = error
        self.stop.set()

    async def list_all(self, targets: Targets) -> None:
        """Read every race day's listing, a few at a time."""
        self.tally.phase = "listing"
        waiting = iter(targets.targets)

        async def lister() -> None:
            for target in waiting:
                refusal = await self.passes.read(target)
                if refusal is not None:
                    self.refuse(refusal)

        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(_RACE_DAYS_AT_ONCE):
                    tasks.create_task(lister())
        finally:
            self.tally.is_listing_done = True
            self.tally.phase = "fetching"
            self.answered.set()
            self.feed.end_listing()

    async def stop_listing(self, listing: asyncio.Task[None]) -> None:
        await self.stop.wait()
        self.feed.stop()
        listing.cancel()

    async def find_vanished(self) -> None:
        """Want again what the archive holds no more; once in a run, before its first full pass."""
        if self.vanished is None:
            self.vanished = 0
            self.vanished = await want_vanished(self.archive, self.manifest)
            self.tally.wanted += self.vanished
            self.feed.wake()

    # -- fetching -----------------------------------------------------------------------------------------------

    async def fetch_all(self) -> None:
        settings = self.config.download
        await run(
            self.jobs(),
            self.download,
            self.committer.commit,
            # More workers than places: those that pause before a retry hold no place at a host.
            workers=2 * self.transport.most_requests,
            limits=GroupLimits(outcomes=settings.group_drafts, bytes=settings.group_bytes, wait_s=settings.group_wait),
            stop=self.stop,
        )

    async def jobs(self) -> AsyncGenerator[Job, None]:
        """Jobs from the first good answer of the API on: a refused key fetches nothing."""
        await self.answered.wait()
        async with contextlib.aclosing(self.feed.jobs()) as jobs:
            async for job in jobs:
                yield job

    async def download(self, job: Job) -> Fetched | Failed | None:
        again: Job | None = None
        self.tally.in_flight += 1
        try:
            outcome = await self.downloads.download_asset(job)
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

    # -- counting -----------------------------------------------------------------------------------------------

    def count_retry(self, error: FetchError, tries: int, wait_s: float) -> None:
        self.tally.retries += 1
        log.warning("try %s failed, again in %.1f s: %s", tries, wait_s, error.message)

    def count_recorded(self, stored: Sequence[Stored], failed: Sequence[Failed]) -> None:
        self.tally.stored += len(stored)
        self.tally.stored_bytes += sum(each.content.size_bytes for each in stored)
        self.tally.failed += len(failed)

    async def report(self, run_id: int, started_at: datetime, targets: Targets, adopted: int) -> RunReport:
        missing = await self.manifest.missing()
        refused = tuple(
            PassReport(race_id=race_id, race_day_id=0, kind="full", is_complete=False, reason=str(error))
            for race_id, error in targets.refusals
        )
        return RunReport(
            run_id=run_id,
            started_at=started_at,
            ended_at=datetime.now(UTC),
            passes=(*refused, *self.passes.reports),
            stored=self.tally.stored,
            stored_bytes=self.tally.stored_bytes,
            adopted=adopted,
            vanished=self.vanished or 0,
            gone=self.committer.gone,
            already_gone=await self.manifest.gone_count() - self.committer.gone,
            missing=missing.count,
            failures=missing.groups,
            rejects=await self.manifest.rejects_of_run(),
            bib_changes=tuple(self.passes.bib_changes),
            bibs_changed=self.passes.bibs_changed,
            retries=self.tally.retries,
            api_calls=self.transport.api_calls,
            closed_hosts=tuple(self.transport.closed_hosts()),
            is_stopped=self.stop.is_set() and self.is_refused is None,
        )
