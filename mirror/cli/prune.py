"""``mirror prune``: remove what the source shows no more, and old versions."""

import re
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    from mirror.prune import Pruned, PruneWish, Selection

EXAMPLES = """\
  [cyan]mirror prune --unlisted-for 30d --dry-run[/]   what would go
  [cyan]mirror prune --unlisted-for 30d --quarantine /media/disk/pruned[/]
  [cyan]mirror prune --versions --older-than 365d[/]   pictures replaced a year ago
  [cyan]mirror prune --foreign[/]                      what lay in the way of files"""

_OLD = "90d"
_SHOWN = 10


def prune(
    unlisted_for: Annotated[
        str | None, typer.Option(metavar="TIME", help="Files of photos that are no longer listed for so long: 30d.")
    ] = None,
    versions: Annotated[
        bool, typer.Option("--versions", help="Earlier bytes of pictures that changed at the source.")
    ] = False,
    foreign: Annotated[
        bool, typer.Option("--foreign", help="What was not ours and lay in the way of files; damaged files too.")
    ] = False,
    older_than: Annotated[
        str, typer.Option(metavar="TIME", help="With --versions and --foreign: only what has lain there so long.")
    ] = _OLD,
    quarantine: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Move the files to DIR, with a list, instead of deleting them.")
    ] = None,
    most: Annotated[
        str, typer.Option(metavar="P%", help="Refuse to take more than this of the photos of a race day.")
    ] = "10%",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go; remove nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    archive: ArchiveDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
    verbose: Verbosity = 0,
    log_json: LogFile = None,
) -> int:
    """Make room: remove photos that the source lists no more, and old versions.

    Nothing else but this and 'mirror forget' ever deletes. Asks first.
    What was pruned comes back only when the source lists its photo again.
    Killed anywhere, the same command goes on.
    """
    set_up_logging(verbosity=verbose, file=log_json)
    wish = _wish(unlisted_for, older_than, with_versions=versions, with_foreign=foreign)
    share = _share(most)
    root, path = find_own_manifest(archive, config)
    chosen = _look_up(path, wish)
    if dry_run:
        _say(chosen, is_json=as_json)
        day = chosen.too_much(share)
        if day is not None:
            CAUSES.error("race %s day %s: more than --most %s would go: refused", day.race_id, day.race_day_id, most)
        return OK if day is None else PARTIAL
    from mirror.prune import check_brake

    check_brake(chosen, share)
    if not chosen.files:
        _report(None, is_json=as_json)
        return OK
    if not as_json:
        _say(chosen, is_json=False)
    how = f"Move them to {quarantine}?" if quarantine else "Delete them? Nothing brings them back."
    if not is_agreed(how, is_yes=yes):
        CAUSES.error("nothing was removed")
        return PARTIAL
    _report(run(lambda _: _prune(root, path, wish, share, quarantine)), is_json=as_json)
    return OK


def _wish(unlisted_for: str | None, older_than: str, *, with_versions: bool, with_foreign: bool) -> "PruneWish":
    from mirror.prune import PruneWish

    old_s = _duration("--older-than", older_than)
    wish = PruneWish(
        unlisted_for_s=None if unlisted_for is None else _duration("--unlisted-for", unlisted_for),
        versions_older_s=old_s if with_versions else None,
        foreign_older_s=old_s if with_foreign else None,
    )
    if not wish.is_any:
        raise ConfigError("say what may go: --unlisted-for 30d, --versions or --foreign")
    return wish


def _duration(option: str, text: str) -> float:
    from mirror.units import parse_duration

    if text.strip().isdigit():  # seconds elsewhere, but whoever types it here means days
        raise ConfigError(f"{option}: found {text!r}, expected a time with its unit, such as 30d")
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ConfigError(f"{option}: {error}") from None


def _share(text: str) -> float:
    found = re.fullmatch(r"(\d{1,3}(?:\.\d+)?)\s*%", text.strip())
    if found is None or float(found[1]) > 100:
        raise ConfigError(f"--most: found {text!r}, expected a share such as 10%")
    return float(found[1]) / 100


def _look_up(path: Path, wish: "PruneWish") -> "Selection":
    from mirror.manifest import KeepingReader
    from mirror.prune import look_up

    with KeepingReader(path) as reader:
        return look_up(reader, wish, now=datetime.now(UTC))


async def _prune(root: ArchiveRoot, path: Path, wish: "PruneWish", most: float, quarantine: Path | None) -> "Pruned":
    from mirror.prune import prune

    return await prune(root, path, wish, most=most, quarantine=quarantine)


# -- what a person reads ----------------------------------------------------------------------------------------------


def _say(chosen: "Selection", *, is_json: bool) -> None:
    """Say what would go."""
    from rich.text import Text

    from mirror.progress import count_text, size_text

    if is_json:
        typer.echo(to_json({"files": [_plain(each.key, each.size_bytes) for each in chosen.files],
                            "bytes": chosen.bytes, "race_days": [asdict(each) for each in chosen.shares]}))  # fmt: skip
        return
    out = console()
    for day in chosen.shares:
        part = f"{day.pruned:,} of {count_text(day.photos, 'photo')} ({day.pruned / day.photos:.1%})"
        out.print(f"race {day.race_id} day {day.race_day_id}: {part} no longer listed")
    if chosen.versions:
        out.print(f"{count_text(len(chosen.versions), 'old version')} and foreign things")
    for each in chosen.files[:_SHOWN]:
        out.print(Text(f"  {printable(each.key)}", style="dim", overflow="fold"))
    if len(chosen.files) > _SHOWN:
        out.print(Text(f"  and {len(chosen.files) - _SHOWN:,} more", style="dim"))
    total = f"{count_text(len(chosen.files), 'file')}, {size_text(chosen.bytes)}"
    out.print(Text(f"To go: {total}." if chosen.files else "To go: nothing.", style="bold"))


def _plain(key: str, size_bytes: int) -> dict[str, object]:
    return {"key": key, "size_bytes": size_bytes}


def _report(done: "Pruned | None", *, is_json: bool) -> None:
    from rich.text import Text

    from mirror.progress import count_text, size_text

    if is_json:
        typer.echo(to_json(asdict(done) if done is not None else {"files": 0, "bytes": 0}))
        return
    out = console()
    if done is None:
        out.print("Nothing to remove.")
        return
    where = f" to {printable(done.quarantine)}" if done.quarantine else ""
    word = "Moved" if done.quarantine else "Removed"
    out.print(Text(f"{word} {count_text(done.files, 'file')}{where}, {size_text(done.bytes)}.", style="bold green"))
    if done.absent:
        out.print(f"  {count_text(done.absent, 'file')} not there any more")
    for warning in done.warnings:
        out.print(Text(f"  {printable(warning)}", style="yellow", overflow="fold"))
    if done.given_up:
        out.print(f"  {count_text(done.given_up, 'file')} of these photos never fetched, and wanted no more")
