"""``mirror forget``: take photos out of the archive for good."""

import contextlib
import json
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from mirror.cli.asking import is_agreed
from mirror.cli.exit_codes import OK, PARTIAL
from mirror.cli.logs import CAUSES, set_up_logging
from mirror.cli.options import ArchiveDir, AsJson, ConfigFile, LogFile, Verbosity
from mirror.cli.output import console, printable, to_json
from mirror.cli.places import find_own_manifest
from mirror.cli.running import run
from mirror.errors import ConfigError
from mirror.root import ArchiveRoot

if TYPE_CHECKING:
    from mirror.forget import Receipt, Takedown
    from mirror.manifest import DoomedPhoto

EXAMPLES = """\
  [cyan]mirror forget --photo 900191 --dry-run[/]      what would go
  [cyan]mirror forget --photo 900191[/]                its files and every trace of it
  [cyan]mirror forget --bib 1179 --race 48211[/]       every photo of the race that shows bib 1179
  [cyan]mirror forget --photo 900191 --yes --receipt done.json[/]   for a script"""

_SHOWN = 20


def forget(
    photo: Annotated[
        list[int] | None, typer.Option("--photo", metavar="ID", help="A photo, by its id; repeatable.")
    ] = None,
    bib: Annotated[
        list[str] | None, typer.Option("--bib", metavar="N", help="Every photo that shows this bib; repeatable.")
    ] = None,
    race: Annotated[str | None, typer.Option("--race", metavar="RACE", help="Only photos of this race.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go; remove nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    receipt: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a receipt to FILE, as JSON: ids, counts and hashes.")
    ] = None,
    archive: ArchiveDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
    verbose: Verbosity = 0,
    log_json: LogFile = None,
) -> int:
    """Remove photos for good: every variant, draft, earlier version, known export and row.

    Only the photo's id stays, so that no later sync brings it back.
    Asks first. Killed anywhere, the same command goes on.

    Copies in backups and on other disks are yours to remove; the receipt
    has the hashes to find them by.
    """
    set_up_logging(verbosity=verbose, file=log_json)
    if not photo and not bib:
        raise ConfigError("say which photos: --photo ID, or --bib N for every photo that shows it")
    root, path = find_own_manifest(archive, config)
    takedown = _look_up(path, photo or [], bib or [], race)
    for each in takedown.unknown:
        CAUSES.error("photo %s: the archive does not know it", each)
    if bib and not takedown.photos:
        CAUSES.error("no photo shows bib %s", ", ".join(map(printable, bib)))
    code = PARTIAL if takedown.unknown or (bib and not takedown.photos) else OK
    if dry_run or takedown.photos:
        _show(takedown, path, is_json=as_json)
    if dry_run or not (takedown.photos or takedown.unfinished):
        _say_nothing_done(takedown, is_dry=dry_run, is_json=as_json)
        return code
    question = "Forget them? Nothing brings them back, and no later sync fetches them."
    if takedown.photos and not is_agreed(question, is_yes=yes):
        CAUSES.error("nothing was removed")
        return PARTIAL
    with _opened(receipt) as file:
        done = run(lambda _: _forget(root, path, takedown))
        if file is not None:
            file.write(json.dumps(_plain(done), indent=2).encode() + b"\n")
    _report(done, takedown, is_json=as_json)
    return code


def _look_up(path: Path, photo_ids: list[int], bibs: list[str], race: str | None) -> "Takedown":
    from mirror.forget import look_up
    from mirror.keeping import race_id_of
    from mirror.manifest import KeepingReader

    with KeepingReader(path) as reader:
        race_id = None if race is None else race_id_of(race, reader)
        return look_up(reader, photo_ids=photo_ids, bibs=bibs, race_id=race_id)


async def _forget(root: ArchiveRoot, path: Path, takedown: "Takedown") -> "Receipt":
    from mirror.forget import forget

    return await forget(root, path, takedown)


def _opened(receipt: Path | None) -> "AbstractContextManager[BinaryIO | None]":
    """Find out before anything goes that the receipt can be written; it gets its name when it is whole."""
    from mirror.archive import new_file

    return contextlib.nullcontext() if receipt is None else new_file(receipt)


