"""The command line: arguments, logging, signals, exit codes."""

import atexit
import gc
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from mirror.cli.exit_codes import STORAGE, Stopped, exit_code

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

__all__ = ["main", "run"]

_OBJECTS_BETWEEN_LOOKS = 20_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; no traceback reaches a user.

    Args:
        arguments: What was typed behind ``mirror``; None takes the process's own.
    """
    # Imports and pages make many objects and hardly a cycle: looking for cycles less often saves a tenth of all work.
    gc.set_threshold(_OBJECTS_BETWEEN_LOOKS)
    # Before and after a command's own handlers too, SIGTERM must be as orderly as Ctrl-C.
    before = signal.signal(signal.SIGTERM, _on_sigterm)
    hook, sys.unraisablehook = sys.unraisablehook, _on_unraisable
    try:
        from mirror.cli.app import run_command

        return run_command(arguments)
    except (KeyboardInterrupt, Stopped) as error:
        sys.stderr.write("mirror: stopped\n")
        return exit_code(error)
    finally:
        signal.signal(signal.SIGTERM, before)
        sys.unraisablehook = hook


def run() -> NoReturn:
    """Be the program ``mirror``: run a command, and end without taking apart every module first.

    That would take as long as a tenth of a second, and everything of ours is closed by now.
    """
    try:
        code = main()
    except (KeyboardInterrupt, Stopped) as error:  # it came while the command was being left
        code = exit_code(error)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except BrokenPipeError:
            pass  # whoever read it has seen enough
        except (OSError, ValueError) as error:
            code = code or _unwritten(error)
    atexit._run_exitfuncs()  # noqa: SLF001 - what libraries asked for
    os._exit(code)


def _unwritten(error: OSError | ValueError) -> int:
    os.write(2, f"mirror: the output could not be written: {getattr(error, 'strerror', None) or error}\n".encode())
    return STORAGE


def _on_sigterm(number: int, _: FrameType | None) -> None:
    raise Stopped(number)


def _on_unraisable(lost: "UnraisableHookArgs", /) -> None:
    """End at once when a stop was raised where Python drops it: while an object was being thrown away."""
    if isinstance(lost.exc_value, (KeyboardInterrupt, Stopped)):
        sys.stderr.write("mirror: stopped\n")
        sys.stderr.flush()
        os._exit(exit_code(lost.exc_value))
    sys.__unraisablehook__(lost)
