"""One pass: reading a race day's listing until everything was seen, or saying that it was not.

The list grows and shrinks while it is read, has no total and no order; every rule here was argued from a sequence
that loses a photo without it.
"""

import asyncio
import json
import logging
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal, Protocol

from mirror.errors import AccessError
from mirror.model import Album, Page, PassKind, Scope
from mirror.photo_ids import PhotoIds

log = logging.getLogger(__name__)

_ABSURD_TS = 10**11
"""Later than the year 5000 in seconds: a stamp in milliseconds."""
_MOST_WALKS = 3
_BARREN_PAGES = 2
_PAGES_AHEAD = 2
_DAY = timedelta(days=1)
_MONTH = timedelta(days=30)
_STRETCH = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What earlier complete passes of the same scope left behind."""

    watermark_ts: int | None = None
    albums: str | None = None
    """The albums as read before the last walk of the last complete pass."""
    last_full_at: datetime | None = None
    newest_uploaded_ts: int | None = None
    full_wanted: str | None = None
    """Why the next pass must be full, if it must."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one pass saw."""

    is_complete: bool
    reason: str = ""
    photos: int = 0
    pages: int = 0
    watermark_ts: int | None = None
    albums: str | None = None
    warnings: tuple[str, ...] = ()
    ends_run: AccessError | None = None


class PageSource(Protocol):
    """The two calls that a pass needs; `mirror.source.Source` is one."""

    async def photos(
        self, race_id: int, race_day_id: int, number: int, *, scope: Scope, album_id: str | None, since_ts: int | None
    ) -> Page:
        """Ask for one page."""
        ...

    async def albums(self, race_id: int, race_day_id: int) -> tuple[Album, ...]:
        """Ask for the albums."""
        ...


PlanPage = Callable[[Page], Awaitable[int]]
"""Writes a page into the manifest and says how many of its photos the manifest did not know."""


def full_reason(memory: Memory, *, now: datetime, full_every_s: float | Literal["auto"], is_forced: bool) -> str | None:
    """Say why the next pass must read everything; None if a since pass will do.

    ``auto`` is daily for two weeks after the newest upload, then ever more rarely, down to monthly.
    """
    if is_forced:
        return "asked for"
    if memory.full_wanted:
        return memory.full_wanted
    if memory.last_full_at is None or memory.watermark_ts is None:
        return "first complete listing of this scope"
    if memory.last_full_at > now:
        return "the last one lies in the future"
    if full_every_s == "auto":
        newest = datetime.fromtimestamp(min(memory.newest_uploaded_ts or 0, _ABSURD_TS), UTC)
        every = min(max((now - newest) / _STRETCH, _DAY), _MONTH)
    else:
        every = timedelta(seconds=full_every_s)
    return "due" if now - memory.last_full_at >= every else None


def albums_text(albums: Sequence[Album]) -> str:
    """Write ids, counts and stamps down for a later comparison."""
    return json.dumps([[album.album_id, album.num_photos, album.last_modified_ts] for album in albums])


