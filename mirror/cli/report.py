"""``mirror report``: how well a race is covered."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirror.cli.exit_codes import OK
from mirror.cli.options import ArchiveDir, AsJson, ConfigFile, Races
from mirror.cli.output import console, printable, short_path, to_json
from mirror.cli.places import find_manifest
from mirror.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from mirror.report import Bar, DayReport, ListReport, Report

EXAMPLES = """\
  [cyan]mirror report[/]                                            every race day of the archive
  [cyan]mirror report --race 34168 --start-list results.csv[/]      who has no photo, what was misread
  [cyan]mirror report --html coverage.html[/]                       as a page that stands alone"""

_BARS_SHOWN = 16
_SHOWN = 5
_LABEL, _COUNT, _WIDEST = 24, 8, 40


def report(
    race: Races = None,
    start_list: Annotated[
        Path | None,
        typer.Option(metavar="CSV", help="A start list or results: which bibs have photos, which were misread."),
    ] = None,
    bib_column: Annotated[
        str,
        typer.Option(metavar="NAME", help="The column of the bibs in it, if not found out.", show_default=False),
    ] = "",
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page with plots, too.")] = None,
    archive: ArchiveDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Count the photos: by race day, album, hour and uploader, and against a start list.

    Shows what may be wrong as well: bibs that are not on the list, gaps in file names, pictures uploaded twice. Needs
    no network, and reads media that cannot be written.
    """
    from mirror.manifest import CoverageReader
    from mirror.race_choice import choose_days
    from mirror.report import gather, read_start_list, write_page

    if bib_column and start_list is None:
        raise ConfigError("--bib-column goes with --start-list CSV")
    listed = read_start_list(start_list, column=bib_column) if start_list is not None else None
    root, path = find_manifest(archive, config)
    with CoverageReader(path) as reader:
        days = choose_days(race, reader.races()) if race else ()
        found = gather(reader, archive=root.name, days=days, start_list=listed)
    if html is not None:
        write_page(found, html)
    if as_json:
        typer.echo(to_json(asdict(found)))
    else:
        _show(console(), found)
        if html is not None:
            typer.echo(f"\nAs a page: {short_path(html.absolute())}")
    return OK


def _show(out: "Console", found: "Report") -> None:
    from rich.text import Text

    for at, day in enumerate(found.days):
        head = f"{chr(10) if at else ''}{printable(day.race_name)}  {day.starts_on or 'no date'}"
        out.print(Text.assemble((head, "bold"), (f"  race {day.race_id}, day {day.race_day_id}", "dim")))
        out.print(Text(f"  {_headline(day)}"))
        for line in _lines(day, out):
            out.print(line)
    if not found.days:
        out.print("No photos.")


def _headline(day: "DayReport") -> str:
    from mirror.progress import count_text

    facts = [count_text(day.photos, "photo"), f"{day.untagged:,} without a bib", count_text(day.bibs, "different bib")]
    facts += [f"{day.unlisted:,} no longer listed"] if day.unlisted else []
    return ", ".join(facts)


def _lines(day: "DayReport", out: "Console") -> "Iterator[Text]":
    if day.start_list is not None:
        yield from _list_lines(day.start_list, out)
    if day.taken:
        yield from _chart("Taken, by the cameras' clocks", day.taken, out)
    if day.uploaded:
        yield from _chart(
            f"Uploaded ({printable(day.upload_clock)}), where no time of taking is known", day.uploaded, out
        )
    yield from _chart("Albums", day.albums, out)
    yield from _chart("Uploaders, by how file names begin", day.uploaders, out)
    yield from _odd_lines(day)


def _chart(title: str, bars: "Sequence[Bar]", out: "Console") -> "Iterator[Text]":
    """A small chart: label, count, bar."""
    from rich.text import Text

    yield Text(f"\n  {title}", style="dim")
    most = max(bar.photos for bar in bars)
    sign = "█" if (out.encoding or "").lower().startswith("utf") else "#"
    width = min(_WIDEST, out.width - _LABEL - _COUNT - 4)
    for bar in bars[:_BARS_SHOWN]:
        label = printable(bar.label)
        label = label if len(label) <= _LABEL else f"{label[: _LABEL - 3]}..."
        length = max(1, round(width * bar.photos / most)) if bar.photos else 0
        yield Text.assemble(f"    {label:<{_LABEL}}{bar.photos:>{_COUNT - 2},}  ", (sign * length, "cyan"))
    if len(bars) > _BARS_SHOWN:
        rest = sum(bar.photos for bar in bars[_BARS_SHOWN:])
        yield Text(f"    and {len(bars) - _BARS_SHOWN} more: {rest:,}", style="dim")


def _list_lines(listed: "ListReport", out: "Console") -> "Iterator[Text]":
    from rich.text import Text

    from mirror.progress import count_text

    yield Text(f"\n  Start list: {printable(listed.file)}, column {printable(listed.column)}", style="dim")
    share = f"{100 * listed.share:.1f} %"
    yield Text(f"    {listed.covered:,} of {count_text(listed.listed, 'bib')} have a photo: {share}", style="bold")
    if listed.without:
        yield Text(f"    without: {_some(map(printable, listed.without), len(listed.without), 8)}")
    yield from _chart("Starters by their number of photos", listed.photos_each, out)
    if listed.strangers:
        yield Text(f"\n  {count_text(len(listed.strangers), 'bib')} not on the list: probably misread", style="yellow")
        for each in listed.strangers[: 2 * _SHOWN]:
            near = f"  near {', '.join(map(printable, each.near))}" if each.near else ""
            yield Text(f"    {printable(each.bib):<10} {count_text(each.photos, 'photo')}{near}")
        if len(listed.strangers) > 2 * _SHOWN:
            yield Text(f"    and {len(listed.strangers) - 2 * _SHOWN} more (--html and --json name them)", style="dim")


def _odd_lines(day: "DayReport") -> "Iterator[Text]":
    from rich.text import Text

    from mirror.progress import count_text

    if day.undated:
        yield Text(f"\n  {count_text(day.undated, 'photo')} without any time", style="dim")
    if day.sequences:
        yield Text("\n  Gaps in file names", style="dim")
    for each in day.sequences[:_SHOWN]:
        gaps = (gap.first if gap.count == 1 else f"{gap.first} to {gap.last}" for gap in each.gaps)
        missing = _some(map(printable, gaps), len(each.gaps), 3)
        yield Text(f"    {printable(each.first)} to {printable(each.last)}: {each.missing:,} missing: {missing}")
    if day.duplicates:
        extra = sum(len(each.photo_ids) - 1 for each in day.duplicates)
        yield Text(f"\n  {count_text(extra, 'photo')} uploaded more than once: the same bytes", style="dim")
    for same in day.duplicates[:_SHOWN]:
        yield Text(
            f"    {' = '.join(map(str, same.photo_ids[:_SHOWN]))}{' = ...' if len(same.photo_ids) > _SHOWN else ''}"
        )


def _some(texts: Iterable[str], count: int, most: int) -> str:
    """The first few, and how many more."""
    shown = ", ".join(text for text, _ in zip(texts, range(most), strict=False))
    return f"{shown} and {count - most:,} more" if count > most else shown
