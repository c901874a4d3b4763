"""The passes of a run: which kind each race day needs, page by page into the manifest, and what they saw."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from mirror.errors import AccessError
from mirror.listing import Listing, Memory, Reading, full_reason
from mirror.manifest import Manifest
from mirror.model import Album, BibChange, Page, PassKind, PassReport, Scope
from mirror.source import Source
from mirror.tally import Tally
from mirror.targets import Target

log = logging.getLogger(__name__)

_MOST_BIB_CHANGES = 100


@dataclass(slots=True, kw_only=True)
class Passes:
    """Reads race days one by one and keeps their reports.

    Args:
        on_wanted: Told when a page brought wanted assets.
        before_full: Awaited before a full pass begins.
    """

    source: Source
    manifest: Manifest
    tally: Tally
    page_size: int
    most_pages: int
    overlap_s: float
    full_every_s: float | Literal["auto"]
    is_full: bool
    is_loss_believed: bool = False
    on_wanted: Callable[[], None]
    before_full: Callable[[], Awaitable[None]]
    reports: list[PassReport] = field(default_factory=list)
    bib_changes: list[BibChange] = field(default_factory=list)
    bibs_changed: int = 0

    async def read(self, target: Target) -> AccessError | None:
        """Read one race day's listing; returns the refusal if the API refuses the caller altogether."""
        memory = await self.manifest.pass_memory(target.race_id, target.race_day_id, target.scope)
        known = Memory(
            watermark_ts=memory.watermark_ts,
            albums=memory.albums,
            last_full_at=memory.last_full_started_at,
            newest_uploaded_ts=memory.newest_uploaded_ts,
            full_wanted=memory.full_wanted,
        )
        why = full_reason(known, now=datetime.now(UTC), full_every_s=self.full_every_s, is_forced=self.is_full)
        kind: PassKind = "full" if why else "since"
        if kind == "full":
            await self.before_full()
        log.info("race %s day %s: %s pass%s", target.race_id, target.race_day_id, kind, f" ({why})" if why else "")
        return await _Pass(self, target, kind).read(known)


class _Pass:
    """One pass on its way into the manifest."""

    def __init__(self, passes: Passes, target: Target, kind: PassKind) -> None:
        self.passes = passes
        self.target = target
        self.kind = kind
        self.pass_id = 0
        self.new_photos = 0
        self.changed_photos = 0
        self.warnings: list[str] = []
        self.listed = 0
        """Records so far; walks show a photo again and again."""

    async def read(self, memory: Memory) -> AccessError | None:
        target, passes = self.target, self.passes
        since_ts = None if self.kind == "full" else memory.watermark_ts
        self.pass_id = await passes.manifest.begin_pass(
            target.race_id, target.race_day_id, target.scope, self.kind, since_ts
        )
        reading = await Listing(
            source=self,
            plan=self.plan,
            race_id=target.race_id,
            race_day_id=target.race_day_id,
            scope=target.scope,
            page_size=passes.page_size,
            most_pages=passes.most_pages,
            overlap_s=passes.overlap_s,
            on_expected=self.expect,
        ).read(self.kind, memory)
        await self.end(reading)
        return reading.ends_run

    async def end(self, reading: Reading) -> None:
        target = self.target
        self.passes.tally.photos_listed += reading.photos - self.listed
        unlisted = await self.passes.manifest.end_pass(
            self.pass_id,
            is_complete=reading.is_complete,
            reason=reading.reason,
            watermark_ts=reading.watermark_ts,
            albums=reading.albums,
            photos=reading.photos,
            is_loss_believed=self.passes.is_loss_believed,
        )
        if unlisted.withheld:
            self.warnings.append(
                f"{unlisted.withheld} photos are no longer listed, too many to believe: none was marked "
                "('mirror sync --full --believe-loss' marks them)"
            )
        for warning in (*self.warnings, *reading.warnings):
            log.warning("race %s day %s: %s", target.race_id, target.race_day_id, warning)
        if not reading.is_complete:
            log.error("race %s day %s: listing incomplete: %s", target.race_id, target.race_day_id, reading.reason)
        self.passes.reports.append(
            PassReport(
                race_id=target.race_id,
                race_day_id=target.race_day_id,
                kind=self.kind,
                is_complete=reading.is_complete,
                reason=reading.reason,
                photos=reading.photos,
                pages=reading.pages,
                new_photos=self.new_photos,
                changed_photos=self.changed_photos,
                unlisted=unlisted.unlisted,
                warnings=(*self.warnings, *reading.warnings),
            )
        )

    # -- what the listing asks of us ----------------------------------------------------------------------------

    async def photos(
        self, race_id: int, race_day_id: int, number: int, *, scope: Scope, album_id: str | None, since_ts: int | None
    ) -> Page:
        return await self.passes.source.photos(
            race_id, race_day_id, number, scope=scope, album_id=album_id, since_ts=since_ts
        )

    async def albums(self, race_id: int, race_day_id: int) -> tuple[Album, ...]:
        """Ask for the albums, and note their names on the way."""
        albums = await self.passes.source.albums(race_id, race_day_id)
        await self.passes.manifest.note_albums(race_id, race_day_id, albums)
        return albums

    async def plan(self, page: Page) -> int:
        """Write a page into the manifest; returns how many of its photos were new to it."""
        planned = await self.passes.manifest.plan(self.pass_id, page)
        tally = self.passes.tally
        tally.pages += 1
        tally.photos_listed += len(page.photos)
        self.listed += len(page.photos)
        tally.new_photos += planned.new_photos
        tally.wanted += planned.newly_wanted
        self.new_photos += planned.new_photos
        self.changed_photos += planned.changed_photos
        self.warnings += [each for each in planned.warnings if each not in self.warnings]
        self.passes.bibs_changed += len(planned.bib_changes)
        room = _MOST_BIB_CHANGES - len(self.passes.bib_changes)
        self.passes.bib_changes += planned.bib_changes[:room]
        if planned.newly_wanted:
            self.passes.on_wanted()
        return planned.new_photos

    def expect(self, photos: int) -> None:
        """Note how many photos the albums promise."""
        tally = self.passes.tally
        tally.photos_expected = (tally.photos_expected or 0) + photos
