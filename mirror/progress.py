"""What a person sees during and after a run."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from mirror.manifest import RaceDayStatus, RunRow
from mirror.model import RunReport, Tally

_POLL_S = 0.25
_PLAIN_EVERY_S = 30.0
_WINDOW_S = 10.0
_SHOWN = 5


def human_bytes(size: float) -> str:
    """Write a size as people read it: ``1.9 MB``."""
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    return ""


def human_time(seconds: float) -> str:
    """Write a duration as people read it: ``3 min 20 s``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s" if whole or not seconds else "under 1 s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


class Progress:
    """Shows a tally while a run is on: live in a terminal, a plain line now and then elsewhere.

    Args:
        is_shown: False shows nothing; the tally is kept all the same.
        plain_every_s: Seconds between plain lines.
    """

    def __init__(
        self, *, is_shown: bool = True, console: Console | None = None, plain_every_s: float = _PLAIN_EVERY_S
    ) -> None:
        self.tally = Tally()
        self._console = console or Console(stderr=True, highlight=False)
        self._is_shown = is_shown
        self._plain_every_s = plain_every_s
        self._task: asyncio.Task[None] | None = None
        self._samples: deque[tuple[float, int, int]] = deque()

    async def __aenter__(self) -> Self:
        if self._is_shown:
            self._task = asyncio.create_task(self._live() if self._console.is_terminal else self._plain())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def print(self, what: object, *, is_error: bool = False) -> None:
        """Print something for people: to standard output, or to standard error."""
        (self._console if is_error else Console(highlight=False)).print(what, soft_wrap=True)

    async def _live(self) -> None:
        with Live(console=self._console, auto_refresh=False, transient=True) as live:
            while True:
                live.update(self.view(), refresh=True)
                await asyncio.sleep(_POLL_S)

    async def _plain(self) -> None:
        while True:
            await asyncio.sleep(self._plain_every_s)
            self._console.print(self.line(), soft_wrap=True)

    def _rates(self) -> tuple[float, float]:
        """Assets and bytes per second over the last ten seconds."""
        now = time.monotonic()
        self._samples.append((now, self.tally.stored, self.tally.fetched_bytes))
        while len(self._samples) > 1 and now - self._samples[0][0] > _WINDOW_S:
            self._samples.popleft()
        then, stored, size = self._samples[0]
        seconds = max(now - then, 0.001)
        return (self.tally.stored - stored) / seconds, (self.tally.fetched_bytes - size) / seconds

    def _eta(self, assets_s: float) -> str:
        tally = self.tally
        left = tally.wanted - tally.stored - tally.failed
        if not tally.is_listing_done and tally.photos_expected is None:
            return "…"
        if not tally.is_listing_done and tally.photos_listed and tally.photos_expected:
            # What is not listed yet will want as many assets a photo as what is.
            left = round(left * max(1.0, tally.photos_expected / tally.photos_listed))
        return human_time(left / assets_s) if assets_s > 0 and left > 0 else "…" if left > 0 else "now"

    def line(self) -> str:
        """The run in one plain line."""
        tally = self.tally
        assets_s, bytes_s = self._rates()
        parts = [
            f"{tally.phase}: {tally.photos_listed} photos listed",
            f"{tally.stored} of {tally.wanted} files stored",
            f"{human_bytes(tally.stored_bytes)} at {human_bytes(bytes_s)}/s",
            f"ETA {self._eta(assets_s)}",
        ]
        if tally.failed or tally.retries:
            parts.append(f"{tally.failed} failed, {tally.retries} retries")
        return ", ".join(parts)

    def view(self) -> Group:
        """The run in a few live lines."""
        tally = self.tally
        assets_s, bytes_s = self._rates()
        table = Table.grid(padding=(0, 2))
        table.add_column(width=11)
        table.add_column(width=20)
        table.add_column()
        expected = tally.photos_expected
        listed = f"{tally.photos_listed:,}" + (f" of {expected:,}" if expected else "") + " photos"
        done = tally.photos_listed if not tally.is_listing_done else (expected or tally.photos_listed or 1)
        table.add_row("Listing", _bar(done, expected or 0, is_done=tally.is_listing_done),
                      listed + ("" if not tally.is_listing_done else ", done"))  # fmt: skip
        facts = f"{tally.stored:,} of {tally.wanted:,} files, {human_bytes(tally.fetched_bytes)}"
        pace = f"{human_bytes(bytes_s)}/s, ETA {self._eta(assets_s)}"
        table.add_row("Downloading", _bar(tally.stored, tally.wanted, is_done=False), facts)
        table.add_row("", "", Text(pace, style="dim"))
        lines: list[object] = [table]
        if tally.failed or tally.retries:
            lines.append(Text(f"{tally.failed} failed, {tally.retries} retries", style="yellow"))
        if tally.waiting_for:
            lines.append(Text(f"waiting for {tally.waiting_for}", style="yellow"))
        return Group(*lines)  # type: ignore[arg-type]  # every member renders


