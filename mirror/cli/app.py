"""All commands under one name, the page that ``--help`` shows, and the last words of a command."""

import contextlib
import errno
import logging
import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from mirror import __version__
from mirror.cli import (
    demo,
    export,
    failures,
    find,
    forget,
    gallery,
    prune,
    races,
    rebuild,
    report,
    retry,
    setup,
    status,
    sync,
    verify,
    watch,
)
from mirror.cli import log as history
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

app = typer.Typer(
    cls=Group,
    help=_HELP, epilog=_EPILOG, rich_markup_mode="rich", pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip


@app.callback(invoke_without_command=True)
def _face(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Say the version and exit.")] = False,
) -> None:
    if version:
        typer.echo(f"mirror {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), nl=False)


for _panel, _name, _command, _examples in (
    ("Fetch", "sync", sync.sync, sync.EXAMPLES),
    ("Fetch", "watch", watch.watch, watch.EXAMPLES),
    ("Fetch", "retry", retry.retry, retry.EXAMPLES),
    ("Set up", "demo", demo.demo, demo.EXAMPLES),
    ("Set up", "init", setup.init, setup.INIT_EXAMPLES),
    ("Set up", "check", setup.check, setup.CHECK_EXAMPLES),
    ("Set up", "races", races.races, races.EXAMPLES),
    ("Ask", "status", status.status, status.EXAMPLES),
    ("Ask", "find", find.find, find.EXAMPLES),
    ("Ask", "log", history.log, history.EXAMPLES),
    ("Ask", "failures", failures.failures, failures.EXAMPLES),
    ("Ask", "report", report.report, report.EXAMPLES),
    ("Hand on", "gallery", gallery.gallery, gallery.EXAMPLES),
    ("Keep", "verify", verify.verify, verify.EXAMPLES),
    ("Keep", "rebuild", rebuild.rebuild, rebuild.EXAMPLES),
    ("Keep", "forget", forget.forget, forget.EXAMPLES),
    ("Keep", "prune", prune.prune, prune.EXAMPLES),
):
    app.command(_name, cls=Command, epilog=f"[bold]Examples[/]\n\n{_examples}", rich_help_panel=_panel)(_command)

app.add_typer(export.app, name="export", rich_help_panel="Hand on")


def run_command(arguments: Sequence[str] | None = None) -> int:
    """Run one command; whatever ends it is said in plain lines, one for each cause."""
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal cannot show must not end a command.
        with contextlib.suppress(AttributeError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a test's stand-in has none
    set_up_logging()
    try:
        ended = app(args=arguments, prog_name="mirror", standalone_mode=False)
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
