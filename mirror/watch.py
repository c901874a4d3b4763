"""Race-day mode: looks for news again and again, fetches them, and tells of them; ends when it is told to.

Most polls ask for the albums alone, one call for each race day. When a stamp or a count has moved, and every few polls
anyway, since a corrected bib may move neither, a whole run follows.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from mirror.config import Config
from mirror.errors import AccessError, InUseError
from mirror.hooks import Hook
from mirror.listing import albums_text
from mirror.manifest import KeepingReader
from mirror.metrics import Metrics
from mirror.model import RunReport
from mirror.news import News, moved, next_wait_s
from mirror.opening import manifest_path, open_source, open_transport
from mirror.source import Source
from mirror.sync import run_sync, wishes_of
from mirror.tally import Tally

T = TypeVar("T")

_RUN_EVERY_POLLS = 5
_HOOKS_GRACE_S = 10.0


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """What a watch needs to know.

    Args:
        races: Only these of the configured races.
        every_s: Pause between polls while news are fresh.
        quiet_every_s: The longest pause when nothing comes.
        until: When to end; None means never.
        hooks: Told of news, one after the other.
        metrics: Measures each poll.
        tell: Receives a line when something happened that a person wants to know.
        on_news: Told of news before the hooks.
        showing: Shows a run while it is on.
        now: The local clock.
        pause: Waits so many seconds, or until the event is set.
    """

    races: Sequence[str] = ()
    every_s: float = 60.0
    quiet_every_s: float = 900.0
    until: datetime | None = None
    hooks: Sequence[Hook] = ()
    metrics: Metrics | None = None
    tell: Callable[[str], None] = lambda _: None
    on_news: Callable[[News], None] = lambda _: None
    showing: Callable[[Tally], AbstractContextManager[object]] = lambda _: nullcontext()
    now: Callable[[], datetime] = _now
    pause: "Callable[[float, asyncio.Event], Awaitable[None]]" = field(default_factory=lambda: pause)


async def pause(seconds: float, stop: asyncio.Event) -> None:
    """Wait, unless the event comes first."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


async def watch(config: Config, watching: Watching, *, stop: asyncio.Event) -> RunReport | None:
    """Look for news until told to stop; a network that is away, for hours too, only means to try again.

    The archive's lock is held while a run is on, and not in between.

    Args:
        stop: When set, what is on its way is finished, and the watch ends.
    Returns:
        The report of the last run; None if there was none.
    Raises:
        ConfigError: The configuration names no race, or not those asked for.
        AccessError: The API refuses this caller altogether.
        ArchiveError: The archive takes no more.
        ManifestError: Foreign, damaged or of a newer version; a busy archive is waited for.
    """
    wishes_of(config, watching.races)
    this = _Watch(config, watching, stop)
    while not stop.is_set() and not this.is_over():
        await this.poll()
        if not stop.is_set():
            await watching.pause(this.wait_s(), stop)
    return this.report


