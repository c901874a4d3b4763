"""What a person sees while a run is on."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mirror.model import RunReport
from mirror.progress.numbers import clock_text, count_text, size_text
from mirror.progress.report import next_step, summary_lines
from mirror.progress.screen import Screen
from mirror.progress.showing import PLAIN_EVERY_S, Showing
from mirror.tally import Tally

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.progress_bar import ProgressBar

_WINDOW_S = 10.0
_LABEL = 11
_WIDEST_BAR = 30
_NARROWEST_BAR = 8
_GAP = 2


@dataclass(frozen=True, slots=True)
class _Sample:
    at: float
    listed: int
    finished: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One of the two things that go on, with its bar and its facts from left to right."""

    label: str
    part: float | None
    facts: tuple[str, str, str, str]
    """Count, size, rate, time left."""
    is_done: bool


class Progress(Showing):
    """Shows a tally while a run is on, and its report afterwards; use it with ``with``.

    In a terminal a live view stands on standard error, elsewhere a plain line comes now and then.

    Args:
        tally: What the run counts.
        is_quiet: Show nothing.
        is_listing_only: Nothing will be fetched.
        is_listing: Whether anything is listed.
        work: What is done to files.
        console: Where the view stands.
        out: Where the summary goes.
        plain_every_s: Seconds between plain lines.
        clock: Seconds that only go up.
    """

    def __init__(
        self, tally: Tally, *, is_quiet: bool = False, is_listing_only: bool = False, is_listing: bool = True,
        work: str = "Downloading", console: "Console | None" = None, out: "Console | None" = None,
        plain_every_s: float = PLAIN_EVERY_S, clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        super().__init__(is_quiet=is_quiet, console=console, plain_every_s=plain_every_s, clock=clock)
        self.tally = tally
        self._is_listing_only = is_listing_only
        self._is_listing = is_listing
        self._work = work
        self._out = Screen(out, is_error=False)
        self._samples: deque[_Sample] = deque()
        self._wanted_before = 0
        self._widths = [20, 8, 8, 9]

    def _sample(self) -> tuple[float, float, float]:
        """Photos listed, files finished and bytes, each per second, over the last ten seconds."""
        tally = self.tally
        now = _Sample(self._clock(), tally.photos_listed, tally.stored + tally.failed, tally.fetched_bytes)
        if not tally.photos_listed:
            self._wanted_before = tally.wanted
        self._samples.append(now)
        while now.at - self._samples[0].at > _WINDOW_S:
            self._samples.popleft()
        then = self._samples[0]
        seconds = now.at - then.at
        if seconds <= 0:
            return 0.0, 0.0, 0.0
        return (
            max(0, now.listed - then.listed) / seconds,
            (now.finished - then.finished) / seconds,
            (now.size_bytes - then.size_bytes) / seconds,
        )

    def _rows(self) -> list[_Row]:
        listing_rate, file_rate, byte_rate = self._sample()
        expected, listed = self.tally.photos_expected or 0, self.tally.photos_listed
        listing_left = (expected - listed) / listing_rate if expected >= listed and listing_rate else None
        rows = [self._listing(listing_rate, listing_left), self._fetching(file_rate, byte_rate, listing_left)]
        return rows[:1] if self._is_listing_only else rows if self._is_listing else rows[1:]

    def _listing(self, rate: float, left_s: float | None) -> _Row:
        tally = self.tally
        listed, expected, is_done = tally.photos_listed, tally.photos_expected or 0, tally.is_listing_done
        if is_done:
            count, left = count_text(listed, "photo"), "done"
        elif not tally.pages:
            count, left = "asking for the first page" if tally.phase == "listing" else tally.phase, ""
        elif expected >= listed:
            count, left = f"{listed:,} of {expected:,} photos", _left(left_s)
        elif expected:
            count, left = f"{expected:,} photos, once more", "…"  # nobody knows how far this walk goes
        else:
            count, left = count_text(listed, "photo"), "…"
        return _Row(
            label="Listing",
            part=1.0 if is_done else min(listed / expected, 1.0) if expected else None,
            facts=(
                count,
                count_text(tally.pages, "page") if tally.pages else "",
                f"{rate:,.0f}/s" if rate and not is_done else "",
                left,
            ),
            is_done=is_done,
        )

    def _fetching(self, file_rate: float, byte_rate: float, listing_left_s: float | None) -> _Row:
        tally = self.tally
        finished = tally.stored + tally.failed
        is_done = tally.is_listing_done and finished >= tally.wanted
        count, left = "nothing to fetch" if is_done else "", ""
        if tally.wanted:
            count = f"{tally.stored:,} of {tally.wanted:,} files"
            left = "done" if is_done else _left(self._files_left_s(file_rate, listing_left_s))
        return _Row(
            label=self._work,
            part=finished / tally.wanted if tally.wanted else None,
            facts=(
                count,
                size_text(tally.fetched_bytes) if tally.fetched_bytes else "",
                f"{size_text(byte_rate)}/s" if byte_rate and not is_done else "",
                left,
            ),
            is_done=is_done,
        )

    def _files_left_s(self, file_rate: float, listing_left_s: float | None) -> float | None:
        """Seconds until all is fetched, counting what is not listed yet by what is; None where nobody can know."""
        tally = self.tally
        left = tally.wanted - tally.stored - tally.failed
        if not tally.is_listing_done:
            if listing_left_s is None or not tally.photos_expected or not tally.photos_listed:
                return None
            per_photo = (tally.wanted - self._wanted_before) / tally.photos_listed
            left += round(per_photo * (tally.photos_expected - tally.photos_listed))
        if left <= 0:
            return 0.0
        return max(left / file_rate, listing_left_s or 0.0) if file_rate else None

    def _notes(self) -> list[str]:
        tally = self.tally
        # What a person should see first comes first: a narrow terminal cuts the rest off.
        return [
            *([f"waiting for {tally.waiting_for}"] if tally.waiting_for else []),
            *([f"{tally.failed:,} failed"] if tally.failed else []),
            *([f"{tally.retries:,} retried"] if tally.retries else []),
            *([f"{tally.in_flight} in flight"] if tally.in_flight else []),
        ]

    def line(self) -> str:
        """Say how far the run is, in one plain line."""
        said = [
            ", ".join(fact for fact in (f"{row.label.lower()} {row.facts[0]}", *row.facts[1:]) if fact)
            for row in self._rows()
            if row.facts[0]
        ]
        return f"{clock_text(self._clock() - self._began_at)} {'; '.join([*said, *self._notes()])}"

    def view(self) -> "Group":
        """Draw how far the run is, for a terminal of any width."""
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        width = self._screen.console.width
        rows = self._rows()
        for column in range(len(self._widths)):
            # Columns never get narrower: what changes its width all the time is no calm sight.
            self._widths[column] = max(self._widths[column], *(len(row.facts[column]) for row in rows))
        shown = [column for column, size in enumerate(self._widths) if size]
        for column in (1, 2, 3):
            if self._room(shown, width) < 0 and column in shown:
                shown.remove(column)
        room = self._room(shown, width) - _GAP
        bar = min(room, _WIDEST_BAR) if room >= _NARROWEST_BAR else 0
        table = Table.grid(padding=(0, _GAP, 0, 0), pad_edge=False)
        table.add_column(width=_LABEL, no_wrap=True)
        if bar:
            table.add_column(width=bar)
        for column in shown:
            table.add_column(
                width=self._widths[column], justify="right" if column else "left", no_wrap=True, overflow="ellipsis"
            )
        for row in rows:
            facts = [Text(row.facts[column], style="dim" if column in (1, 2) else "") for column in shown]
            table.add_row(Text(row.label, style="bold"), *([_bar(row, bar)] if bar else []), *facts)
        notes = " · ".join([clock_text(self._clock() - self._began_at), *self._notes()])
        is_calm = not (self.tally.failed or self.tally.waiting_for)
        return Group(table, Text(notes, style="dim" if is_calm else "yellow", no_wrap=True, overflow="ellipsis"))

    def _room(self, shown: list[int], width: int) -> int:
        return width - _LABEL - sum(self._widths[column] + _GAP for column in shown)

    def summary(self, report: RunReport) -> None:
        """Print what the run did; what went wrong is in `causes`."""
        for text, style in summary_lines(report):
            self._out.print(text, style)

    def next_step(self, report: RunReport, *, look: str) -> None:
        """Print what to type next.

        Args:
            look: The command that shows the archive.
        """
        self._out.print(f"\n{next_step(report, look=look)}")


def _left(seconds: float | None) -> str:
    return "…" if seconds is None else f"{clock_text(seconds)} left"


def _bar(row: _Row, width: int) -> "ProgressBar":
    from rich.progress_bar import ProgressBar

    return ProgressBar(
        total=1.0, completed=min(row.part or 0.0, 1.0), width=width,
        complete_style="green" if row.is_done else "cyan", finished_style="green" if row.is_done else "cyan",
    )  # fmt: skip