@dataclass(slots=True, kw_only=True)
class Listing:
    """One pass over one race day in one scope.

    Args:
        plan: Called with each page, in order, one at a time.
        most_pages: A walk longer than this is no listing; the pass is incomplete.
    """

    source: PageSource
    plan: PlanPage
    race_id: int
    race_day_id: int
    scope: Scope
    page_size: int = 100
    most_pages: int = 100_000
    overlap_s: float = 86_400.0
    on_expected: Callable[[int], None] = lambda _: None
    _seen: PhotoIds = field(default_factory=PhotoIds)
    _fresh: PhotoIds = field(default_factory=PhotoIds)
    """Those of them that were there when the pass began: later stamps do not count as new."""
    _pages: int = 0
    _first_served_ts: int | None = None
    _highest_ts: int | None = None
    _warnings: list[str] = field(default_factory=list)

    async def read(self, kind: PassKind, memory: Memory) -> Reading:
        """Read the listing; never raises for a source that refuses or fails, but says so in the result."""
        try:
            albums = await (self._read_full() if kind == "full" else self._read_since(memory))
        except AccessError as error:
            return self._reading(reason=str(error), ends_run=error if error.ends_run else None)
        return self._reading(is_complete=True, albums=albums_text(albums) if albums is not None else None)

    def _reading(
        self, *, is_complete: bool = False, reason: str = "", albums: str | None = None,
        ends_run: AccessError | None = None,
    ) -> Reading:  # fmt: skip
        return Reading(
            is_complete=is_complete,
            reason=reason,
            photos=self._seen.count,
            pages=self._pages,
            watermark_ts=self._highest_ts if is_complete else None,
            albums=albums,
            warnings=tuple(self._warnings),
            ends_run=ends_run,
        )

    # -- the two kinds -------------------------------------------------------------------------------------------

    async def _read_full(self) -> tuple[Album, ...] | None:
        before = await self._albums()
        expected = self._expected(before)
        if expected is not None:
            self.on_expected(expected)
        await self._walk(since_ts=None, expected=expected)
        after = await self._albums()
        counted = self._expected(after)
        if self._is_settled(before, after) and self._seen.count >= (counted or 0):
            return before
        last = await self._walk_until_nothing_new(after, since_ts=None, expected=expected)
        if counted is not None and self._seen.count != counted:
            self._warn(f"the albums count {counted} photos, the listing shows {self._seen.count}")
        return last

    async def _read_since(self, memory: Memory) -> tuple[Album, ...] | None:
        before = await self._albums()
        if before is not None and albums_text(before) == memory.albums:
            page = await self._page(1, None, memory.watermark_ts) if not self.scope.albums else None
            if page is not None and await self._take(page, PhotoIds()) == 0:
                return before
        since_ts = None if memory.watermark_ts is None else max(0, memory.watermark_ts - int(self.overlap_s))
        if await self._walk(since_ts=since_ts, expected=None) <= 1:
            return before
        after = await self._albums()
        if self._is_settled(before, after):
            return before
        return await self._walk_until_nothing_new(after, since_ts=since_ts, expected=None)

    async def _walk_until_nothing_new(
        self, albums: tuple[Album, ...] | None, *, since_ts: int | None, expected: int | None
    ) -> tuple[Album, ...] | None:
        """Walk again until a walk brings nothing new; returns the albums as read before the last walk."""
        for again in range(1, _MOST_WALKS):
            if again > 1:
                albums = await self._albums()
            known = self._fresh.count
            await self._walk(since_ts=since_ts, expected=expected)
            if self._fresh.count == known:
                return albums
        raise AccessError(f"the listing did not come to rest: {_MOST_WALKS} walks each brought other photos")

    # -- albums --------------------------------------------------------------------------------------------------

    async def _albums(self) -> tuple[Album, ...] | None:
        """The albums; None, with a warning, if they cannot be had."""
        try:
            return await self.source.albums(self.race_id, self.race_day_id)
        except AccessError as error:
            if error.ends_run:
                raise
            self._warn(f"albums unknown: {error}")
            return None

    def _in_scope(self, album: Album) -> bool:
        if self.scope.albums:
            return album.album_id in self.scope.albums
        return self.scope.participant_uploads or not album.album_id.startswith("reg-")

    def _expected(self, albums: Sequence[Album] | None) -> int | None:
        """How many photos the albums of the scope count; None if that is unknown."""
        if albums is None:
            return None
        return sum(album.num_photos or 0 for album in albums if self._in_scope(album))

    def _is_settled(self, before: Sequence[Album] | None, after: Sequence[Album] | None) -> bool:
        """Whether the albums prove that nothing moved while the listing was read."""
        if before is None or after is None or albums_text(before) != albums_text(after):
            return False
        return all(album.last_modified_ts for album in after if album.num_photos and self._in_scope(album))

    # -- walks ---------------------------------------------------------------------------------------------------

    async def _walk(self, *, since_ts: int | None, expected: int | None) -> int:
        """Read from page 1 to the end, album by album if the scope names any; returns how many pages had photos."""
        full_pages = 0
        for album_id in self.scope.albums or (None,):
            seen, barren = PhotoIds(), 0
            async with aclosing(self._ask_pages(album_id, since_ts, expected)) as pages:
                async for page in pages:
                    if page.rows == 0:
                        self._check_end(page, seen, expected)
                        break
                    before = seen.count
                    await self._take(page, seen)
                    full_pages += 1
                    barren = barren + 1 if seen.count == before else 0
                    if barren == _BARREN_PAGES:
                        break
        return full_pages

    def _check_end(self, page: Page, seen: PhotoIds, expected: int | None) -> None:
        """Refuse an end that may be a hiccup when the albums count more photos than the walk has seen."""
        if page.is_doubtful and expected is not None and seen.count < expected and not self.scope.albums:
            raise AccessError(f"an answer without photos after {seen.count} photos, while the albums count {expected}")

    async def _ask_pages(
        self, album_id: str | None, since_ts: int | None, expected: int | None
    ) -> AsyncGenerator[Page, None]:
        """Pages in order; the next are asked ahead, but never past what the albums count."""
        ahead: deque[asyncio.Task[Page]] = deque()
        rows = self.page_size
        try:
            for number in range(1, self.most_pages + 1):
                page = await (ahead.popleft() if ahead else self._page(number, album_id, since_ts))
                if number == 1 and page.rows:
                    if page.rows < min(self.page_size, expected or 0):
                        log.info("the source gives %s rows a page, %s were asked for", page.rows, self.page_size)
                    rows = page.rows
                while page.rows and expected is not None and len(ahead) < _PAGES_AHEAD:
                    following = number + len(ahead) + 1
                    if (following - 1) * rows >= expected:
                        break
                    ahead.append(asyncio.create_task(self._page(following, album_id, since_ts)))
                yield page
        finally:
            for task in ahead:
                task.cancel()
            await asyncio.gather(*ahead, return_exceptions=True)
        raise AccessError(f"no end of the listing after {self.most_pages} pages (listing.most_pages)")

    async def _page(self, number: int, album_id: str | None, since_ts: int | None) -> Page:
        return await self.source.photos(
            self.race_id, self.race_day_id, number, scope=self.scope, album_id=album_id, since_ts=since_ts
        )

    async def _take(self, page: Page, seen: PhotoIds) -> int:
        """Plan a page and count what it shows; returns how many photos the manifest did not know."""
        self._pages += 1
        if self._first_served_ts is None:
            self._first_served_ts = page.served_ts
        now_ts = self._first_served_ts if self._first_served_ts is not None else _ABSURD_TS
        for photo in page.photos:
            seen.add(photo.photo_id)
            self._seen.add(photo.photo_id)
            stamp = photo.uploaded_ts or 0
            if stamp <= now_ts:
                self._fresh.add(photo.photo_id)
                self._highest_ts = max(stamp, self._highest_ts or 0) or None
        return await self.plan(page)

    def _warn(self, text: str) -> None:
        if text not in self._warnings:
            self._warnings.append(text)
