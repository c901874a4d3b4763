"""``mirror sync``: fetch what is new."""

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypedDict

import typer

from mirror.cli.exit_codes import OK, REFUSED, STORAGE, exit_code
from mirror.cli.fetchers import fetchers
from mirror.cli.logs import CAUSES, set_up_logging
from mirror.cli.options import (
    ArchiveDir,
    AsJson,
    Cluster,
    ConfigFile,
    LocalWorkers,
    LogFile,
    Quiet,
    Verbosity,
    root_of,
)
from mirror.cli.output import to_json
from mirror.cli.places import load_settings
from mirror.cli.running import STOPPING, run
from mirror.errors import ConfigError
from mirror.root import ArchiveRoot

if TYPE_CHECKING:
    import asyncio

    from mirror.cluster import ClusterWish
    from mirror.config import Config
    from mirror.dryrun import Estimate
    from mirror.model import RunReport

EXAMPLES = """\
  [cyan]mirror sync[/]                              all configured races
  [cyan]mirror sync --race 48211 --full[/]          one of them, every listing read to its end
  [cyan]mirror sync --dry-run[/]                    what would be fetched, before the first byte
  [cyan]mirror sync 48211 --to photos[/]            a race without a configuration
  [cyan]mirror sync --fleet --quiet[/]              beside other machines that share the bucket
  [cyan]mirror sync --quiet --log-json run.log[/]   for a timer
  [cyan]mirror sync --local-workers 4[/]            four processes fetch"""


class _Ways(TypedDict):
    """How a run goes about it; see `mirror.sync.run_sync`."""

    is_full: bool
    is_recheck: bool
    is_loss_believed: bool


def sync(
    race: Annotated[
        str, typer.Argument(metavar="RACE", help="A race's id or address; with --to no configuration is needed.")
    ] = "",
    to: Annotated[
        ArchiveRoot | None,
        typer.Option(metavar="DIR", parser=root_of, help="Archive RACE in DIR, or s3://bucket/place."),
    ] = None,
    days: Annotated[
        str | None, typer.Option(metavar="DAYS", help="With --to: all, latest, or race day ids with commas.")
    ] = None,
    variants: Annotated[
        str | None, typer.Option(metavar="LIST", help="With --to: of original,large,thumbnail.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--race", metavar="RACE", help="Only this configured race; repeatable.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Read every listing to its end, due or not.")] = False,
    recheck: Annotated[
        bool, typer.Option("--recheck", help="Ask whether stored pictures were rendered anew, and fetch those.")
    ] = False,
    believe_loss: Annotated[
        bool, typer.Option("--believe-loss", help="Mark photos that are no longer listed, however many they are.")
    ] = False,
    limit_rate: Annotated[
        str | None, typer.Option("--limit-rate", metavar="RATE", help="At most so much per second, such as 2MB.")
    ] = None,
    fleet: Annotated[
        bool, typer.Option("--fleet", help="Share the races with other machines that do the same, in one bucket.")
    ] = False,
    cluster: Cluster = None,
    local_workers: LocalWorkers = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be fetched; store nothing.")] = False,
    archive: ArchiveDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbosity = 0,
    log_json: LogFile = None,
) -> int:
    """Fetch what is new: list, download, check, store.

    Run it as often as you like: only what is missing is fetched. Ctrl-C stops it, and the next run goes on.
    """
    settings = chosen_settings(race, to, days, variants, archive, config, limit_rate=limit_rate)
    set_up_logging(verbosity=verbose, is_quiet=quiet, file=log_json, secrets=settings.credentials().secrets())
    races = [*(only or ()), *([race] if race and to is None else ())]
    if fleet:
        if dry_run or to is not None:
            raise ConfigError("--fleet goes neither with --dry-run nor with --to: it works on configured races")
        if cluster is not None or local_workers is not None:
            raise ConfigError("--fleet goes neither with --cluster nor with --local-workers: one way at a time")
        from mirror.cli.fleet import sync_fleet

        return sync_fleet(
            settings, races, is_full=full, is_recheck=recheck, is_loss_believed=believe_loss, as_json=as_json,
            is_quiet=quiet,
        )  # fmt: skip
    if dry_run:
        if recheck:
            raise ConfigError("--recheck asks about every stored picture: it does not go with --dry-run")
        return _estimate(settings, races, is_full=full, as_json=as_json, is_quiet=quiet)
    ways = _Ways(is_full=full, is_recheck=recheck, is_loss_believed=believe_loss)
    with fetchers(settings, cluster, local_workers, is_quiet=quiet or as_json) as wish:
        return run(
            lambda stop: _sync(settings, races, stop, ways, wish, as_json=as_json, is_quiet=quiet),
            notice=STOPPING,
            is_quiet=quiet,
        )


