"""What all kinds of ``mirror export`` have in common: the archive opened, files counted, the end told."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from mirror.cli.exit_codes import OK, PARTIAL
from mirror.cli.logs import CAUSES
from mirror.cli.output import printable, to_json
from mirror.cli.places import find_manifest
from mirror.errors import ConfigError
from mirror.root import ArchiveRoot

if TYPE_CHECKING:
    from mirror.export.exports import Export, Exported

_MOST_NAMED = 10


@contextlib.contextmanager
def opened_export(
    archive: ArchiveRoot | None, config: Path | None, races: list[str] | None, race_days: list[str] | None,
    variants: list[str] | None,
) -> "Iterator[Export]":  # fmt: skip
    """Open the archive for reading, and see what the options mean."""
    from mirror.export.exports import Export, choose
    from mirror.manifest import ManifestReader
    from mirror.model import VARIANTS
    from mirror.race_choice import choose_days

    for each in variants or ():
        if each not in VARIANTS:
            raise ConfigError(f"--variant {each}: expected one of {', '.join(VARIANTS)}")
    root, path = find_manifest(archive, config)
    with ManifestReader(path) as reader:
        days = reader.export_days()
        if races:
            meant = choose_days(races, reader.races())
            days = [day for day in days if {(day.race_id, None), (day.race_id, day.race_day_id)} & set(meant)]
        chosen = choose(days, race_days or ())
        yield Export(
            reader=reader, root=root, days=chosen, is_all=not races and not race_days,
            variants=tuple(dict.fromkeys(variants or ())),
        )  # fmt: skip


@contextlib.contextmanager
def counting(doing: str) -> Iterator[Callable[[], None]]:
    """Count files where somebody is looking."""
    from rich.console import Console

    err = Console(stderr=True)
    if not err.is_terminal:
        yield lambda: None
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    shown = Progress(
        SpinnerColumn(), TextColumn("{task.description}  {task.completed:,.0f} files"), TimeElapsedColumn(),
        console=err, transient=True,
    )  # fmt: skip
    with shown:
        task = shown.add_task(doing, total=None)
        yield lambda: shown.advance(task)


def remember(export: "Export", kind: str, to: Path) -> None:
    """Note where copies go: what is forgotten later is looked for there."""
    from mirror.manifest.exports import note_export

    # What lies in the archive itself is found without a note.
    if to not in {Path("-"), export.root.folder}:
        note_export(export.reader.path, to, kind)


def say_exported(export: "Export", kind: str, done: "Sequence[Exported]", *, as_json: bool) -> int:
    """Say what was done and what was not, remember where it went, and return the exit code."""
    is_piped = any(each.to == Path("-") for each in done)
    for each in done:
        if each.photos:
            remember(export, kind, each.to)
    if as_json:
        text = to_json([{"kind": kind, **asdict(each)} for each in done])
        typer.echo(text, err=is_piped)
    elif not is_piped:
        for each in done:
            if each.photos or not each.wrong:
                typer.echo(_text(each, kind))
    for each in done:
        _name_all(each.left, "left as another program made it: ")
        _name_all(each.wrong, "")
    return PARTIAL if any(each.wrong for each in done) else OK


def _text(done: "Exported", kind: str) -> str:
    from mirror.progress import count_text

    facts = [count_text(done.photos, "photo")]
    if done.files:
        facts.append(count_text(done.files, "file") + (" written" if kind == "xmp" else ""))
    if done.unchanged:
        facts.append(f"{count_text(done.unchanged, 'file')} unchanged")
    if done.beside:
        facts.append(f"{done.beside:,} with a sidecar, since their format takes no metadata")
    if done.left:
        facts.append(f"{len(done.left):,} left alone")
    if done.wrong:
        facts.append(f"{len(done.wrong):,} missing")
    return f"{printable(done.to)}: {', '.join(facts)}"


def _name_all(texts: Sequence[str], words: str) -> None:
    for text in texts[:_MOST_NAMED]:
        CAUSES.error("%s%s", words, text)
    if len(texts) > _MOST_NAMED:
        CAUSES.error("and %s more (--json names all)", len(texts) - _MOST_NAMED)
