"""Options that several commands take."""

from pathlib import Path
from typing import Annotated

import typer

from mirror.root import ArchiveRoot, is_url, parse_root


def root_of(text: str | ArchiveRoot) -> ArchiveRoot:
    """Read the place of an archive as people give it: a folder, or an address in a bucket.

    Raises:
        BadParameter: An address that is none.
    """
    if isinstance(text, ArchiveRoot):
        return text
    try:
        return parse_root(text) if is_url(text) else ArchiveRoot(Path(text))
    except ValueError as error:
        # What was given is not shown: there may be a password in it.
        raise typer.BadParameter(str(error)) from None


ArchiveDir = Annotated[
    ArchiveRoot | None,
    typer.Option(
        "--archive", metavar="DIR", parser=root_of, help="The archive's folder or address, if it is not here or above."
    ),
]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="The configuration, if not mirror.toml here or above.")
]
Races = Annotated[
    list[str] | None,
    typer.Option("--race", metavar="RACE", help="Only this race: its id, address or a part of its name; repeatable."),
]
Reason = Annotated[
    str, typer.Option("--reason", metavar="WORDS", help="Only this reason, or a part of it.", show_default=False)
]
Host = Annotated[str, typer.Option("--host", metavar="HOST", help="Only this host.", show_default=False)]
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
Cluster = Annotated[
    str | None,
    typer.Option("--cluster", metavar="ADDRESS", help="Let workers of the Dask scheduler at ADDRESS fetch."),
]
LocalWorkers = Annotated[
    int | None, typer.Option("--local-workers", metavar="N", help="Let N processes of this machine fetch.")
]
