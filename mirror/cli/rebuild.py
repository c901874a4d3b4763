"""``mirror rebuild``: make the manifest again."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirror.cli.exit_codes import Stopped
from mirror.cli.logs import CAUSES, set_up_logging
from mirror.cli.options import ArchiveDir, AsJson, ConfigFile, LogFile, Quiet, Verbosity, root_of
from mirror.cli.output import console, to_json
from mirror.cli.running import run
from mirror.cli.sync import chosen_settings
from mirror.root import ArchiveRoot

if TYPE_CHECKING:
    from mirror.config import Config
    from mirror.rebuild import RebuildReport

EXAMPLES = """\
  [cyan]mirror rebuild[/]                            the manifest is lost, damaged, or not this tree's
  [cyan]mirror rebuild --from old.sqlite[/]          begin from a copy that you kept
  [cyan]mirror rebuild --offline[/]                  go by an earlier manifest alone, without the source
  [cyan]mirror rebuild 48211 --to photos[/]          an archive without a configuration"""

_GROUPS_SHOWN = 8


def rebuild(
    race: Annotated[
        str, typer.Argument(metavar="RACE", help="A race's id or address; with --to no configuration is needed.")
    ] = "",
    to: Annotated[ArchiveRoot | None, typer.Option(metavar="DIR", parser=root_of, help="The archive of RACE.")] = None,
    days: Annotated[
        str | None, typer.Option(metavar="DAYS", help="With --to: all, latest, or race day ids with commas.")
    ] = None,
    variants: Annotated[
        str | None, typer.Option(metavar="LIST", help="With --to: of original,large,thumbnail.")
    ] = None,
    basis: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="Begin from this earlier manifest.")
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Ask the source nothing; needs an earlier manifest.")
    ] = False,
    archive: ArchiveDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbosity = 0,
    log_json: LogFile = None,
) -> int:
    """Make the manifest again when it is lost, damaged, or not this tree's.

    Every listing is read to its end and every file of the tree is read and hashed; no picture is fetched, nothing in
    the tree is changed. Begins from the manifest in place or its snapshot if one is sound. What had the manifest's
    name before is kept.
    """
    settings = chosen_settings(race, to, days, variants, archive, config, is_offline=offline)
    secrets = () if offline else settings.credentials().secrets()
    set_up_logging(verbosity=verbose, is_quiet=quiet, file=log_json, secrets=secrets)
    report = _rebuild(settings, basis, is_offline=offline, is_quiet=quiet)
    if as_json:
        typer.echo(to_json({**asdict(report), "exit_code": report.exit_code}))
    elif not quiet:
        _show(report)
    for cause in _causes(report):
        CAUSES.error("%s", cause)
    return report.exit_code


def _rebuild(settings: "Config", basis: Path | None, *, is_offline: bool, is_quiet: bool) -> "RebuildReport":
    from mirror.progress import Progress
    from mirror.rebuild import run_rebuild
    from mirror.tally import Tally

    tally = Tally(is_listing_done=is_offline)
    try:
        with Progress(tally, is_quiet=is_quiet, work="Checking", is_listing=not is_offline):
            return run(lambda _: run_rebuild(settings, basis=basis, is_offline=is_offline, tally=tally))
    except Stopped as stopped:
        stopped.outcome = "a manifest that was not finished is thrown away"
        raise


def _show(report: "RebuildReport") -> None:
    from rich.text import Text

    out = console()
    out.print(Text("The manifest is made again.", style="bold green" if report.exit_code == 0 else "bold yellow"))
    for line in _lines(report):
        out.print(Text(f"  {line}"), soft_wrap=True)
    out.print(Text(f"\n{_next_step(report)}"))


def _lines(report: "RebuildReport") -> Iterator[str]:
    from mirror.progress import count_text, size_text

    yield f"begun from {report.basis or 'nothing'}" + (", without asking the source" if report.is_offline else "")
    held = report.known + report.adopted
    yield f"{count_text(held, 'file')} stored ({size_text(report.held_bytes)}), each read and hashed"
    for count, words in (
        (report.adopted if report.basis else 0, "not known before, taken by name"),
        (report.moved, "found elsewhere than on record"),
        (report.vanished, "on record as stored, but not there: wanted again"),
        (report.versions, "among the versions, on record again"),
    ):
        if count:
            yield f"{count_text(count, 'file')} {words}"
    yield f"{count_text(report.wanted, 'file')} to be fetched"
    for path in report.kept:
        yield f"what was there before is kept as {path}"
    yield from (f"note: {note}" for note in report.notes)


def _next_step(report: "RebuildReport") -> str:
    if report.is_offline and report.unmatched:
        return (
            "Before the next 'mirror sync' run 'mirror rebuild' with the source at hand: "
            "what is not matched now would be fetched a second time."
        )
    return "'mirror sync' fetches what is missing; 'mirror status' shows what is there."


def _causes(report: "RebuildReport") -> list[str]:
    """Say what was left alone, one line for each reason."""
    from mirror.progress import count_text

    words = {"unmatched": "not matched and left alone", "damaged": "damaged and left alone"}
    lines = [
        f"{count_text(each.count, 'file')} {words[each.kind]} (such as {each.example}): {each.reason}"
        for each in report.groups
    ]
    if len(lines) > _GROUPS_SHOWN:
        lines[_GROUPS_SHOWN:] = [f"and {count_text(len(lines) - _GROUPS_SHOWN, 'more reason')} (--json names them)"]
    return [*lines, "--json or --verbose names each of these files"] if report.unmatched + report.damaged > 1 else lines