def _bar(done: int, total: int, *, is_done: bool) -> ProgressBar:
    return ProgressBar(total=max(total, done, 1), completed=max(total, done, 1) if is_done else done, width=20)


def summary(report: RunReport, *, root: Path) -> Text:
    """Say in a screenful what a run did, what it left undone and what to type next."""
    text = Text()
    seconds = (report.ended_at - report.started_at).total_seconds()
    _headline(text, report)
    rate = f", {human_bytes(report.stored_bytes / seconds)}/s" if report.stored_bytes and seconds > 0 else ""
    text.append(f"  {_count(report.new_photos, 'new photo')}, {_count(report.stored, 'file')} stored, ")
    text.append(f"{human_bytes(report.stored_bytes)} in {human_time(seconds)}{rate}\n")
    for count, words in (
        (report.adopted, "found finished from an earlier run"),
        (report.vanished, "had vanished or changed size: wanted again"),
        (sum(each.unlisted for each in report.passes), "photos are no longer listed; their files stay"),
        (report.gone, "can no longer be had: the source refuses them and lists them no more"),
        (report.already_gone, "were gone before"),
    ):
        if count:
            text.append(f"  {count:,} {words}\n")
    _bib_lines(text, report)
    for each in report.passes:
        if not each.is_complete:
            text.append(f"  Race {each.race_id} day {each.race_day_id}: listing incomplete: {each.reason}\n", "red")
        for warning in each.warnings:
            text.append(f"  Race {each.race_id} day {each.race_day_id}: {warning}\n", "yellow")
    for group in report.failures[:_SHOWN]:
        text.append(f"  {group.count:,} missing, {group.reason} ({group.host}): {group.example}\n", "red")
    for reject in report.rejects[:_SHOWN]:
        text.append(f"  {reject}\n", "red")
    if len(report.rejects) > _SHOWN:
        text.append(f"  and {len(report.rejects) - _SHOWN} more records that could not be used\n", "red")
    text.append(f"\n  {_next_step(report, root)}")
    return text


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def _headline(text: Text, report: RunReport) -> None:
    if report.is_stopped:
        text.append("Stopped. ", "bold yellow").append("What was finished is stored.\n")
    elif not report.is_listing_complete:
        text.append("Not complete: ", "bold red").append("a listing could not be read to its end.\n")
    elif not report.is_everything_stored:
        text.append("Finished, ", "bold yellow").append(f"but {_count(report.missing, 'file')} missing.\n")
    else:
        text.append("Complete. ", "bold green").append("Everything wanted is stored.\n")


def _bib_lines(text: Text, report: RunReport) -> None:
    if not report.bibs_changed:
        return
    text.append(f"  {_count(report.bibs_changed, 'photo')} with changed bibs:\n")
    for change in report.bib_changes[:_SHOWN]:
        before, after = (", ".join(bibs) or "none" for bibs in (change.before, change.after))
        text.append(f"    photo {change.photo_id}: {before} -> {after}\n")
    if report.bibs_changed > _SHOWN:
        text.append(f"    and {report.bibs_changed - _SHOWN} more\n")


def _next_step(report: RunReport, root: Path) -> str:
    if report.is_stopped or not report.is_listing_complete or report.missing:
        return f"Next: 'mirror sync' goes on where this ended; 'mirror status --archive {root}' shows what is there."
    return f"Photos are in {root}. 'mirror status --archive {root}' shows what is there."


def _moment(moment: datetime | None) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M") if moment else "-"


def status_table(rows: Sequence[RaceDayStatus], last: RunRow | None) -> None:
    """Print what the archive holds, race by race and race day by race day."""
    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("Race day", no_wrap=True)
    for name in ("Photos", "Stored", "Wanted", "Gone", "Unlisted", "Bytes"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("Newest upload", no_wrap=True)
    race_id = 0
    for row in rows:
        if row.race_id != race_id:
            race_id = row.race_id
            table.add_row(Text(f"{row.race_name} ({race_id})", style="bold", overflow="ellipsis"))
        mark = datetime.fromtimestamp(row.watermark_ts, UTC) if row.watermark_ts else None
        numbers = (row.photos, row.stored, row.wanted, row.gone, row.unlisted)
        day = f"  {row.starts_on or 'no date'} {row.race_day_id}"
        table.add_row(Text(day), *(f"{number:,}" for number in numbers), human_bytes(row.bytes), _moment(mark))
    console.print(table)
    if last is not None:
        how = "was cut off" if last.ended_at is None else f"ended {_moment(last.ended_at)}"
        console.print(f"\nLast run {how}: {last.stored:,} files, {human_bytes(last.stored_bytes)}.", style="dim")
