"""``mirror verify``: are the stored files what they were?"""

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirror.cli.exit_codes import OK, PARTIAL
from mirror.cli.logs import CAUSES, set_up_logging
from mirror.cli.options import ArchiveDir, AsJson, ConfigFile, LogFile, Quiet, Verbosity
from mirror.cli.output import console, printable, to_json
from mirror.cli.places import find_own_manifest, load_settings
from mirror.cli.running import run
from mirror.errors import ArchiveError, ConfigError
from mirror.root import ArchiveRoot

if TYPE_CHECKING:
    import asyncio
    from io import TextIOBase

    from mirror.config import Config
    from mirror.findings import Check, Finding, Sample, VerifyReport

EXAMPLES = """\
  [cyan]mirror verify[/]                      hash every stored file again
  [cyan]mirror verify --repair[/]             and fetch at once what is damaged or missing
  [cyan]mirror verify --sample 5%[/]          a twentieth, drawn by lot
  [cyan]mirror verify --older-than 30d[/]     only what was not verified for a month: for a timer
  [cyan]mirror verify --combined -[/]         a line for each file, as rclone writes them"""

_SHOWN = 20
_STOPPING = "Stopping: noting what was found; the next 'mirror verify' goes on (once more to stop at once)."


def verify(
    race: Annotated[
        str | None, typer.Option("--race", metavar="RACE", help="Only this race, by id or address.")
    ] = None,
    sample: Annotated[
        str | None, typer.Option(metavar="N|P%", help="Only so many files, or so many of a hundred, drawn by lot.")
    ] = None,
    older_than: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only what was not verified for so long: 30d, 12h.")
    ] = None,
    deep: Annotated[bool, typer.Option("--deep", help="Decode the pictures too, to the last pixel.")] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Fetch what is damaged or missing at once, and nothing else.")
    ] = False,
    combined: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write a line for each file to FILE; - is standard output.")
    ] = None,
    archive: ArchiveDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbosity = 0,
    log_json: LogFile = None,
) -> int:
    """Hash the stored files again and say what is right, damaged, missing or extra.

    In a bucket, sizes and digests are taken from the store; --deep reads
    every file back.

    What is damaged or missing is fetched by the next sync, or by --repair.
    Extra files are named when the whole archive is verified, never touched.

    Needs no source but for --repair; reads media that cannot be written.
    Ctrl-C stops it, and the same command goes on.
    """
    if as_json and combined == "-":
        raise ConfigError("--json and --combined - both want standard output: give --combined a file")
    settings = load_settings(archive, config) if repair else None
    secrets = settings.credentials().secrets() if settings else ()
    set_up_logging(verbosity=verbose, is_quiet=quiet, file=log_json, secrets=secrets)
    root, path = find_own_manifest(archive, config)
    check = _check(path, race, sample, older_than, is_deep=deep, wants_again=repair)

    async def work(stop: "asyncio.Event") -> int:
        with _opened(combined) as write:
            report = await _verify(root, path, check, settings, stop, write=write, is_quiet=quiet)
        code = OK if report.is_right else PARTIAL
        if as_json:
            data = {name: value for name, value in asdict(report).items() if name != "asset_ids"}
            typer.echo(to_json({**data, "exit_code": code}))
        elif not quiet or code:
            _show(report, is_split=combined == "-", is_repaired=repair)
        return code

    return run(work, notice=_STOPPING, is_quiet=quiet)


def _check(
    path: Path, race: str | None, sample: str | None, older_than: str | None, *, is_deep: bool, wants_again: bool
) -> "Check":
    from mirror.findings import Check
    from mirror.keeping import race_id_of
    from mirror.manifest import KeepingReader
    from mirror.units import parse_duration

    race_id = None
    if race is not None:
        with KeepingReader(path) as reader:
            race_id = race_id_of(race, reader)
    try:
        older_than_s = None if older_than is None else parse_duration(older_than)
    except ValueError as error:
        raise ConfigError(f"--older-than: {error}") from None
    return Check(
        race_id=race_id,
        sample=None if sample is None else _sample(sample),
        older_than_s=older_than_s,
        is_deep=is_deep,
        wants_again=wants_again,
    )


def _sample(text: str) -> "Sample":
    from mirror.findings import Sample

    if found := re.fullmatch(r"(\d{1,3}(?:\.\d+)?)\s*%", text.strip()):
        if 0 < float(found[1]) <= 100:
            return Sample(share=float(found[1]) / 100)
    elif re.fullmatch(r"\d{1,9}", text.strip()) and int(text):
        return Sample(count=int(text))
    raise ConfigError(f"--sample: found {text!r}, expected a number of files such as 500, or a share such as 5%")


