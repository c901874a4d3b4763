"""What a person sees while files are looked at: one bar, as the live view of a run has two."""

import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from mirror.progress.numbers import clock_text, size_text
from mirror.progress.showing import Showing
from mirror.tally import Steps

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_WINDOW_S = 10.0
_WIDEST_BAR, _NARROWEST_BAR = 30, 8


class StepsProgress(Showing):
    """Shows counts while work is on; use it with ``with``.

    In a terminal a bar stands on standard error, elsewhere a plain line comes now and then.

    Args:
        label: What goes on, in one word.
        is_quiet: Show nothing.
        console: Where the view stands.
        clock: Seconds that only go up.
    """

    def __init__(
        self, steps: Steps, *, label: str, is_quiet: bool = False, console: "Console | None" = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        super().__init__(is_quiet=is_quiet, console=console, clock=clock)
        self._steps = steps
        self._label = label
        self._samples: deque[tuple[float, int]] = deque()

    def _rate(self) -> float:
        """Bytes per second over the last ten seconds."""
        now = (self._clock(), self._steps.done_bytes)
        self._samples.append(now)
        while now[0] - self._samples[0][0] > _WINDOW_S:
            self._samples.popleft()
        seconds = now[0] - self._samples[0][0]
        return (now[1] - self._samples[0][1]) / seconds if seconds > 0 else 0.0

    def _facts(self) -> list[str]:
        """Count, bytes, rate, time left, troubles: what a person should see first comes first."""
        steps, rate = self._steps, self._rate()
        left_s = (steps.bytes - steps.done_bytes) / rate if rate else None
        return [
            f"{steps.done:,} of {steps.files:,} files",
            *([f"{steps.found:,} not right"] if steps.found else []),
            *([f"{clock_text(left_s)} left"] if left_s is not None else []),
            *([f"{size_text(rate)}/s"] if rate else []),
        ]

    def line(self) -> str:
        """Say how far the work is, in one plain line."""
        return f"{clock_text(self._clock() - self._began_at)} {self._label.lower()} {', '.join(self._facts())}"

    def view(self) -> "Table":
        """Draw how far the work is, for a terminal of any width."""
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        text = "  ".join(self._facts())
        room = self._screen.console.width - len(self._label) - len(text) - 4
        table = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
        bar = []
        if room >= _NARROWEST_BAR:
            part = self._steps.done_bytes / self._steps.bytes if self._steps.bytes else 0.0
            bar = [
                ProgressBar(total=1.0, completed=min(part, 1.0), width=min(room, _WIDEST_BAR), complete_style="cyan")
            ]
        style = "yellow" if self._steps.found else ""
        table.add_row(Text(self._label, style="bold"), *bar, Text(text, style=style, no_wrap=True, overflow="ellipsis"))
        return table
