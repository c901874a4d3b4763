"""``mirror sync``."""

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from mirror.cli.logs import set_up_logging
from mirror.cli.options import ArchiveDir, AsJson, ConfigFile, config_for
from mirror.cli.running import end, run
from mirror.errors import ConfigError, MirrorError


def sync(
    race: Annotated[str, typer.Argument(help="A race's id or address: without a configuration, with --to.")] = "",
    to: Annotated[Path | None, typer.Option("--to", help="Where to archive that race.")] = None,
    days: Annotated[str, typer.Option(help="With RACE: all, latest, or race day ids with commas.")] = "",
    variants: Annotated[str, typer.Option(help="With RACE: original,large,thumbnail.")] = "",
    only: Annotated[list[str] | None, typer.Option("--race", help="Only this configured race; repeatable.")] = None,
    full: Annotated[bool, typer.Option("--full", help="Read every listing from end to end.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be fetched; store nothing.")] = False,
    config: ConfigFile = None,
    archive: ArchiveDir = None,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but what went wrong.")] = False,
    verbose: Annotated[int, typer.Option("--verbose", "-v", count=True, help="Say more; -vv everything.")] = 0,
    log_json: Annotated[Path | None, typer.Option(help="Write a log as JSON lines to this file.")] = None,
) -> None:
    """Fetch what is new: list, download, record. Run it as often as you like."""
    from mirror.config import quick_config

    try:
        if bool(race) != (to is not None):
            raise ConfigError("RACE and --to go together; without both a configuration is needed ('mirror init')")
        if to is not None:
            settings = quick_config(race, to=to, days=days or None, variants=variants or None)
        elif days or variants:
            raise ConfigError("--days and --variants go with RACE --to DIR; otherwise set them in mirror.toml")
        else:
            settings = config_for(config, archive)
        set_up_logging(verbose=verbose, is_quiet=quiet, file=log_json, secrets=settings.credentials().secrets())
    except MirrorError as error:
        end(error)

    async def body(stop: asyncio.Event) -> int:
        if dry_run:
            from mirror.dryrun import try_sync

            estimate = await try_sync(settings, races=only or (), is_full=full)
            typer.echo(json.dumps(asdict(estimate)) if as_json else estimate.text())
            return 0 if estimate.is_listing_complete else 3
        from mirror.progress import Progress, summary
        from mirror.sync import run_sync

        async with Progress(is_shown=not (quiet or as_json)) as progress:
            report = await run_sync(settings, races=only or (), is_full=full, stop=stop, tally=progress.tally)
        if as_json:
            typer.echo(json.dumps({**asdict(report), "exit_code": report.exit_code}, default=str))
        elif not quiet or report.exit_code:
            progress.print(summary(report, root=settings.archive.root), is_error=quiet)
        return report.exit_code

    run(body, is_quiet=quiet)
