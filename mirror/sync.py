"""One run: opens the rooms, joins them, closes them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from mirror.cluster import ClusterWish
from mirror.config import Config
from mirror.errors import AccessError
from mirror.fetching import Fetching
from mirror.leftovers import want_vanished
from mirror.manifest import Manifest
from mirror.model import PassReport, RunReport
from mirror.opening import open_source, retry_policy
from mirror.passes import Passes
from mirror.recheck import Rechecked, recheck
from mirror.records import variants_of
from mirror.running import opened_run
from mirror.tally import Tally
from mirror.targets import Targets, Wish, resolve
from mirror.transport import ApiGate

_RACE_DAYS_AT_ONCE = 2

Choose = Callable[[Manifest], Awaitable[Sequence[int]]]
"""Names assets by their ids, once the manifest is open for writing and the run has begun."""


async def run_sync(
    config: Config,
    *,
    races: Sequence[str] = (),
    is_full: bool = False,
    is_recheck: bool = False,
    is_loss_believed: bool = False,
    stop: asyncio.Event | None = None,
    tally: Tally | None = None,
    api_gate: ApiGate | None = None,
    cluster: ClusterWish | None = None,
) -> RunReport:
    """Bring the archive up to date with the source: list, fetch what is wanted, record.

    Args:
        races: Only these of the configured races, by id or URL; empty means all.
        is_full: Read every listing from end to end, due or not.
        is_recheck: Ask about every stored asset whether the source still has the same bytes, and fetch those that
            changed: pictures are rendered anew under the same URL.
        is_loss_believed: Mark photos that are no longer listed, however many: someone has looked.
        stop: When set, the run ends early and cleanly: what is finished is recorded.
        tally: Counts that a watcher may read while the run is on.
        api_gate: Entered for each API call, where two at once would be too many: other machines call too.
        cluster: Who is to fetch, if not this process.
    Returns:
        What was done and what is left undone; a listing that failed is in there, not raised.
    Raises:
        ConfigError: The configuration names no race, or not those asked for.
        AccessError: The API refuses this caller altogether; what was planned before stays planned.
        ArchiveError: The archive takes no more.
        ManifestError: The archive is in use, foreign, damaged or of a newer version.
    """
    wishes = wishes_of(config, races)
    async with opened_run(
        config, stop, tally, create=True, cluster=cluster, is_recheck=is_recheck, api_gate=api_gate
    ) as fetching:
        run = _Sync(config, fetching, is_full=is_full, is_recheck=is_recheck, is_loss_believed=is_loss_believed)
        return await run.to_its_end(wishes)


async def run_fetch(
    config: Config,
    *,
    command: str,
    choose: Choose,
    stop: asyncio.Event | None = None,
    tally: Tally | None = None,
    cluster: ClusterWish | None = None,
) -> RunReport:
    """Fetch chosen assets and nothing else, in the way of a sync but for the listing: the API is asked for nothing.

    Whatever today's configuration wants, the chosen ones are tried: set aside or not, and gone ones are wanted again.
    What is stored is left alone.

    Args:
        command: What the run is called in the manifest: retry, repair.
        choose: Names the assets; it may want stored ones again first (`Manifest.want_again`).
        stop: As for `run_sync`.
        tally: As for `run_sync`.
        cluster: As for `run_sync`.
    Returns:
        What became of the chosen ones: ``missing``, ``gone`` and ``exit_code`` speak of them alone.
    Raises:
        ArchiveError: There is no archive, or it takes no more.
        ManifestError: The archive is in use, foreign, damaged or of a newer version.
    """
    async with opened_run(config, stop, tally, create=False, cluster=cluster) as fetching:
        await fetching.begin(command)
        await fetching.manifest.choose(await choose(fetching.manifest))
        await fetching.adopt()
        fetching.end_listing()
        await fetching.fetch_all()
        report = await fetching.finish()
        await fetching.end(report, exit_code=report.exit_code)
        return report


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


class _Sync:
    """The joints of a run that lists; every decision is made elsewhere."""

    def __init__(
        self, config: Config, fetching: Fetching, *, is_full: bool, is_recheck: bool, is_loss_believed: bool
    ) -> None:
        self.config = config
        self.fetching = fetching
        self.archive = fetching.archive
        self.manifest = fetching.manifest
        self.tally = fetching.tally
        self.stop = fetching.stop
        """Set by the caller, or by this run when the API refuses the caller altogether."""
        self.is_refused: AccessError | None = None
        self.source = open_source(
            config, fetching.transport, on_retry=fetching.count_retry, on_answer=fetching.answered.set
        )
        self.feed = fetching.feed
        self.passes = Passes(
            source=self.source,
            manifest=self.manifest,
            tally=self.tally,
            page_size=config.api.page_size,
            most_pages=config.listing.most_pages,
            overlap_s=config.listing.overlap,
            full_every_s=config.listing.full_every,
            is_full=is_full,
            is_loss_believed=is_loss_believed,
            on_wanted=self.feed.wake,
            before_full=self.find_vanished,
        )
        self.vanished: int | None = None
        self.is_recheck = is_recheck
        self.rechecked = Rechecked()

    async def to_its_end(self, wishes: Sequence[Wish]) -> RunReport:
        await self.fetching.begin("sync")
        targets = await self.choose(wishes)
        await self.manifest.select(targets.selected, variants_of=variants_of)
        await self.fetching.adopt()
        await self.manifest.hold_refused()
        async with asyncio.TaskGroup() as tasks:
            listing = tasks.create_task(self.list_all(targets))
            fetching = tasks.create_task(self.fetching.fetch_all())
            stopping = tasks.create_task(self.stop_listing(listing))
            fetching.add_done_callback(lambda _: stopping.cancel())
        report = await self.report(targets)
        await self.fetching.end(report, exit_code=None if self.is_refused else report.exit_code)
        if self.is_refused is not None:
            raise self.is_refused
        return report

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
            await self.manifest.release_refused()
            if self.is_recheck and not self.stop.is_set():
                self.tally.phase = "rechecking"
                await self.recheck()
        finally:
            self.fetching.end_listing()

    async def recheck(self) -> None:
        """Ask about what is stored, while pictures are being fetched."""

        async def want_again(asset_ids: Sequence[int], why: str) -> None:
            self.tally.wanted += await self.manifest.want_again(asset_ids, why, is_lost=False)
            self.feed.wake()

        await recheck(
            self.manifest,
            self.fetching.transport,
            want_again,
            retry=retry_policy(self.config),
            at_once=2 * self.fetching.transport.most_requests,
            into=self.rechecked,
        )

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

    async def report(self, targets: Targets) -> RunReport:
        refused = tuple(
            PassReport(race_id=race_id, race_day_id=0, kind="full", is_complete=False, reason=str(error))
            for race_id, error in targets.refusals
        )
        return replace(
            await self.fetching.finish(),
            passes=(*refused, *self.passes.reports),
            vanished=self.vanished or 0,
            rechecked=self.rechecked.asked,
            changed=self.rechecked.changed,
            unchecked=self.rechecked.failed,
            unchecked_example=self.rechecked.example,
            rejects=await self.manifest.rejects_of_run(),
            bib_changes=tuple(self.passes.bib_changes),
            bibs_changed=self.passes.bibs_changed,
            is_stopped=self.stop.is_set() and self.is_refused is None,
        )
