"""Helpers: processes forked from this one, which fetch while it lists, records and publishes.

A fork costs some milliseconds and shares what is loaded already. It must come before the first thread, so it comes
before anybody knows whether there is work; a helper that gets none does nothing but end with this process.
"""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from mirror.cluster.helping import help_over

log = logging.getLogger(__name__)

_MOST_OF_ITSELF = 2
"""More than that one process cannot list, record and publish for."""
_PLACES_EACH = 4
"""Fewer requests at once than that are no work for a process."""
_DESERVING_CORES = 2
_IGNORED = (signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if sys.platform != "win32" else []))
_ENDING_S, _DYING_S = 10.0, 1.0
"""What they get to keep what can be resumed, and how long one that was killed is waited for: a disk may hold it."""
_LOOK_S = 0.005
_STREAMS = 3


@dataclass(slots=True)
class Helper:
    """One forked process.

    Args:
        pipe: Both ways; its end here.
    """

    pid: int
    pipe: socket.socket = field(repr=False)
    ended: str = ""
    """How it ended; empty while it lives."""

    @property
    def address(self) -> str:
        """What it is called in messages."""
        return f"process {self.pid}"

    def look(self) -> bool:
        """Say whether it has ended, and note how."""
        if not self.ended:
            with contextlib.suppress(ChildProcessError):
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid == 0:
                    return False
                code = os.waitstatus_to_exitcode(status)
                self.ended = f"it was killed by {signal.Signals(-code).name}" if code < 0 else f"it ended with {code}"
            self.ended = self.ended or "it has ended"
        return True

    def kill(self) -> None:
        """End it at once, whatever it is at."""
        # Nobody else can bear its number before we have looked.
        if not self.look():
            with contextlib.suppress(ProcessLookupError):  # where nobody is told how children end
                os.kill(self.pid, signal.SIGKILL)


def helpers_of_itself(places: int) -> int:
    """Say how many helpers serve best where nobody said how many.

    Args:
        places: Requests at once, over all of them.
    """
    if sys.platform != "linux":  # elsewhere system libraries do not bear a fork, or there is none
        return 0
    cores = len(os.sched_getaffinity(0))
    return min(_MOST_OF_ITSELF, places // _PLACES_EACH) if cores >= _DESERVING_CORES else 0


@contextlib.contextmanager
def forked_helpers(count: int) -> Iterator[tuple[Helper, ...]]:
    """Fork so many helpers, or as many as the system grants, and end them at the end.

    No thread may run yet, nor an event loop.
    """
    helpers: list[Helper] = []
    # What lies there already is not looked through in the children: each look would copy it.
    gc.freeze()
    try:
        with _deaf():
            _fork_all(count, helpers)
        yield tuple(helpers)
    finally:
        _end(helpers)


@contextlib.contextmanager
def _deaf() -> Iterator[None]:
    """Let signals wait: none may meet a helper that does not ignore it yet, nor one that nobody has noted."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _IGNORED)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _fork_all(count: int, into: list[Helper]) -> None:
    try:
        while len(into) < count:
            into.append(_fork(into))
    except OSError as error:
        log.info("%s helpers instead of %s: %s", len(into), count, error)


def _end(helpers: Sequence[Helper]) -> None:
    """Hang up on all, and wait for them: they keep what can be resumed. Who cannot wait, or need not, kills them."""
    for each in helpers:
        each.pipe.close()
    try:
        _wait(helpers, _ENDING_S)
    finally:
        for each in helpers:
            each.kill()
        _wait(helpers, _DYING_S)


def _wait(helpers: Sequence[Helper], longest_s: float) -> None:
    until = time.monotonic() + longest_s
    while not all(each.look() for each in helpers) and time.monotonic() < until:
        time.sleep(_LOOK_S)


def _fork(others: Sequence[Helper]) -> Helper:
    ours, its = socket.socketpair()
    try:
        pid = os.fork()
    except OSError:
        ours.close()
        its.close()
        raise
    if pid:
        its.close()
        return Helper(pid, ours)
    code = 1
    try:
        # Held here too, they would outlive this program's own end of them.
        for each in (ours, *(other.pipe for other in others)):
            each.close()
        _settle(its.fileno())
        asyncio.run(help_over(its))
        code = 0
    finally:
        os._exit(code)


def _settle(pipe: int) -> None:
    """Become a process that only its pipe speaks to: a signal is for the one that forked it, a terminal too."""
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _IGNORED)
    logging.getLogger().handlers.clear()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in range(_STREAMS):
        # Where a program is started without one of them, the pipe has its number.
        if stream != pipe:
            os.dup2(nowhere, stream)
    if nowhere >= _STREAMS:
        os.close(nowhere)
