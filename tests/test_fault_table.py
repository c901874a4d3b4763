"""The table of faults is complete, and names tests that exist; so do the promises of the README."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CASES = {
    "Faults": (
        "B01 B02 B03 B04 B05 B06 A01 A02 A04 A05 A07 A08 A09 A10 A13 A14 A15 A16 A18 A19 A20 A21 A24 A26 "
        "P01 P02 P05 P06 P08 W01 W02 W03 W04 W06 W08 W09 T01 T03 T04 T05 T06 T08 T12 T13 T14 "
        "S01 S02 S04 S07 S08 S10 C01 C03 C04 C05 C06 C07 C09 C10 C11 C12 R01 R02 R03 R04 R10 R11 "
        "D01 D03 D04 D05 D06 D08 D11 D12 K01 K02 K03 K04 K06 K07 M01 M03 M04 M05 M06 "
        "X01 X02 X03 X04 X06 X07 X09 X10 X11 X12 X13 X14"
    ),
    "Rules of listing": " ".join(f"L{number:02}" for number in range(1, 27)),
    "States of an asset": " ".join(f"N{number:02}" for number in range(1, 13)),
    "Odd answers of the service": " ".join(f"V{number:02}" for number in range(1, 13)),
    "Buckets": " ".join(f"O{number:02}" for number in range(1, 15)),
    "Helpers": " ".join(f"H{number:02}" for number in range(1, 16)),
}
FEWEST_PROMISES = 10


def cells(title: str) -> Iterator[tuple[str, str, str]]:
    """The rows of one table of FAULTS.md."""
    text = (HERE / "FAULTS.md").read_text().partition(f"## {title}\n")[2].partition("\n## ")[0]
    for line in text.splitlines():
        if line.startswith("| ") and not line.startswith(("| case", "| ---")):
            case, promise, tests = (cell.strip() for cell in line.strip("|").split("|"))
            yield case, promise, tests


@cache
def names_in(file: str) -> frozenset[str]:
    """The names of a file's tests; none if it is not there."""
    path = HERE / file
    tree = ast.parse(path.read_text()) if path.exists() else ast.Module([], [])
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(node.name for node in functions if node.name.startswith("test_"))


@pytest.mark.parametrize("title", CASES)
def test_table_names_every_case_once(title: str) -> None:
    """No case is missing, none stands twice, and each says what must hold."""
    rows = list(cells(title))
    assert sorted(case for case, _, _ in rows) == sorted(CASES[title].split())
    assert all(promise for _, promise, _ in rows)


@pytest.mark.parametrize("title", CASES)
def test_every_case_names_a_test_that_exists(title: str) -> None:
    """A case without a test, or with one that was renamed, is not proven."""
    for case, _, tests in cells(title):
        named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", tests)
        assert named, case
        assert ", ".join(f"`{file}::{name}`" for file, name in named) == tests, case
        assert [f"{file}::{name}" for file, name in named if name not in names_in(file)] == [], case


def test_readme_promises_what_tests_prove() -> None:
    """Each promise of the README is linked to a test that exists."""
    readme = (HERE.parent / "README.md").read_text()
    section = readme.partition("## What it promises\n")[2].partition("\n## ")[0]
    promises = re.split(r"^- ", section, flags=re.MULTILINE)[1:]
    assert len(promises) >= FEWEST_PROMISES
    for promise in promises:
        linked = re.findall(r"\[(test_\w+)\]\(tests/(test_\w+\.py)\)", promise)
        assert linked, promise
        assert [name for name, file in linked if name not in names_in(file)] == [], promise
