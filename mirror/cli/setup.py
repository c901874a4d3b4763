"""``mirror init`` and ``mirror check``."""

import asyncio
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from mirror.cli.logs import set_up_logging
from mirror.cli.options import ArchiveDir, AsJson, ConfigFile, config_for
from mirror.cli.running import end, printable, run
from mirror.errors import ArchiveError, ConfigError, MirrorError


def init(
    folder: Annotated[Path, typer.Argument(help="Where to write it.")] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is already there.")] = False,
) -> None:
    """Write mirror.toml: every setting with its default and what it is for."""
    from mirror.config import FILE_NAME, example_text

    path = folder / FILE_NAME
    try:
        if path.exists() and not force:
            raise ConfigError(f"{path} is already there; --force replaces it")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            draft = path.with_suffix(".toml.new")
            # A secret may be put into it: for its owner's eyes only.
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write(example_text())
            draft.replace(path)
        except OSError as error:
            raise ArchiveError(f"{path} cannot be written: {error.strerror}") from None
    except MirrorError as error:
        end(error)
    typer.echo(
        f"{path} is written. Next:\n"
        "  1. put your race into it: a [[races]] block ('mirror races NAME' finds ids)\n"
        "  2. export MIRROR_API__KEY=... MIRROR_API__SECRET=...   (or see [api] in the file)\n"
        "  3. mirror check\n"
        "  4. mirror sync"
    )


def check(config: ConfigFile = None, archive: ArchiveDir = None, as_json: AsJson = False) -> None:
    """Try the setup: configuration, credentials, races, image host, disk. Each line says what to do."""
    from mirror.check import check_setup

    try:
        settings = config_for(config, archive)
        secrets = settings.credentials().secrets()
        set_up_logging(verbose=0, is_quiet=True, file=None, secrets=secrets)
    except MirrorError as error:
        end(error)

    async def body(_: asyncio.Event) -> int:
        findings = []
        async for finding in check_setup(settings):
            findings.append(finding)
            if not as_json:
                typer.echo(printable(f"{finding.verdict:>5}  {finding.text}"))
        if as_json:
            typer.echo(json.dumps([asdict(each) for each in findings]))
        elif all(each.exit_code == 0 for each in findings):
            typer.echo("\nAll is well. Next: mirror sync")
        return next((each.exit_code for each in findings if each.exit_code), 0)

    run(body)
