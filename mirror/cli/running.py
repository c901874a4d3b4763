"""From a coroutine to an exit code: signals, errors, one line for each cause."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NoReturn

import typer

from mirror.errors import AccessError, ArchiveError, ConfigError, FetchError, ManifestError, MirrorError

EXIT_CONFIG, EXIT_REFUSED, EXIT_STORAGE, EXIT_BUSY, EXIT_BUG = 2, 3, 4, 5, 70

_CODES: list[tuple[type[MirrorError], int]] = [
    (ConfigError, EXIT_CONFIG),
    (AccessError, EXIT_REFUSED),
    (FetchError, EXIT_REFUSED),
    (ArchiveError, EXIT_STORAGE),
    (ManifestError, EXIT_BUSY),
]


def exit_code_of(error: MirrorError) -> int:
    """Turn what ended a command into its exit code."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), EXIT_BUG)


def printable(text: str) -> str:
    """Make foreign text harmless for a terminal."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)


def say_error(text: str) -> None:
    """Print one cause, line by line, to standard error."""
    for line in printable(text).splitlines():
        print(f"mirror: {line}", file=sys.stderr)  # noqa: T201 - this is where errors are said


def end(error: MirrorError) -> NoReturn:
    """Say what ended the command, and exit."""
    say_error(str(error))
    raise typer.Exit(exit_code_of(error)) from None


def run(body: Callable[[asyncio.Event], Awaitable[int]], *, is_quiet: bool = False) -> NoReturn:
    """Run a command's coroutine to its exit code.

    The first SIGINT or SIGTERM sets the event that the body gets; the second cancels it. Both leave a sound archive.
    """
    received: list[int] = []

    async def main() -> int:
        stop = asyncio.Event()
        task = asyncio.current_task()
        loop = asyncio.get_running_loop()

        def on_signal(number: int) -> None:
            received.append(number)
            if len(received) == 1:
                stop.set()
                if not is_quiet:
                    say_error("stopping: what is on its way is put in order (once more to stop at once)")
            elif task is not None:
                task.cancel()

        with contextlib.suppress(NotImplementedError):  # Windows
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, on_signal, number)
        return await body(stop)

    try:
        code = asyncio.run(main())
    except MirrorError as error:
        say_error(str(error))
        code = exit_code_of(error)
    except (asyncio.CancelledError, KeyboardInterrupt):
        code = 128 + signal.SIGINT
    if received:
        code = 128 + received[0]
    raise typer.Exit(code)


def find_archive(start: Path) -> Path | None:
    """Find an archive's root in a folder or above it."""
    folder = start.absolute()
    return next((each for each in (folder, *folder.parents) if (each / ".mirror").is_dir()), None)
