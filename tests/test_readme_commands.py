r"""Every example of the README works: its ``console`` blocks are typed into a folder with the demo's archive.

A block begins with three backticks and ``console``; its lines that begin with ``$ mirror`` are run one after the other,
in the order of the README, in a folder that holds ``mirror.toml``, the archive ``photos`` and ``results.csv``. The demo's service is
there too. What else the block shows is sample output. Behind ``console`` may stand

- ``no-run``: not for a test, since it goes on for ever, or needs another world;
- ``exit-1``: the code that each line of the block ends with, where it is not 0.
"""

import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from mirror.cli import main
from tests.demo_archive import copied, demo

__all__ = ["demo"]

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
SHELL = re.compile(r"[|<>;&$*`]")


@dataclass(frozen=True, slots=True)
class Block:
    """One block of examples."""

    section: str
    info: tuple[str, ...]
    commands: tuple[str, ...]

    @property
    def expected_code(self) -> int:
        """What each line ends with."""
        return next((int(word.removeprefix("exit-")) for word in self.info if word.startswith("exit-")), 0)


def blocks_of(text: str) -> list[Block]:
    """The blocks of a text, each with the heading above it."""
    found = []
    section = ""
    for heading, info, body in re.findall(r"^(?:#+ (.+)|```console *(.*)\n((?:(?!```).*\n)*)```)$", text, re.MULTILINE):
        section = heading or section
        if not heading:
            commands = tuple(re.findall(r"^\$ (mirror .+)$", body, re.MULTILINE))
            found.append(Block(section, tuple(info.split()), commands))
    return found


BLOCKS = blocks_of(README)
RUN = [block for block in BLOCKS if "no-run" not in block.info]


@pytest.fixture(scope="module")
def folder(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all examples: what one of them leaves the next one finds."""
    return copied(demo, tmp_path_factory.mktemp("readme"))


def run(command: str, folder: Path) -> int:
    """Type one line; with the shell's own signs in it, into a shell that knows ``mirror``."""
    if not SHELL.search(command):
        return main(shlex.split(command)[1:])
    shim = f'mirror() {{ {shlex.quote(sys.executable)} -m mirror "$@"; }}\n'
    done = subprocess.run(["sh", "-c", shim + command], cwd=folder, check=False, stdin=subprocess.DEVNULL)  # noqa: S607
    return done.returncode


@pytest.mark.parametrize("block", RUN, ids=[f"{block.section}-{at}" for at, block in enumerate(RUN)])
def test_example_of_the_readme_works(
    block: Block, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each line ends with the code that is promised, and shows no traceback."""
    monkeypatch.chdir(folder)
    assert block.commands
    for command in block.commands:
        code = run(command, folder)
        out, err = capfd.readouterr()
        assert code == block.expected_code, f"{command}\n{out}{err}"
        assert "Traceback" not in out + err, command


def test_blocks_are_read_as_they_are_meant() -> None:
    """The headings, the marks, the commands, and nothing of the output."""
    text = "# A\n\n```console\n$ mirror x 1\nsays mirror\n$ ls\n```\n## B\n```console no-run exit-3\n$ mirror y\n```\n"
    first, second = blocks_of(text)
    assert first == Block("A", (), ("mirror x 1",))
    assert (second.section, second.expected_code, "no-run" in second.info) == ("B", 3, True)
    assert len(BLOCKS) == README.count("\n```console")