class _Watch:
    """A watch on its way."""

    def __init__(self, config: Config, watching: Watching, stop: asyncio.Event) -> None:
        self.config = config
        self.watching = watching
        self.stop = stop
        self.report: RunReport | None = None
        self.days: tuple[tuple[int, int], ...] = ()
        """Race days that a run has listed: race id and race day id."""
        self.stamps: dict[tuple[int, int], str] | None = None
        """Their albums as read before the last complete run."""
        self.is_behind = True
        """Whether the last run did not see everything."""
        self.quiet_polls = 0
        self.polls_since_run = 0
        self.away_since: datetime | None = None

    def is_over(self) -> bool:
        return self.watching.until is not None and self.watching.now() >= self.watching.until

    def wait_s(self) -> float:
        """How long to pause: by the news, and never past the end."""
        settings = self.watching
        seconds = next_wait_s(self.quiet_polls, every_s=settings.every_s, quiet_every_s=settings.quiet_every_s)
        if settings.until is not None:
            seconds = min(seconds, max(0.0, (settings.until - settings.now()).total_seconds()))
        return seconds

    async def poll(self) -> None:
        """Ask for the albums, and run if they moved or if it is time."""
        # A service that is away is not quiet: what came meanwhile is wanted soon after it is back.
        self.quiet_polls += self.away_since is None
        self.polls_since_run += 1
        stamps = await self.unless_stopped(self.ask_albums(), grace_s=0.0) if self.days else None
        if self.stop.is_set():
            return
        has_moved = stamps is not None and (self.is_behind or moved(self.stamps, stamps))
        if has_moved or not self.days or self.polls_since_run >= _RUN_EVERY_POLLS:
            self.polls_since_run = 0
            await self.run(stamps)
        if self.watching.metrics is not None:
            self.watching.metrics.note_answer(is_up=self.away_since is None)

    # -- asking -------------------------------------------------------------------------------------------------

    async def ask_albums(self) -> dict[tuple[int, int], str] | None:
        """Read the albums of every race day; None, and told once, if they cannot be had."""
        try:
            async with self.source() as source:
                found = {day: albums_text(await source.albums(*day)) for day in self.days}
        except AccessError as error:
            self.judge(error)
            self.note_trouble(str(error))
            return None
        self.note_answer()
        return found

    @contextlib.asynccontextmanager
    async def source(self) -> AsyncIterator[Source]:
        # Opened anew for each poll: the network may be another one by now.
        transport = open_transport(self.config)
        try:
            yield open_source(self.config, transport)
        finally:
            await transport.aclose()

    @staticmethod
    def judge(error: AccessError) -> None:
        """End the watch if the API itself refuses the caller; a login page of some network in between does not."""
        if error.ends_run and error.code is not None:
            raise error

    def note_trouble(self, what: str) -> None:
        if self.away_since is None:
            self.away_since = self.watching.now()
            self.watching.tell(f"trouble, trying again and again: {what}")

    def note_answer(self) -> None:
        if self.away_since is not None:
            minutes = (self.watching.now() - self.away_since).total_seconds() / 60
            self.away_since = None
            self.watching.tell(f"the service answers again, after {minutes:,.0f} min")

    # -- running ------------------------------------------------------------------------------------------------

    async def run(self, stamps: dict[tuple[int, int], str] | None) -> None:
        """Do one run, and tell of what it brought."""
        tally = Tally()
        try:
            with self.watching.showing(tally):
                report = await run_sync(self.config, races=self.watching.races, stop=self.stop, tally=tally)
        except InUseError as error:
            self.watching.tell(f"waiting: {error}")
            return
        except AccessError as error:
            self.judge(error)
            self.note_trouble(str(error))
            return
        self.report, self.is_behind = report, not report.is_listing_complete
        listed = tuple(dict.fromkeys((each.race_id, each.race_day_id) for each in report.passes if each.race_day_id))
        self.days = listed or self.days
        # As read before the run: what moved while it was on is seen by the next poll.
        self.stamps = stamps
        if not self.is_behind:
            self.note_answer()
        elif not report.is_stopped:
            self.note_trouble(next(each.reason for each in report.passes if not each.is_complete))
        await self.tell_news(report)

    async def tell_news(self, report: RunReport) -> None:
        with KeepingReader(manifest_path(self.config)) as reader:
            brought = reader.news_of_run(report.run_id)
            if self.watching.metrics is not None:
                self.watching.metrics.note_run(report, reader.status(), failed=reader.count_failed())
        news = News(archive=str(self.config.archive.root), at=report.ended_at, report=report, brought=brought)
        if not news.is_any:
            return
        self.quiet_polls = 0
        self.watching.on_news(news)
        await self.run_hooks(news)

    async def run_hooks(self, news: News) -> None:
        """Tell everybody, one after the other; a stop grants them a moment to end."""
        for hook in self.watching.hooks:
            await self.unless_stopped(hook(news), grace_s=_HOOKS_GRACE_S)

    async def unless_stopped(self, work: Coroutine[Any, Any, T], *, grace_s: float) -> T | None:
        """Wait for something, and after a stop only for a moment more."""
        working = asyncio.ensure_future(work)
        stopping = asyncio.ensure_future(self.stop.wait())
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                await asyncio.wait({working}, timeout=grace_s)
            return working.result() if working.done() else None
        finally:
            stopping.cancel()
            working.cancel()
            await asyncio.gather(working, stopping, return_exceptions=True)
