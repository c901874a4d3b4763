"""All commands under one name, and the page that ``--help`` shows."""

import sys
from typing import Annotated

import typer

from mirror import __version__
from mirror.cli import demo, look, setup, sync
from mirror.cli.running import EXIT_BUG, say_error

_HELP = """Archive the photos of a race from the RunSignup photo API.

Run once, it archives a race; run again, it fetches what is new; killed anywhere, it goes on.

First steps:

  mirror demo                             see it work, without a key

  mirror sync 48211 --to photos           one race, credentials in MIRROR_API__KEY and MIRROR_API__SECRET

  mirror init                             write mirror.toml for any number of races; then check, sync, status
"""

_EPILOG = """Exit codes: 0 everything wanted is stored; 1 finished, but something wanted is missing (each is named);
2 wrong usage or configuration; 3 the service refused, or a listing could not be completed; 4 the disk took no more;
5 the archive is in use, damaged, or of a newer version; 130 and 143 stopped by SIGINT and SIGTERM; 70 a bug."""

app = typer.Typer(
    help=_HELP, epilog=_EPILOG, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip


def _version(value: bool) -> None:
    if value:
        typer.echo(f"mirror {__version__}")
        raise typer.Exit


@app.callback()
def _face(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    pass


app.command("sync")(sync.sync)
app.command("demo")(demo.demo)
app.command("init")(setup.init)
app.command("check")(setup.check)
app.command("races")(look.races)
app.command("status")(look.status)


def main() -> None:
    """Run the command line; no traceback reaches a user."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)
    except Exception as error:  # noqa: BLE001 - the last place that can turn a bug into one line
        say_error(f"a bug: {type(error).__name__}: {error}; please report it with what you typed")
        sys.exit(EXIT_BUG)
