"""Where text for people goes: through rich in a terminal, straight out where rich would change nothing.

rich takes 25 ms to import, which a run that nobody looks at (a timer, a pipe) need not spend.
"""

import os
import sys
from functools import cached_property
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

_WISHES = ("COLUMNS", "FORCE_COLOR", "TTY_COMPATIBLE")
"""Whoever sets one of these has a wish about looks that rich knows."""
_WIDTH = 80
"""Where nothing says how wide it is, rich breaks longer lines."""


class Screen:
    """Standard output or standard error.

    Args:
        console: Stands for it.
        is_error: Standard error; there lines are never broken.
    """

    def __init__(self, console: "Console | None" = None, *, is_error: bool) -> None:
        self._given = console
        self._is_error = is_error

    @cached_property
    def console(self) -> "Console":
        """What rich makes of it."""
        from rich.console import Console

        if self._given is not None:
            return self._given
        if self._is_error:
            return Console(stderr=True, highlight=False)
        return Console(highlight=False, markup=False, emoji=False)

    @property
    def is_live(self) -> bool:
        """Whether it can show what changes."""
        return not self._is_plain and self.console.is_terminal and not self.console.is_dumb_terminal

    def print(self, text: str, style: str = "") -> None:
        """Print lines of text, in a style where there are any."""
        if self._is_plain and self._is_simple(text):
            self._print_plainly(text)
            return
        from rich.text import Text

        self.console.print(Text(text, style=style), soft_wrap=self._is_error)

    @property
    def _stream(self) -> TextIO | None:
        return sys.stderr if self._is_error else sys.stdout

    @property
    def _is_plain(self) -> bool:
        """Whether it is no terminal, and nothing else says how it should look."""
        if self._given is not None or self._stream is None or self._stream.isatty():
            return False
        # rich takes the width of whatever terminal there is.
        return not any(name in os.environ for name in _WISHES) and not any(os.isatty(number) for number in range(3))

    def _is_simple(self, text: str) -> bool:
        return all(
            line.isascii() and line.isprintable() and (self._is_error or len(line) < _WIDTH)
            for line in text.split("\n")
        )

    def _print_plainly(self, text: str) -> None:
        stream = self._stream
        try:
            print(text, file=stream, flush=True)
        except BrokenPipeError:
            self.console.on_broken_pipe()  # it ends the program, as when rich prints
