"""``mirror init`` and ``mirror check``: from nothing to a setup that works."""

import contextlib
import os
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirror.cli.logs import CAUSES, set_up_logging
from mirror.cli.options import ArchiveDir, AsJson, ConfigFile, LogFile, Verbosity
from mirror.cli.output import console, printable, to_json
from mirror.cli.places import load_settings
from mirror.cli.running import run
from mirror.errors import ArchiveError, ConfigError

if TYPE_CHECKING:
    from mirror.check import Finding
    from mirror.config import Config

INIT_EXAMPLES = """\
  [cyan]mirror init[/]                       mirror.toml in this folder
  [cyan]mirror init --archive photos[/]      in that folder"""

CHECK_EXAMPLES = """\
  [cyan]mirror check[/]           after 'mirror init', or when something does not work
  [cyan]mirror check --json[/]    the same for a program"""

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def init(
    archive: Annotated[
        Path, typer.Option("--archive", metavar="DIR", help="The folder to write it in, made if need be.")
    ] = Path(),
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="Another name for the file.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is already there.")] = False,
) -> int:
    """Write mirror.toml: every setting with its default and what it is for."""
    from mirror.config import FILE_NAME, example_text

    path = config or archive / FILE_NAME
    _write(path, example_text(), is_forced=force)
    out = console()
    is_here = path.parent.absolute() == Path.cwd() and path.name == FILE_NAME
    option = "" if is_here else f" --config {shlex.quote(str(path))}"
    out.print(f"{path} is written, readable by you alone. Next:\n")
    out.print("  1. Put the key of your account where mirror finds it:", soft_wrap=True)
    out.print("       export MIRROR_API__KEY=... MIRROR_API__SECRET=...", soft_wrap=True)
    out.print("     or fill in \\[api] in the file.".replace("\\", ""), soft_wrap=True)
    out.print("  2. Name your race in the [[races]] block at its end; to find one:", soft_wrap=True)
    out.print(f"       mirror races{option} NAME", soft_wrap=True)
    out.print("  3. See whether all is well, then fetch:", soft_wrap=True)
    out.print(f"       mirror check{option}\n       mirror sync{option}", soft_wrap=True)
    return 0


def _write(path: Path, text: str, *, is_forced: bool) -> None:
    """Write a file for its owner's eyes: there as a whole or not at all, and never over another one unasked."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        try:
            if is_forced:
                draft.replace(path)
            else:
                os.link(draft, path)  # unlike a rename, this fails where something is already
        finally:
            draft.unlink(missing_ok=True)
    except FileExistsError:
        raise ConfigError(f"{path} is already there and was left as it is; --force replaces it") from None
    except OSError as error:
        raise ArchiveError(f"{path} cannot be written: {error.strerror}") from None


def check(
    archive: ArchiveDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
    verbose: Verbosity = 0,
    log_json: LogFile = None,
) -> int:
    """Try the setup: configuration, disk, credentials, races, image host.

    Each line says what to do. Nothing is stored.
    """
    settings = load_settings(archive, config)
    secrets = settings.credentials().secrets()
    set_up_logging(verbosity=verbose, is_quiet=not verbose, file=log_json, secrets=secrets)
    findings = run(lambda _: _check(settings, as_json=as_json))
    failed = [each for each in findings if each.exit_code]
    if as_json:
        typer.echo(to_json([asdict(each) for each in findings]))
    elif not failed:
        typer.echo("\nAll is well. Next: mirror sync")
    if failed and sys.stdout.isatty() and not as_json:
        # Each stands on the screen already, with its advice.
        CAUSES.error("not ready: %s", ", ".join(dict.fromkeys(each.what for each in failed)))
    else:
        for each in failed:
            CAUSES.error("%s: %s", each.what, each.text)
    return failed[0].exit_code if failed else 0


async def _check(settings: "Config", *, as_json: bool) -> "list[Finding]":
    from mirror.check import check_setup

    out = None if as_json else console()
    findings = []
    async with contextlib.aclosing(check_setup(settings)) as found:  # type: ignore[type-var]  # a generator, closable
        async for each in found:
            findings.append(each)
            if out is not None:
                _show(each)
    return findings


def _show(finding: "Finding") -> None:
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=4)
    table.add_column(width=13)
    table.add_column(overflow="fold")
    table.add_row(Text(finding.verdict, _STYLES[finding.verdict]), finding.what, Text(printable(finding.text)))
    console().print(Padding(table, (0, 0)))
