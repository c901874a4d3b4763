"""From a coroutine to its result, through signals."""

import signal
import sys
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import TYPE_CHECKING, TypeVar

from mirror.cli.exit_codes import Stopped
from mirror.errors import ArchiveError, ManifestError

if TYPE_CHECKING:
    import asyncio

STOPPING = "Stopping: finishing what is on its way (once more to stop at once)."

T = TypeVar("T")
_Handler = Callable[[int, FrameType | None], object] | int | None
_STOPPING = (signal.SIGINT, signal.SIGTERM)


def run(
    work: "Callable[[asyncio.Event], Awaitable[T]]",
    *,
    notice: str = "",
    is_quiet: bool = False,
    is_over_then: bool = False,
) -> T:
    """Run a command's coroutine.

    The first SIGINT or SIGTERM sets the event that the coroutine gets, the second cancels it; both leave a sound
    archive.

    Args:
        notice: What to say at the first signal; empty if the coroutine looks at no event: then that one cancels.
        is_quiet: Do not say it.
        is_over_then: A signal is how this is meant to end.
    Raises:
        Stopped: A signal came, even if the coroutine ended well; but a failing disk or manifest says more.
    """
    import asyncio

    received: list[int] = []

    def record(number: int, _: FrameType | None) -> None:
        received.append(number)

    # While the event loop is made or closed nothing may be raised: half a loop cannot be thrown away.
    before = {number: signal.signal(number, record) for number in _STOPPING}

    async def guarded() -> T:
        stop = asyncio.Event()
        if not _listen(received, stop, "" if is_quiet else notice, can_finish=bool(notice)):
            _restore(before)
            return await work(stop)
        try:
            return await work(stop)
        finally:
            for number in _STOPPING:
                asyncio.get_running_loop().remove_signal_handler(number)
                signal.signal(number, record)

    try:
        result = asyncio.run(guarded())
    except (ArchiveError, ManifestError):
        raise
    except BaseException as error:
        if received:
            raise Stopped(received[0]) from error
        raise
    finally:
        _restore(before)
    if received and not is_over_then:
        raise Stopped(received[0])
    return result


def _restore(handlers: "dict[signal.Signals, _Handler]") -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)


def _listen(received: list[int], stop: "asyncio.Event", notice: str, *, can_finish: bool) -> bool:
    """Take signals from here on, for the task that is running, and those that came already; false where none can be."""
    import asyncio

    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def on_signal(number: int) -> None:
        received.append(number)
        if len(received) == 1 and can_finish:
            stop.set()
            if notice:
                sys.stderr.write(f"{notice}\n")
        elif task is not None:
            task.cancel()

    try:
        for number in _STOPPING:
            loop.add_signal_handler(number, on_signal, number)
    except NotImplementedError:  # Windows: there Ctrl-C ends asyncio.run at once
        return False
    early = received.copy()
    received.clear()
    for each in early:
        on_signal(each)
    return True
