"""What all views have in common: a live one in a terminal, a plain line now and then elsewhere."""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from mirror.progress.screen import Screen

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

PLAIN_EVERY_S = 30.0
_POLLS_PER_S = 4


class Showing(ABC):
    """Shows something while it is on; use it with ``with``.

    Args:
        is_quiet: Show nothing.
        console: Where it stands; None takes standard error.
        plain_every_s: Seconds between plain lines.
        clock: Seconds that only go up.
    """

    def __init__(
        self, *, is_quiet: bool, console: "Console | None", plain_every_s: float = PLAIN_EVERY_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._is_quiet = is_quiet
        self._screen = Screen(console, is_error=True)
        self._plain_every_s = plain_every_s
        self._clock = clock
        self._began_at = clock()
        self._live: Live | None = None
        self._ended = threading.Event()
        self._teller: threading.Thread | None = None

    @abstractmethod
    def view(self) -> "RenderableType":
        """Draw how far it is, for a terminal of any width."""

    @abstractmethod
    def line(self) -> str:
        """Say how far it is, in one plain line."""

    def __enter__(self) -> Self:
        self._began_at = self._clock()
        if self._is_quiet:
            return self
        if self._screen.is_live:
            from rich.live import Live

            # A thread of rich's draws: the view goes on while the event loop is busy.
            self._live = Live(
                console=self._screen.console, get_renderable=self.view, refresh_per_second=_POLLS_PER_S, transient=True,
                redirect_stdout=False,
            )  # fmt: skip
            self._live.start()
        else:
            self._teller = threading.Thread(target=self._tell, name="progress", daemon=True)
            self._teller.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._live is not None:
            self._live.stop()
        if self._teller is not None:
            self._teller.join()
        if self._teller is not None and error is None:
            self._screen.print(self.line())

    def _tell(self) -> None:
        while not self._ended.wait(self._plain_every_s):
            self._screen.print(self.line())