def _plain(done: "Receipt") -> dict[str, object]:
    data = asdict(done)
    return {**data, "forgotten_at": done.forgotten_at.isoformat()}


# -- what a person reads ----------------------------------------------------------------------------------------------


def _show(takedown: "Takedown", path: Path, *, is_json: bool) -> None:
    """Say what would go, on standard error where JSON has the other."""
    from rich.console import Console
    from rich.text import Text

    from mirror.manifest import KeepingReader
    from mirror.progress import count_text

    with KeepingReader(path) as reader:
        names = {race.race_id: race.name for race in reader.races()}
    out = Console(stderr=True, highlight=False, markup=False, emoji=False) if is_json else console()
    for each in takedown.photos[:_SHOWN]:
        name = printable(names.get(each.race_id, "a race"))
        out.print(Text(f"photo {each.photo_id} of {name} (race {each.race_id}): {_facts(each)}", overflow="fold"))
    if len(takedown.photos) > _SHOWN:
        out.print(f"and {len(takedown.photos) - _SHOWN:,} more")
    if len(takedown.photos) > 1:
        bibs = sorted({bib for each in takedown.photos for bib in each.bibs}, key=lambda bib: (len(bib), bib))
        total = f"{count_text(len(takedown.photos), 'photo')}: {_facts(*takedown.photos)}"
        out.print(Text(total, style="bold"))
        out.print(Text(f"In them are bibs {printable(', '.join(bibs)) or 'none'}.", overflow="fold"))
    for export in takedown.exports:
        out.print(Text(f"copies are looked for in {printable(export.path)} ({export.kind})", style="dim"))


def _facts(*photos: "DoomedPhoto") -> str:
    from mirror.progress import count_text, size_text

    files = [file for photo in photos for file in photo.files]
    versions = sum(len(photo.versions) for photo in photos)
    size = sum(file.size_bytes or 0 for file in files)
    held = sum(file.sha256 is not None for file in files)
    facts = [
        count_text(held, "file"),
        size_text(size),
        *([count_text(versions, "earlier version")] if versions else []),
    ]
    text = ", ".join(facts)
    return f"bibs {printable(', '.join(photos[0].bibs)) or 'none'}; {text}" if len(photos) == 1 else text


def _say_nothing_done(takedown: "Takedown", *, is_dry: bool, is_json: bool) -> None:
    if is_json:
        typer.echo(to_json({"photos": [_ids(each) for each in takedown.photos], "forgotten": takedown.forgotten}))
    elif is_dry:
        typer.echo("Nothing was removed: this was a dry run.")
    for each in takedown.forgotten:
        typer.echo(f"photo {each} was forgotten before", err=True)


def _ids(photo: "DoomedPhoto") -> dict[str, int]:
    return {"race_id": photo.race_id, "photo_id": photo.photo_id, "files": len(photo.files)}


def _report(done: "Receipt", takedown: "Takedown", *, is_json: bool) -> None:
    from rich.text import Text

    from mirror.progress import count_text, size_text

    if is_json:
        typer.echo(to_json(_plain(done)))
        return
    out = console()
    if takedown.unfinished:
        out.print("What an earlier command had begun to forget was brought to its end, too.")
    versions = f", {count_text(done.versions, 'version')} among them" if done.versions else ""
    out.print(Text(f"Forgotten: {count_text(len(done.photos), 'photo')}.", style="bold green"))
    out.print(f"  {count_text(done.files, 'file')} removed{versions}, {size_text(done.bytes)}")
    if done.manifests:
        out.print(f"  {count_text(done.manifests, 'earlier manifest')} deleted, which a rebuild had kept")
    for each in done.exports:
        place = f"{printable(each.path)} ({each.kind})"
        out.print(Text(f"  {place}: {count_text(each.removed, 'file')} removed; {each.remark}", overflow="fold"))
    for warning in done.warnings:
        out.print(Text(f"  {printable(warning)}", style="yellow", overflow="fold"))
