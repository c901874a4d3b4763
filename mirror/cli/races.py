"""``mirror races``: find a race and its race days."""

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirror.cli.exit_codes import OK, PARTIAL
from mirror.cli.logs import CAUSES, set_up_logging
from mirror.cli.options import ArchiveDir, AsJson, ConfigFile, LogFile, Verbosity
from mirror.cli.output import console, printable, to_json
from mirror.cli.places import folder_of, load_settings
from mirror.cli.running import run
from mirror.root import ArchiveRoot

if TYPE_CHECKING:
    from mirror.config import Config
    from mirror.model import Race

EXAMPLES = """\
  [cyan]mirror races harbour[/]        by a part of its name
  [cyan]mirror races 48211[/]          by its id
  [cyan]mirror races https://runsignup.com/Race/NJ/Camden/Harbour10K[/]
  [cyan]mirror races[/]                those of the configuration, else those of your account"""

_MOST_SHOWN = 50


def races(
    what: Annotated[
        str, typer.Argument(metavar="NAME|URL|ID", help="A part of its name, its address, or its id.")
    ] = "",
    archive: ArchiveDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
    verbose: Verbosity = 0,
    log_json: LogFile = None,
) -> int:
    """Find a race and list its race days with their ids."""
    settings = _settings(archive, config)
    set_up_logging(verbosity=verbose, file=log_json, secrets=settings.credentials().secrets())
    found = run(lambda _: _find(settings, what))
    if as_json:
        typer.echo(to_json([asdict(race) for race in found]))
    elif found:
        _show(found)
    if not found:
        CAUSES.error("no race found%s", f" for {what!r}" if what else " in this account")
    return OK if found else PARTIAL


def _settings(archive: ArchiveRoot | None, config: Path | None) -> "Config":
    """Load the configuration, or take the environment alone: a race is looked for before there is a file."""
    from mirror.config import find_config, quick_config

    if config is None and find_config(folder_of(archive)) is None:
        return quick_config("1", to=Path.cwd()).model_copy(update={"races": ()})
    return load_settings(archive, config)


async def _find(settings: "Config", what: str) -> "list[Race]":
    from mirror.opening import open_source, open_transport
    from mirror.race_ref import parse_race_ref
    from mirror.targets import find_race_id

    transport = open_transport(settings)
    try:
        source = open_source(settings, transport)
        if what:
            try:
                refs = [parse_race_ref(what)]
            except ValueError:
                found = list(await source.find_races(what))
                # The search shows the latest events only; one race alone is worth a look at all its days.
                return [await source.race(found[0].race_id)] if len(found) == 1 else found
        elif settings.races:
            refs = [each.race for each in settings.races]
        else:
            return list(await source.find_races("", is_public=False))
        return [await source.race(ref.race_id or await find_race_id(ref, source=source)) for ref in refs]
    finally:
        await transport.aclose()


def _show(found: "list[Race]") -> None:
    from rich.text import Text

    out = console()
    for race in found[:_MOST_SHOWN]:
        out.print(Text.assemble((printable(race.name), "bold"), f"  race {race.race_id}"))
        if race.url:
            out.print(Text(f"  {printable(race.url)}", style="dim", overflow="fold"))
        for day in reversed(race.days):
            events = f"  {printable(', '.join(day.events))}" if day.events else ""
            out.print(Text(f"  {day.starts_on or 'no date'!s:10}  day {day.race_day_id}{events}"))
    if len(found) > _MOST_SHOWN:
        out.print(f"and {len(found) - _MOST_SHOWN} more: give more of the name")
    first = found[0]
    newest = first.days[-1].race_day_id if first.days else "..."
    if len(found) > 1:
        out.print("\nTo see all days of one of them: mirror races ID")
        return
    out.print("\nTo fetch it now, or to put it into mirror.toml:\n")
    out.print(f"  mirror sync {first.race_id} --to {shlex.quote('photos')}\n", soft_wrap=True)
    out.print(
        f'  [[races]]\n  race = {first.race_id}\n  days = "all"    # or "latest", or ids: [{newest}]', soft_wrap=True
    )
