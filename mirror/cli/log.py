"""``mirror log``: what changed, run by run."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated

import typer

from mirror.cli.exit_codes import OK
from mirror.cli.options import ArchiveDir, AsJson, ConfigFile, Races
from mirror.cli.output import console, local_time, printable, to_json
from mirror.cli.places import find_manifest, moment_of

if TYPE_CHECKING:
    from rich.console import Console

    from mirror.history import Entry
    from mirror.manifest import HistoryReader, RunRow, Span

EXAMPLES = """\
  [cyan]mirror log[/]                              the latest runs with news
  [cyan]mirror log --bib 1179 --since sunday[/]    what changed for a runner
  [cyan]mirror log --photo 900191[/]               the life of a photo
  [cyan]mirror log --run 7[/]                      one run, in full"""

_RUNS_SHOWN = 20
_LINES_SHOWN = 8
_DAYS_SHOWN = 6


def log(
    bib: Annotated[str, typer.Option(metavar="BIB", help="Only photos of this bib.", show_default=False)] = "",
    photo: Annotated[int | None, typer.Option(metavar="ID", help="Only this photo.", show_default=False)] = None,
    race: Races = None,
    since: Annotated[
        str, typer.Option(metavar="WHEN", help="From then on: a date, sunday, '2 days ago'.", show_default=False)
    ] = "",
    until: Annotated[
        str, typer.Option(metavar="WHEN", help="Until then; a day counts to its end.", show_default=False)
    ] = "",
    run: Annotated[int | None, typer.Option(metavar="N", help="Only this run, in full.", show_default=False)] = None,
    archive: ArchiveDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Show what changed, run by run, the newest at the end.

    New photos, bibs added and removed, photos moved, rendered anew, no longer listed; files that vanished or were
    damaged. Needs no network, and reads media that cannot be written.
    """
    from mirror.history import read_history
    from mirror.manifest import HistoryReader

    _, path = find_manifest(archive, config)
    with HistoryReader(path) as reader:
        span = _span(reader, bib.strip(), photo, race or (), since, until, run)
        if not (span.is_narrow or span.since or span.until or run or as_json):
            span = replace(span, latest=_RUNS_SHOWN + 1)
        entries = read_history(reader, span)
        if as_json:
            typer.echo(to_json([_plain(each) for each in entries]))
        else:
            _show(console(), reader, entries, span)
    return OK


def _span(
    reader: "HistoryReader", bib: str, photo: int | None, races: Sequence[str], since: str, until: str, run: int | None
) -> "Span":
    from mirror.manifest import Span
    from mirror.race_choice import choose_days

    return Span(
        since=moment_of(since, "--since").start if since else None,
        until=moment_of(until, "--until").end if until else None,
        run_id=run, days=choose_days(races, reader.races()) if races else (), photo_id=photo, bib=bib,
    )  # fmt: skip


def _plain(entry: "Entry") -> dict[str, object]:
    """The fields of `Entry`: the run, new photos by race day, and each change."""
    days = [
        {"race_id": race_id, "race_day_id": race_day_id, "photos": count}
        for race_id, race_day_id, count in entry.new_photos
    ]
    return {**asdict(entry), "new_photos": days}


def _show(out: "Console", reader: "HistoryReader", entries: "Sequence[Entry]", span: "Span") -> None:
    from rich.text import Text

    is_whole = span.run_id is not None or span.photo_id is not None or bool(span.bib)
    shown = entries if span.latest is None else entries[-_RUNS_SHOWN:]
    if not entries:
        out.print("Nothing changed." if span.since or span.is_narrow else "No run with news.")
        return
    if len(shown) < len(entries):
        out.print(Text("There are earlier runs: --since shows them.\n", style="dim"))
    albums = reader.album_names()
    days = {
        (race.race_id, day.race_day_id): f"{race.name} {day.starts_on or day.race_day_id}"
        for race in reader.races()
        for day in race.days
    }
    for entry in shown:
        _show_entry(out, entry, days, albums, most=None if is_whole else _LINES_SHOWN, is_narrow=span.is_narrow)


def _show_entry(
    out: "Console", entry: "Entry", days: dict[tuple[int, int], str], albums: dict[tuple[int, str], str],
    *, most: int | None, is_narrow: bool,
) -> None:  # fmt: skip
    from rich.text import Text

    from mirror.history import photo_facts, summary_facts

    name = f"  run {entry.run.run_id}, {printable(entry.run.command)}" if entry.run else ""
    out.print(Text.assemble((local_time(entry.at), "bold"), (name, "dim")))
    most_days = _DAYS_SHOWN if most is not None else len(entry.new_photos)
    for race_id, race_day_id, count in entry.new_photos[:most_days]:
        where = days.get((race_id, race_day_id), f"race {race_id} day {race_day_id}")
        out.print(Text(f"  {count:,} new photo{'s' if count > 1 else ''} of {printable(where)}", style="green"))
    if rest := entry.new_photos[most_days:]:
        out.print(Text(f"  {sum(each[2] for each in rest):,} new photos of {len(rest)} more race days", style="green"))
    if entry.run is not None and not is_narrow and (fact := _files_fact(entry.run)):
        out.print(Text(f"  {fact}", style="dim"))
    changes = entry.changes
    if most is not None:
        for fact in summary_facts(changes):
            out.print(Text(f"  {fact}"))
    lines = list(photo_facts(changes, albums))
    for _, photo_id, words in lines[:most]:
        out.print(
            Text.assemble("    " if most is not None else "  ", (f"photo {photo_id}", "dim"), f"  {printable(words)}")
        )
    if most is not None and len(lines) > most:
        which = f": --run {entry.run.run_id} shows them" if entry.run else ""
        out.print(Text(f"    and {len(lines) - most:,} more{which}", style="dim"))


def _files_fact(run: "RunRow") -> str:
    """What the run did beside what changed."""
    from mirror.progress import count_text

    facts = [f"{count_text(run.stored, 'file')} stored"] if run.stored else []
    facts += [f"{count_text(run.failed, 'file')} failed"] if run.failed else []
    return ", ".join(facts)
