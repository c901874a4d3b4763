"""Options that several commands take."""

from pathlib import Path
from typing import Annotated

import typer

ArchiveDir = Annotated[
    Path | None, typer.Option("--archive", metavar="DIR", help="The archive's folder, if it is not here or above.")
]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="The configuration, if not mirror.toml here or above.")
]
Races = Annotated[
    list[str] | None,
    typer.Option("--race", metavar="RACE", help="Only this race: its id, address or a part of its name; repeatable."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output, and nothing else there.")]
Verbosity = Annotated[
    int,
    typer.Option(
        "--verbose", "-v", count=True, metavar="", show_default=False, help="Say what happens; -vv says everything."
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but what went wrong.")]
LogFile = Annotated[
    Path | None, typer.Option("--log-json", metavar="FILE", help="Write a log to FILE, one JSON object a line.")
]
