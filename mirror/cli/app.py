"""All commands under one name, the page that ``--help`` shows, and the last words of a command."""

import contextlib
import errno
import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, NamedTuple

import typer

from mirror import __version__
from mirror.cli.exit_codes import BUG, MEANINGS, OK, STORAGE, Stopped, exit_code
from mirror.cli.logs import CAUSES, set_up_logging
from mirror.cli.page import Command, Group
from mirror.errors import MirrorError

log = logging.getLogger(__name__)

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}

_HELP = """Archive the photos of a race from the RunSignup photo API.

Run once, it fetches every photo of a race. Run again, it fetches what is new. Killed anywhere, it goes on.
What it stores was checked first, and no sync ever deletes anything.

[bold]First steps[/]

  [cyan]mirror demo[/]                        see it work, without a key
  [cyan]mirror sync 48211 --to photos[/]      one race; the key is in MIRROR_API__KEY,
                                     its secret in MIRROR_API__SECRET
  [cyan]mirror init[/]                        a configuration for any number of races;
                                     then check, sync, status
"""

_EPILOG = "[bold]Exit codes[/]\n\n" + "\n".join(f"  [cyan]{codes:>8}[/]  {meaning}" for codes, meaning in MEANINGS)


class _Place(NamedTuple):
    """Where a command is: its panel in the help, its file in here, and its examples there."""

    panel: str
    file: str
    examples: str = "EXAMPLES"


_PLACES = {
    "sync": _Place("Fetch", "sync"),
    "watch": _Place("Fetch", "watch"),
    "retry": _Place("Fetch", "retry"),
    "demo": _Place("Set up", "demo"),
    "init": _Place("Set up", "setup", "INIT_EXAMPLES"),
    "check": _Place("Set up", "setup", "CHECK_EXAMPLES"),
    "races": _Place("Set up", "races"),
    "status": _Place("Ask", "status"),
    "find": _Place("Ask", "find"),
    "log": _Place("Ask", "log"),
    "failures": _Place("Ask", "failures"),
    "report": _Place("Ask", "report"),
    "gallery": _Place("Hand on", "gallery"),
    "export": _Place("Hand on", "export"),
    "verify": _Place("Keep", "verify"),
    "rebuild": _Place("Keep", "rebuild"),
    "forget": _Place("Keep", "forget"),
    "prune": _Place("Keep", "prune"),
}


def program(arguments: Sequence[str] = ()) -> typer.Typer:
    """Put the program together: with the one command that is asked for first, or with all where none is.

    Commands are imported here, so that none waits for the others.
    """
    app = typer.Typer(
        cls=Group,
        help=_HELP, epilog=_EPILOG, rich_markup_mode="rich", pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )  # fmt: skip
    app.callback(invoke_without_command=True)(_face)
    for name in arguments[:1] if arguments and arguments[0] in _PLACES else _PLACES:
        _add(app, name, _PLACES[name])
    return app


def _add(app: typer.Typer, name: str, place: _Place) -> None:
    file = import_module(f"mirror.cli.{place.file}")
    if name == "export":  # one with commands of its own
        app.add_typer(file.app, name=name, rich_help_panel=place.panel)
        return
    examples = f"[bold]Examples[/]\n\n{getattr(file, place.examples)}"
    app.command(name, cls=Command, epilog=examples, rich_help_panel=place.panel)(getattr(file, name))


def _face(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Say the version and exit.")] = False,
) -> None:
    if version:
        typer.echo(f"mirror {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), nl=False)


def run_command(arguments: Sequence[str] | None = None) -> int:
    """Run one command; whatever ends it is said in plain lines, one for each cause."""
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal cannot show must not end a command.
        with contextlib.suppress(AttributeError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a test's stand-in has none
    set_up_logging()
    words = sys.argv[1:] if arguments is None else arguments
    try:
        ended = program(words)(args=words, prog_name="mirror", standalone_mode=False)
    except MirrorError as error:
        CAUSES.error("%s", error)
        log.debug("ended by", exc_info=error)
        return exit_code(error)
    except Stopped as error:
        CAUSES.error("%s; %s", error, error.outcome)
        return exit_code(error)
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python must not try to flush the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except Exception as error:  # noqa: BLE001 - the one place that turns a bug into one line
        if isinstance(error, OSError) and error.errno in _FULL:
            # All that is stored raises errors of ours: this was our own output.
            CAUSES.error("the output could not be written: %s", error.strerror)
            return STORAGE
        if exit_code(error) != BUG:
            CAUSES.error("%s", _usage(error))
            return exit_code(error)
        CAUSES.critical("a bug: %s; please report it (--verbose shows more)", _place(error), exc_info=error)
        return BUG
    return ended if isinstance(ended, int) else OK


def _usage(error: Exception) -> str:
    """What the argument parser says, in one line, and where to look."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "mirror"
    message = error.format_message()  # type: ignore[attr-defined]  # what wrong usage is known by
    return f"{message.strip().rstrip('.')} (see '{command} --help')"


def _place(error: BaseException) -> str:
    """Name a bug and where it happened."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" in {os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}" if trace else ""  # noqa: PTH119
    return f"{type(error).__name__}: {error}{place}"
