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
from collections.abc import Iterator
from dataclasses import dataclass, field

from mirror.cluster.helping import help_over

log = logging.getLogger(__name__)

_MOST_OF_ITSELF = 2
"""More than that one process cannot list, record and publish for."""
_PLACES_EACH = 4
"""Fewer requests at once than that are no work for a process."""
_DESERVING_CORES = 2
_IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_ENDING_S = 5.0
_LOOK_S = 0.005


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

    def end(self) -> None:
        """Hang up, and wait for it: it keeps what can be resumed."""
        self.pipe.close()
        until = time.monotonic() + _ENDING_S
        while not self.look():
            if time.monotonic() > until:
                os.kill(self.pid, signal.SIGKILL)
            time.sleep(_LOOK_S)


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
    """Fork so many helpers, and end them at the end; no thread may run yet, nor an event loop."""
    helpers: list[Helper] = []
    # What lies there already is not looked through in the children: each look would copy it.
    gc.freeze()
    try:
        for _ in range(count):
            helpers.append(_fork(helpers))
        yield tuple(helpers)
    finally:
        for each in helpers:
            each.end()


def _fork(others: list[Helper]) -> Helper:
    ours, its = socket.socketpair()
    pid = os.fork()
    if pid:
        its.close()
        return Helper(pid, ours)
    code = 1
    try:
        # Held here too, they would outlive this program's own end of them.
        for each in (ours, *(other.pipe for other in others)):
            each.close()
        _settle()
        asyncio.run(help_over(its))
        code = 0
    finally:
        os._exit(code)


def _settle() -> None:
    """Become a process that only its pipe speaks to: a signal is for the one that forked it, a terminal too."""
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    logging.getLogger().handlers.clear()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nowhere, stream)
    os.close(nowhere)
