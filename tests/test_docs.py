"""README, example configuration, help and code say the same."""

import re
from pathlib import Path

from typer.main import get_command

ROOT = Path(__file__).parent.parent


def test_readme_begins_with_the_two_commands() -> None:
    """The first command runs the demo, the second the tests."""
    commands = re.findall(r"^    (python3 -m venv .*)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert commands[0].endswith(".venv/bin/mirror demo")
    assert commands[1].endswith("-m pytest")


def test_readme_names_every_command_and_no_other() -> None:
    """A command that people cannot type is not advertised, and none is forgotten."""
    from mirror.cli.app import program  # noqa: PLC0415 - heavy

    known = set(get_command(program()).commands)  # type: ignore[attr-defined]
    named = set(re.findall(r"(?:^\$?|`)[ ]*mirror ([a-z]+)", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert named == known


def test_exit_codes_are_documented_in_readme_and_help() -> None:
    """Both list the same codes."""
    from mirror.cli.app import program  # noqa: PLC0415 - heavy

    codes = {"0", "1", "2", "3", "4", "5", "70", "130", "143"}
    table = re.findall(r"^\| ([\d, ]+) \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert {code.strip() for cell in table for code in cell.split(",")} == codes
    assert codes <= set(re.findall(r"\d+", str(program().info.epilog)))
