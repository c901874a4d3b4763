"""Ends waits that last too long, with one timer for all of them: a timer each would cost a twentieth of a request."""

import asyncio
import time


class Watch:
    """Watches over waits; each ends with TimeoutError between one and one and a quarter of the longest time.

    Args:
        longest_s: How long a wait may last.
    """

    def __init__(self, longest_s: float) -> None:
        self.longest_s = longest_s
        self._waits: dict[asyncio.Timeout, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> asyncio.Timeout:
        """Give a limit to enter at once, with ``async with``, and to `end` afterwards."""
        wait = asyncio.timeout(None)
        self._waits[wait] = time.monotonic()
        if self._timer is None:
            self._arm()
        return wait

    def begin_again(self, wait: asyncio.Timeout) -> None:
        """Give a wait that goes on the longest time once more."""
        if self._waits.pop(wait, None) is not None:
            self._waits[wait] = time.monotonic()

    def end(self, wait: asyncio.Timeout) -> None:
        """Watch a wait no more."""
        self._waits.pop(wait, None)

    def close(self) -> None:
        """Watch nothing more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self.longest_s / 4, self._look)

    def _look(self) -> None:
        self._timer = None
        now = time.monotonic()
        # The oldest stand first.
        for wait, began_at in list(self._waits.items()):
            if now - began_at < self.longest_s:
                break
            self.end(wait)
            wait.reschedule(asyncio.get_running_loop().time())
        if self._waits:
            self._arm()
