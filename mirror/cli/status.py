"""``mirror status``: what an archive holds."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from mirror.cli.options import ArchiveDir, AsJson, ConfigFile
from mirror.cli.output import console, from_stamp, local_time, printable, to_json
from mirror.cli.places import find_manifest
from mirror.root import ArchiveRoot

if TYPE_CHECKING:
    from mirror.manifest import Counts, RaceDayStatus, RunRow

EXAMPLES = """\
  [cyan]mirror status[/]                       the archive here or above
  [cyan]mirror status --archive /media/disk[/]   any other, read-only ones too
  [cyan]mirror status --json[/]                the same for a program"""

_COLUMNS = ("Race day", "Photos", "Stored", "Wanted", "Gone", "Unlisted", "Size")
_TIMES = ("Last listed", "Newest upload")
_WIDE, _NARROW = 112, 76
_ENDINGS = {0: "complete", 1: "something is missing", 3: "a listing is incomplete"}


def status(archive: ArchiveDir = None, config: ConfigFile = None, as_json: AsJson = False) -> int:
    """Show what the archive holds, race day by race day.

    Needs no network and no configuration, and reads media that cannot be written.
    """
    from mirror.manifest import ManifestReader

    root, path = find_manifest(archive, config)
    with ManifestReader(path) as reader:
        days, counts, last = reader.status(), reader.counts(), reader.last_run()
    if as_json:
        typer.echo(to_json(_plain(root, days, counts, last)))
    else:
        _show(root, days, counts, last)
    return 0


def _plain(
    root: ArchiveRoot, days: "list[RaceDayStatus]", counts: "Counts", last: "RunRow | None"
) -> dict[str, object]:
    """The same as plain data: the fields of `RaceDayStatus`, `Counts` and `RunRow`."""
    return {
        "archive": str(root),
        "race_days": [asdict(each) for each in days],
        "totals": asdict(counts),
        "last_run": asdict(last) if last else None,
    }


def _show(root: ArchiveRoot, days: "list[RaceDayStatus]", counts: "Counts", last: "RunRow | None") -> None:
    from rich.text import Text

    out = console()
    is_wide, is_narrow = out.width >= _WIDE, out.width < _NARROW
    rows = [_row(day, with_times=is_wide, with_id=not is_narrow) for day in days]
    numbers = (counts.photos, counts.stored, counts.wanted, counts.gone, counts.unlisted)
    total = ["All", *(f"{each:,}" for each in numbers), _size(counts.stored_bytes)]
    head = [*_COLUMNS, *(_TIMES if is_wide else ())]
    widths = [max(len(row[column]) for row in (head, *rows, total) if column < len(row)) for column in range(len(head))]

    def line(row: list[str], style: str) -> None:
        cells = [row[0].ljust(widths[0]), *(each.rjust(widths[n]) for n, each in enumerate(row[1:], 1))]
        out.print(Text((" " if is_narrow else "  ").join(cells).rstrip(), style=style, no_wrap=True))

    out.print(Text(str(root), style="dim", overflow="fold"))
    line(head, "dim")
    race_id = None
    for day, row in zip(days, rows, strict=True):
        if day.race_id != race_id:
            race_id = day.race_id
            out.print(Text.assemble((printable(day.race_name), "bold"), (f"  race {race_id}", "dim")))
        line(row, "yellow" if day.wanted else "")
        if not is_wide:
            listed, newest = _times(day)
            out.print(Text(f"  listed {listed}, newest upload {newest}", style="dim"))
    if len(days) > 1:
        line(total, "bold")
    out.print(Text(f"\n{_last_run(last)}", style="dim"))


def _row(day: "RaceDayStatus", *, with_times: bool, with_id: bool) -> list[str]:
    name = f"  {day.starts_on or 'no date   '}"
    name = f"{name}  {day.race_day_id}" if with_id or not day.starts_on else name
    numbers = (day.photos, day.stored, day.wanted, day.gone, day.unlisted)
    return [name, *(f"{each:,}" for each in numbers), _size(day.bytes), *(_times(day) if with_times else ())]


def _times(day: "RaceDayStatus") -> tuple[str, str]:
    """When it was listed completely, and the newest upload that this saw."""
    return local_time(day.last_pass_at), local_time(from_stamp(day.watermark_ts))


def _size(size_bytes: int) -> str:
    from mirror.progress import size_text

    return size_text(size_bytes)


def _last_run(last: "RunRow | None") -> str:
    from mirror.progress import count_text, size_text, time_text

    if last is None:
        return "No run yet."
    if last.ended_at is None:
        return (
            f"The last run began {local_time(last.started_at)} and is still on, or was killed: 'mirror sync' goes on."
        )
    seconds = (last.ended_at - last.started_at).total_seconds()
    took = time_text(seconds) if seconds >= 1 else "under 1 s"
    how = "refused or stopped" if last.exit_code is None else _ENDINGS.get(last.exit_code, f"exit {last.exit_code}")
    stored = f"{count_text(last.stored, 'file')}, {size_text(last.stored_bytes)}"
    is_sync = last.command == "sync"
    # What another command tried says nothing of the rest.
    how = how if is_sync or last.exit_code else "done"
    return f"Last {'run' if is_sync else printable(last.command)} {local_time(last.ended_at)}, {took}: {stored}; {how}."
