"""Where text for people goes: through rich in a terminal, straight out where rich would change nothing.

rich takes 25 ms to import, which a run that nobody looks at (a timer, a pipe) need not spend.
"""

import os
import re
import sys
from functools import cached_property
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

_WISHES = ("COLUMNS", "FORCE_COLOR", "TTY_COMPATIBLE")
"""Whoever sets one of these has a wish about looks that rich knows."""
_WIDTH = 80
"""Where nothing says how wide it is, rich breaks longer lines between words."""
_WORD = re.compile(r"\s*\S+\s*")


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
        if self._is_plain and _is_simple(text):
            self._print_plainly(text if self._is_error else "\n".join(map(_folded, text.split("\n"))))
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

    def _print_plainly(self, text: str) -> None:
        try:
            print(text, file=self._stream, flush=True)
        except BrokenPipeError:
            self.console.on_broken_pipe()  # it ends the program, as when rich prints


def _is_simple(text: str) -> bool:
    """Whether every character takes one column, and no word needs more than a line."""
    return (
        text.isascii()
        and all(line.isprintable() for line in text.split("\n"))
        and all(len(word) <= _WIDTH for word in text.split())
    )


def _folded(line: str) -> str:
    """Break a line between words as rich does, which keeps the spaces that fit."""
    if len(line) <= _WIDTH:
        return line
    rows = [""]
    for word in _WORD.findall(line):
        if rows[-1] and len(rows[-1]) + len(word.rstrip()) > _WIDTH:
            rows.append("")
        rows[-1] += word
    return "\n".join(row[:_WIDTH] for row in rows)