def chosen_settings(
    race: str, to: ArchiveRoot | None, days: str | None, variants: str | None, archive: ArchiveRoot | None,
    config: Path | None, *, limit_rate: str | None = None, is_offline: bool = False,
) -> "Config":  # fmt: skip
    """Load the configuration that the options mean; with ``--to``, make one of them."""
    overrides = {} if limit_rate is None else _rate_for_this_run(limit_rate)
    if to is None:
        if days is not None or variants is not None:
            raise ConfigError("--days and --variants go with RACE --to DIR; otherwise they stand in mirror.toml")
        return load_settings(archive, config, race=race, is_offline=is_offline, overrides=overrides)
    from mirror.config import quick_config

    if not race:
        raise ConfigError("--to needs a race: 'mirror sync RACE --to DIR', with its id or address")
    if archive is not None or config is not None:
        raise ConfigError("--to is for one race without a configuration: leave out --archive and --config")
    return quick_config(race, to=str(to), days=days, variants=variants, overrides=overrides)


def _rate_for_this_run(text: str) -> dict[str, object]:
    from mirror.units import parse_size

    try:
        return {"download.limit_rate": parse_size(text), "download.limit_rate_at": ()}
    except ValueError as error:
        raise ConfigError(f"--limit-rate: is {text!r}, {error}") from None


async def _sync(
    settings: "Config", races: list[str], stop: "asyncio.Event", ways: _Ways, cluster: "ClusterWish | None",
    *, as_json: bool, is_quiet: bool,
) -> int:  # fmt: skip
    from mirror.progress import Progress, causes
    from mirror.sync import run_sync
    from mirror.tally import Tally

    tally = Tally()
    progress = Progress(tally, is_quiet=is_quiet)
    with progress:
        report = await run_sync(settings, races=races, stop=stop, tally=tally, cluster=cluster, **ways)
    if as_json:
        typer.echo(report_json(report))
    elif not is_quiet:
        progress.summary(report)
    for cause in causes(report):
        CAUSES.error("%s", cause)
    if not as_json and not is_quiet:
        progress.next_step(report, look=look_command(settings))
    code = exit_code(report)
    if code or report.is_stopped or not settings.gallery.refresh:
        return code
    from mirror.cli.gallery import refresh_if_wanted

    return await refresh_if_wanted(settings, is_quiet=is_quiet or as_json)


def look_command(settings: "Config") -> str:
    """Write the command that shows this archive, as it works from the current folder."""
    root = settings.archive.root
    if settings.source_path is not None and Path.cwd().is_relative_to(settings.source_path.parent):
        return "mirror status"
    is_here = root.is_local and root.path.is_relative_to(Path.cwd())
    shown = root.path.relative_to(Path.cwd()) if is_here else root
    return f"mirror status --archive {shlex.quote(str(shown))}"


def report_json(report: "RunReport") -> str:
    """Write a report as JSON: the fields of `RunReport`, times in ISO 8601, and three that follow from them."""
    derived = {
        "exit_code": exit_code(report),
        "new_photos": report.new_photos,
        "is_listing_complete": report.is_listing_complete,
    }
    return to_json({**asdict(report), **derived})


def _estimate(settings: "Config", races: list[str], *, is_full: bool, as_json: bool, is_quiet: bool) -> int:
    from mirror.cli.estimate import show_estimate
    from mirror.dryrun import try_sync
    from mirror.progress import Progress
    from mirror.tally import Tally

    tally = Tally(phase="listing")
    with Progress(tally, is_quiet=is_quiet, is_listing_only=True):
        estimate = run(lambda _: try_sync(settings, races=races, is_full=is_full, tally=tally))
    if as_json:
        typer.echo(to_json(_plain_estimate(estimate)))
    else:
        show_estimate(estimate)
    for text in estimate.incomplete:
        CAUSES.error("%s", text)
    if not estimate.has_room:
        CAUSES.error("%s", estimate.room_text)
    return REFUSED if estimate.incomplete else OK if estimate.has_room else STORAGE


def _plain_estimate(estimate: "Estimate") -> dict[str, object]:
    """The fields of `Estimate`, and its totals."""
    totals = {"files": estimate.files, "bytes": estimate.bytes, "has_room": estimate.has_room}
    return {**asdict(estimate), **totals}