@contextlib.contextmanager
def _opened(combined: str | None) -> "Iterator[Callable[[Finding], None]]":
    """Open where the lines go, if they go anywhere."""
    if combined is None:
        yield lambda _: None
    elif combined == "-":
        yield lambda finding: typer.echo(_line(finding))
    else:
        try:
            with Path(combined).open("w", encoding="utf-8", errors="backslashreplace") as file:
                yield lambda finding: _write(file, finding)
        except OSError as error:
            raise ArchiveError(f"--combined: {combined} cannot be written: {error.strerror}") from None


def _write(file: "TextIOBase", finding: "Finding") -> None:
    file.write(f"{_line(finding)}\n")


def _line(finding: "Finding") -> str:
    return f"{finding.mark} {printable(finding.path)}"


async def _verify(
    root: ArchiveRoot, path: Path, check: "Check", settings: "Config | None", stop: "asyncio.Event",
    *, write: "Callable[[Finding], None]", is_quiet: bool,
) -> "VerifyReport":  # fmt: skip
    from mirror.progress import Progress, StepsProgress, causes
    from mirror.tally import Steps, Tally
    from mirror.verify import repair, verify

    steps = Steps()
    with StepsProgress(steps, label="Verifying", is_quiet=is_quiet):
        report = await verify(root, path, check, steps=steps, stop=stop, on_found=write)
    if settings is not None and report.asset_ids and not stop.is_set():
        tally = Tally()
        with Progress(tally, is_quiet=is_quiet, is_listing=False):
            done = await repair(settings, report, stop=stop, tally=tally)
        for cause in causes(done):
            CAUSES.error("%s", cause)
    return report


# -- what a person reads ----------------------------------------------------------------------------------------------


def _show(report: "VerifyReport", *, is_split: bool, is_repaired: bool) -> None:
    """Say what was found; beside the lines of --combined on standard output this goes to standard error."""
    from rich.console import Console
    from rich.text import Text

    out = Console(stderr=True, highlight=False, markup=False, emoji=False) if is_split else console()
    wrong = (("*", report.damaged), ("-", report.missing), ("!", report.undecodable), ("*", report.bad_versions))
    lines = [f"{mark} {printable(path)}" for mark, paths in wrong for path in paths]
    if not is_split:
        for line in lines[:_SHOWN]:
            out.print(Text(line, style="yellow", overflow="fold"))
        if len(lines) > _SHOWN:
            out.print(f"and {len(lines) - _SHOWN:,} more: --combined FILE names them all")
        for path in report.extra[:_SHOWN]:
            out.print(Text(f"+ {printable(path)}", style="dim", overflow="fold"))
        if len(report.extra) > _SHOWN:
            out.print(f"and {len(report.extra) - _SHOWN:,} more extra files")
    headline, style = _headline(report)
    out.print(Text(headline, style=f"bold {style}"))
    for line in _facts(report, is_repaired=is_repaired):
        out.print(Text(f"  {line}"))


def _headline(report: "VerifyReport") -> tuple[str, str]:
    from mirror.progress import count_text

    if report.is_stopped:
        return "Stopped. What was found so far is noted.", "yellow"
    if not report.is_right:
        wrong = len(report.damaged) + len(report.missing) - report.mended
        wrong += len(report.undecodable) + len(report.bad_versions)
        return f"Not right: {count_text(wrong, 'file')}.", "red"
    if report.mended:
        return f"Mended: {count_text(report.mended, 'file')} fetched again. Everything else is right.", "green"
    if report.compared:
        return "Right, by what the store says of its files.", "green"
    return "Right. Every file is what it was.", "green"


def _facts(report: "VerifyReport", *, is_repaired: bool) -> Iterator[str]:
    from mirror.progress import count_text, size_text

    if report.goes_on_from:
        yield f"went on with the verification of {report.goes_on_from}, which was stopped"
    counts = ((report.damaged, "damaged"), (report.missing, "missing"), (report.extra, "extra"))
    found = [f"{len(paths):,} {word}" for paths, word in counts if paths]
    yield ", ".join([f"{count_text(report.right, 'file')} right", *found, f"{size_text(report.bytes)} read"])
    if report.compared:
        yield f"{report.compared:,} of them by size and digest, as the store keeps them: --deep reads every byte"
    if report.right_versions or report.bad_versions:
        bad = f", {len(report.bad_versions):,} damaged or missing" if report.bad_versions else ""
        yield f"{count_text(report.right_versions, 'earlier version')} right{bad}"
    if report.undecodable:
        yield f"{count_text(len(report.undecodable), 'picture')} cannot be decoded, and are as the source served them"
    if report.not_decoded:
        yield f"{count_text(report.not_decoded, 'picture')} not decoded: unknown format, or too large"
    if report.is_withheld:
        yield (
            "so many are missing that none of these was set to be fetched again: is the right disk mounted? "
            "(--repair fetches them all)"
        )
    elif (report.damaged or report.missing) and not is_repaired:
        if report.is_noted:
            yield "'mirror sync' fetches them again; 'mirror verify --repair' does it at once"
        else:
            yield "nothing can be written here, so that the manifest does not know of it"
