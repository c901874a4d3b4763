"""Text for people: without a terminal it comes without rich, and byte for byte as rich would print it."""

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from mirror.progress.screen import Screen, _folded, _is_simple

_BROKEN_PIPE = """
import os, sys
from mirror.progress.screen import Screen
from rich.console import Console
out = Screen(Console() if sys.argv[1] == "rich" else None, is_error=False)
reading, writing = os.pipe()
os.dup2(writing, 1)
os.close(writing)
os.close(reading)
out.print("nobody reads this")
print("still here", file=sys.stderr)
"""
_PRINTS = """
import sys
from mirror.progress.screen import Screen
Screen(is_error=False).print(sys.argv[1], "bold green")
Screen(is_error=True).print(sys.argv[1])
sys.exit("rich.console" in sys.modules)
"""


def printed(text: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    """What a process without a terminal prints on both streams; it ends with 1 if it needed rich for that."""
    quiet = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "FORCE_COLOR"}}
    return subprocess.run(
        [sys.executable, "-c", _PRINTS, text], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        env=quiet | environ,
    )  # fmt: skip


def as_rich_prints(text: str, *, soft_wrap: bool) -> str:
    """The same by rich alone, where it knows no width."""
    console = Console(file=io.StringIO(), width=80, highlight=False, markup=False, emoji=False)
    console.print(Text(text, style="bold"), soft_wrap=soft_wrap)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("text", "needs_rich"),
    [
        ("Complete. Everything wanted is stored.", False),
        ("\nThe same command fetches [what] is new :smile:", False),
        ("x" * 79, False),
        ("word " * 30, False),
        ("x" * 81, True),
        ("Zürich", True),
        ("a bell\a", True),
    ],
)
def test_text_without_a_terminal_is_as_rich_prints_it(text: str, needs_rich: bool) -> None:
    """Plain lines need no rich; whatever rich would cut or clean goes through it."""
    done = printed(text)
    assert done.stdout == as_rich_prints(text, soft_wrap=False)
    assert done.stderr == as_rich_prints(text, soft_wrap=True)
    assert done.returncode == needs_rich


@given(st.lists(st.text("ab ", max_size=90), max_size=4).map("\n".join))
@example("x" * 79 + "  " + "y" * 80 + " z")
def test_lines_are_broken_where_rich_breaks_them(text: str) -> None:
    """Words, spaces and empty lines in any number."""
    if not _is_simple(text):
        return
    assert "\n".join(map(_folded, text.split("\n"))) + "\n" == as_rich_prints(text, soft_wrap=False)


def test_wishes_about_looks_are_heard() -> None:
    """Whoever forces colours gets them without a terminal."""
    assert "\x1b[1;32mdone" in printed("done", FORCE_COLOR="1").stdout
    assert printed("one two", COLUMNS="5").stdout == "one \ntwo\n"


@pytest.mark.parametrize("way", ["rich", "plain"])
def test_reader_that_has_gone_ends_the_program(way: str) -> None:
    """Both ways end alike when nobody reads on."""
    done = subprocess.run([sys.executable, "-c", _BROKEN_PIPE, way], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")


def test_screen_prints_on_what_stands_for_the_stream_now() -> None:
    """A stream that was replaced meanwhile is written to, as by rich."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        Screen(is_error=False).print("to the one")
        Screen(is_error=True).print("to the other")
    assert (out.getvalue(), err.getvalue()) == ("to the one\n", "to the other\n")
