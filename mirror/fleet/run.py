"""One pass of one machine over all races: claim a race, bring its manifest, sync it, put the manifest back, let go."""

import asyncio
import contextlib
import logging
import os
import platform
import random
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mirror.archive.objects import open_bucket
from mirror.config import Config, RaceSettings
from mirror.errors import ConfigError, ManifestError
from mirror.fleet.claims import Claims, Look
from mirror.fleet.gate import slots_of
from mirror.fleet.manifests import bring_manifest
from mirror.fleet.objects import BucketObjects
from mirror.fleet.races import FleetRace, find_races
from mirror.fleet.report import FleetReport, RaceOutcome, What
from mirror.leases import Done, Standing
from mirror.model import RunReport
from mirror.source import cleaned
from mirror.sync import run_sync
from mirror.tally import Tally

if TYPE_CHECKING:
    from mirror.archive.objects.bucket import Bucket

log = logging.getLogger(__name__)

_NEEDS_BUCKET = (
    "--fleet needs a bucket: archive.root is a folder, where no machine can safely claim a race before another; "
    "set it to an address such as s3://bucket/photos"
)
_TRIES = 4
"""A store that is away is waited for during such a part of a lease: renewals have their own patience, to its end."""

Show = Callable[[str, Tally], AbstractContextManager[object]]
"""Shows a race's run while it is on: its name, its counts."""
Note = Callable[[RaceOutcome], None]
"""Told of each race as soon as it is known what becomes of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """How every race is synced; see `mirror.sync.run_sync`."""

    is_full: bool = False
    is_recheck: bool = False
    is_loss_believed: bool = False


async def run_fleet(
    config: Config,
    *,
    races: Sequence[str] = (),
    ways: Ways = Ways(),
    stop: asyncio.Event | None = None,
    show: Show = lambda *_: contextlib.nullcontext(),
    on_outcome: Note = lambda _: None,
) -> FleetReport:
    """Do what is to be done of all races, beside other machines that do the same with the same bucket.

    Args:
        races: Only these of the configured races.
        stop: When set, the run under way ends cleanly, its lease is let go, and no other begins.
        show: Enters what it returns around each race's run.
        on_outcome: Told of each race as soon as it is known what becomes of it.
    Raises:
        ConfigError: The archive lies in no bucket, or in one that cannot keep two machines apart; or no such race.
        AccessError: The API refuses this caller altogether.
        ArchiveError: The store or this machine's disk takes no more.
    """
    chosen = config.chosen_races(races)
    if config.archive.root.is_local:
        raise ConfigError(_NEEDS_BUCKET)
    async with _opened(config, ways, stop or asyncio.Event(), show) as fleet:
        outcomes = await fleet.to_its_end(chosen, on_outcome)
        return FleetReport(machine=fleet.claims.holder, outcomes=tuple(outcomes), is_stopped=fleet.stop.is_set())


@contextlib.asynccontextmanager
async def _opened(config: Config, ways: Ways, stop: asyncio.Event, show: Show) -> "AsyncGenerator[_Fleet, None]":
    settings = config.fleet
    patience_s = settings.lease / _TRIES
    bucket = open_bucket(config.archive.root, patience_s=patience_s, stall_s=patience_s)
    objects = BucketObjects(bucket)
    claims = Claims(
        objects, holder=f"{platform.node() or 'unnamed'}:{os.getpid()}", good_for_s=settings.lease,
        beat_s=settings.heartbeat,
    )  # fmt: skip
    claims.observer.note_store_time(await objects.probe(), claims.now())
    fleet = _Fleet(config=config, bucket=bucket, claims=claims, ways=ways, stop=stop, show=show)
    try:
        yield fleet
    finally:
        await fleet.slots.aclose()


class _Fleet:
    """This machine among others."""

    def __init__(
        self, *, config: Config, bucket: "Bucket", claims: Claims, ways: Ways, stop: asyncio.Event, show: Show
    ) -> None:
        self.config = config
        self.bucket = bucket
        self.claims = claims
        self.ways = ways
        self.stop = stop
        self.show = show
        self.tally = Tally()
        self.slots = slots_of(claims, on_wait=self._note_waiting)
        self.began_at_s = claims.now()

    def _note_waiting(self, holders: str) -> None:
        self.tally.waiting_for = f"its turn at the API ({cleaned(holders)})" if holders else ""

    # -- all races --------------------------------------------------------------------------------------------------

    async def to_its_end(self, chosen: Sequence[RaceSettings], on_outcome: Note) -> list[RaceOutcome]:
        """Go through all races; what others have in hand is looked at again at the end."""
        outcomes: list[RaceOutcome] = []

        def note(outcome: RaceOutcome) -> None:
            outcomes.append(outcome)
            on_outcome(outcome)

        races, refusals = await find_races(self.config, chosen, api_gate=self.slots)
        for ref, error in refusals:
            note(RaceOutcome(race=ref, what=What.FAILED, error=error))
        # Machines that start together start at different places, so that they do not follow each other.
        first = random.randrange(len(races)) if races else 0  # noqa: S311 - any place will do
        held = await self._pass(races[first:] + races[:first], note)
        while held and not self.stop.is_set():
            if self.config.fleet.wait:
                await self._pause()
            held, before = await self._pass([race for race, _ in held], note), held
            if not self.config.fleet.wait and len(held) == len(before):
                break
        for race, look in held:
            by = look.lease.holder if look.lease is not None else ""
            note(RaceOutcome(race=race.name, what=What.HELD, by=by))
        return outcomes

    async def _pause(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.config.fleet.heartbeat):
                await self.stop.wait()

    async def _pass(
        self, races: Sequence[FleetRace], note: Callable[[RaceOutcome], None]
    ) -> list[tuple[FleetRace, Look]]:
        """Do what is free; returns what others have in hand."""
        held = []
        for race in races:
            if self.stop.is_set():
                break
            look = await self.claims.look(race.lease)
            if look.standing is Standing.HELD:
                held.append((race, look))
            elif (outcome := self._is_fresh(race, look) or await self._claim(race, look)) is not None:
                note(outcome)
            else:
                held.append((race, look))
        return held

    # -- one race ---------------------------------------------------------------------------------------------------

    def _is_fresh(self, race: FleetRace, look: Look) -> RaceOutcome | None:
        """What became of a race that somebody else has just done."""
        if look.lease is None or look.lease.done is None or look.standing is not Standing.FREE:
            return None
        now_s = self.claims.now()
        since_start_s = now_s - self.began_at_s
        # Who asks for a full pass means one, and not what ended before he asked.
        within_s = since_start_s if self.ways != Ways() else max(since_start_s, self.config.fleet.again_after)
        done = look.lease.done
        if not self.claims.observer.is_fresh(done, modified_ts=look.modified_ts, within_s=within_s, now_s=now_s):
            return None
        return RaceOutcome(race=race.name, what=What.FRESH, by=done.by, exit_code=done.exit_code)

    async def _claim(self, race: FleetRace, look: Look) -> RaceOutcome | None:
        """Work on a race that is free or was abandoned; None when somebody else was quicker."""
        working: asyncio.Task[RunReport] | None = None

        def stop_at_once() -> None:
            if working is not None:
                working.cancel()

        claim = await self.claims.claim(look, on_lost=stop_at_once)
        if claim is None:
            return None
        is_stale = look.standing is Standing.STALE
        found = RaceOutcome(
            race=race.name, what=What.DONE,
            taken_from=look.lease.holder if is_stale and look.lease is not None else "",
        )  # fmt: skip
        done: Done | None = None
        try:
            working = asyncio.create_task(self._work(race, is_taken_over=is_stale))
            report = await _result(working)
            if report is None:
                return replace(found, what=What.LOST)
            if report.is_stopped:
                return replace(found, what=What.STOPPED, report=report)
            done = Done(by=self.claims.holder, exit_code=report.exit_code)
            return replace(found, exit_code=report.exit_code, report=report)
        except ManifestError as error:
            # Of this race alone: every race is an archive of its own.
            return replace(found, what=What.FAILED, error=error)
        finally:
            await claim.release(done)

    async def _work(self, race: FleetRace, *, is_taken_over: bool) -> RunReport:
        config = race.config(self.config)
        self.tally = Tally(phase="fetching the manifest")
        with self.show(race.name, self.tally):
            await bring_manifest(config, is_taken_over=is_taken_over)
            return await run_sync(
                config,
                is_full=self.ways.is_full,
                is_recheck=self.ways.is_recheck,
                is_loss_believed=self.ways.is_loss_believed,
                stop=self.stop,
                tally=self.tally,
                api_gate=self.slots,
            )


async def _result(working: asyncio.Task[RunReport]) -> RunReport | None:
    """Wait for a race's run; None when it was ended because its lease was lost, and not we with it."""
    try:
        return await working
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            raise
        return None
