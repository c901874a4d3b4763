"""``mirror retry``: try what failed once more."""

from typing import TYPE_CHECKING

import typer

from mirror.cli.exit_codes import OK, exit_code
from mirror.cli.failures import missed_of
from mirror.cli.fetchers import fetchers
from mirror.cli.logs import CAUSES, set_up_logging
from mirror.cli.options import (
    ArchiveDir,
    AsJson,
    Cluster,
    ConfigFile,
    Host,
    LocalWorkers,
    LogFile,
    Quiet,
    Races,
    Reason,
    Verbosity,
)
from mirror.cli.output import to_json
from mirror.cli.places import load_archive_settings
from mirror.cli.running import STOPPING, run
from mirror.cli.sync import report_json

if TYPE_CHECKING:
    import asyncio

    from mirror.cluster import ClusterWish
    from mirror.config import Config
    from mirror.model import RunReport

EXAMPLES = """\
  [cyan]mirror retry[/]                        all that failed, set aside and gone too
  [cyan]mirror retry --reason unreachable[/]   what failed for one reason
  [cyan]mirror retry --race harbour[/]         of one race"""


def retry(
    race: Races = None,
    reason: Reason = "",
    host: Host = "",
    cluster: Cluster = None,
    local_workers: LocalWorkers = None,
    archive: ArchiveDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbosity = 0,
    log_json: LogFile = None,
) -> int:
    """Try what failed once more, and nothing else: no listing is read, and no key is needed.

    What was set aside, and what is gone, is tried too. A refused address makes the next sync read the whole listing,
    which brings new ones.
    """
    from mirror.manifest import FailureReader
    from mirror.opening import manifest_path

    settings = load_archive_settings(archive, config)
    set_up_logging(verbosity=verbose, is_quiet=quiet, file=log_json)
    with FailureReader(manifest_path(settings)) as reader:
        asset_ids = reader.asset_ids(missed_of(reader, race or (), reason, host))
    if not asset_ids:
        if as_json or not quiet:
            typer.echo(to_json(None) if as_json else "Nothing to retry.")
        return OK
    with fetchers(settings, cluster, local_workers, is_quiet=quiet or as_json) as wish:
        return run(
            lambda stop: _retry(settings, asset_ids, stop, wish, as_json=as_json, is_quiet=quiet),
            notice=STOPPING,
            is_quiet=quiet,
        )


async def _retry(
    settings: "Config", asset_ids: list[int], stop: "asyncio.Event", cluster: "ClusterWish | None",
    *, as_json: bool, is_quiet: bool,
) -> int:  # fmt: skip
    from mirror.failures import retry as try_again
    from mirror.progress import Progress, causes
    from mirror.tally import Tally

    tally = Tally(is_listing_done=True)
    with Progress(tally, is_quiet=is_quiet, is_listing=False):
        report = await try_again(settings, asset_ids, stop=stop, tally=tally, cluster=cluster)
    if as_json:
        typer.echo(report_json(report))
    elif not is_quiet:
        typer.echo(_summary(report))
    for cause in causes(report):
        CAUSES.error("%s", cause)
    return exit_code(report)


def _summary(report: "RunReport") -> str:
    from mirror.progress import count_text, size_text, time_text

    seconds = (report.ended_at - report.started_at).total_seconds()
    tried = report.stored + report.missing + report.gone + report.adopted
    stored = f"{report.stored:,} of {count_text(tried, 'file')} stored, {size_text(report.stored_bytes)}"
    if report.is_stopped:
        return f"Stopped. {stored}; the rest is tried by the next 'mirror retry' or 'mirror sync'."
    return f"{stored}, in {time_text(seconds)}."
