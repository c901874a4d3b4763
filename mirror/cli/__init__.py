"""The command line: arguments, logging, signals, exit codes."""

import signal
import sys
from collections.abc import Sequence
from types import FrameType

from mirror.cli.exit_codes import Stopped, exit_code

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; no traceback reaches a user.

    Args:
        arguments: What was typed behind ``mirror``; None takes the process's own.
    """
    # Before and after a command's own handlers too, SIGTERM must be as orderly as Ctrl-C.
    before = signal.signal(signal.SIGTERM, _on_sigterm)
    try:
        from mirror.cli.app import run_command

        return run_command(arguments)
    except (KeyboardInterrupt, Stopped) as error:
        sys.stderr.write("mirror: stopped\n")
        return exit_code(error)
    finally:
        signal.signal(signal.SIGTERM, before)


def _on_sigterm(number: int, _: FrameType | None) -> None:
    raise Stopped(number)
