"""``mirror races`` and ``mirror status``: commands that only look."""

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirror.cli.logs import set_up_logging
from mirror.cli.options import ArchiveDir, AsJson, ConfigFile, config_for, manifest_for
from mirror.cli.running import end, printable, run
from mirror.errors import MirrorError

if TYPE_CHECKING:
    from mirror.config import Config
    from mirror.model import Race


def races(
    what: Annotated[str, typer.Argument(help="A race's name or part of it, its id, or its address.")],
    config: ConfigFile = None,
    archive: ArchiveDir = None,
    as_json: AsJson = False,
) -> None:
    """Find a race and list its race days with their ids."""
    from mirror.config import find_config, quick_config

    try:
        nearest = config or find_config(archive or Path.cwd())
        settings = config_for(nearest, None) if nearest else quick_config("1", to=Path("photos"))
        set_up_logging(verbose=0, is_quiet=False, file=None, secrets=settings.credentials().secrets())
    except MirrorError as error:
        end(error)

    async def body(_: asyncio.Event) -> int:
        found = await _find(settings, what)
        if as_json:
            typer.echo(json.dumps([asdict(race) for race in found], default=str))
        else:
            typer.echo(printable("\n".join(_race_lines(found)) or f"No race found for {what!r}."))
        return 0 if found else 1

    run(body)


async def _find(settings: "Config", what: str) -> list["Race"]:
    from mirror.opening import open_source, open_transport
    from mirror.race_ref import parse_race_ref
    from mirror.targets import find_race_id

    transport = open_transport(settings)
    try:
        source = open_source(settings, transport)
        try:
            ref = parse_race_ref(what)
        except ValueError:
            return list(await source.find_races(what))
        return [await source.race(ref.race_id or await find_race_id(ref, source=source))]
    finally:
        await transport.aclose()


def _race_lines(found: list["Race"]) -> list[str]:
    lines = []
    for race in found:
        lines.append(f"{race.race_id}  {race.name}" + (f"  {race.url}" if race.url else ""))
        for day in reversed(race.days):
            date = day.starts_on.isoformat() if day.starts_on else "no date   "
            lines.append(f"    day {day.race_day_id}  {date}  {', '.join(day.events)}".rstrip())
    if len(found) == 1:
        lines += ["", f"Archive it: mirror sync {found[0].race_id} --to photos"]
    return lines


def status(config: ConfigFile = None, archive: ArchiveDir = None, as_json: AsJson = False) -> None:
    """Show what the archive holds, race day by race day. Needs no network."""
    from mirror.manifest import ManifestReader

    try:
        path = manifest_for(config, archive)
        with ManifestReader(path) as reader:
            rows, last = reader.status(), reader.last_run()
    except MirrorError as error:
        end(error)
    if as_json:
        shown = {"race_days": [asdict(row) for row in rows], "last_run": asdict(last) if last else None}
        typer.echo(json.dumps(shown, default=str))
        return
    from mirror.progress import status_table

    status_table(rows, last)
