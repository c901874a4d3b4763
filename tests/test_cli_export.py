"""``mirror export`` as it is typed: what is printed, what it ends with, and that it only reads."""

import csv
import io
import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from mirror.cli import main
from mirror.export.columns import explained_columns
from tests.demo_archive import copied, demo

__all__ = ["demo"]


@pytest.fixture
def here(demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a copy of the demo's archive in it."""
    folder = copied(demo, tmp_path)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "80")
    return folder


def test_table_goes_where_it_is_asked_to(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Into a file in a folder that is made, with one line about it; or to standard output, and nothing else there."""
    assert main(["export", "csv", "--to", "out/photos.csv"]) == 0
    assert capsys.readouterr().out == "out/photos.csv: 325 photos\n"
    with closing(sqlite3.connect("photos/.mirror/manifest.sqlite")) as manifest:
        assert manifest.execute("SELECT path, kind FROM export").fetchall() == [(str(here / "out/photos.csv"), "csv")]


def test_table_on_standard_output_is_nothing_but_the_table(here: Path) -> None:
    """For a pipe: 'mirror export csv --to - | head'."""
    options = ["export", "csv", "--to", "-", "--race-day", "2026-05-17"]
    command = [sys.executable, "-m", "mirror", *options]
    done = subprocess.run(command, cwd=here, check=True, capture_output=True, text=True)
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert (len(rows), {row["race_day"] for row in rows}, done.stderr) == (235, {"2026-05-17"}, "")


def test_json_says_what_was_done(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One entry for each file or folder that was made; the second time nothing was."""
    assert main(["export", "bagit", "--to", "bags", "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert [(each["photos"], each["files"], each["unchanged"]) for each in first] == [(90, 267, 0), (235, 699, 0)]
    assert main(["export", "bagit", "--to", "bags"]) == 0
    assert capsys.readouterr().out.splitlines()[0].endswith("90 photos, 267 files unchanged")


def test_damaged_file_ends_with_1_and_is_named(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The bag of that race day is not made, the other is."""
    victim = next((here / "photos").rglob("900101_*.jpg"))
    victim.unlink()
    assert main(["export", "bagit", "--to", "bags", "--link"]) == 1
    out, err = capsys.readouterr()
    assert out == "bags/Harbour-10K-48211-2026-05-17-34168: 235 photos, 699 files\n"
    assert f"no bag of race day 2025-05-18: {victim.relative_to(here / 'photos')}: cannot be read" in err
    assert [each.name for each in (here / "bags").iterdir()] == ["Harbour-10K-48211-2026-05-17-34168"]


def test_work_of_other_programs_is_named_and_left(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """That is no failure."""
    main(["export", "xmp", "--to", "side", "--race-day", "29930"])
    sidecars = sorted((here / "side").rglob("*.xmp"))
    for each in sidecars[:12]:
        each.write_text("mine")
    capsys.readouterr()
    assert main(["export", "xmp", "--to", "side", "--race-day", "29930"]) == 0
    out, err = capsys.readouterr()
    assert out == "side: 90 photos, 78 files unchanged, 12 left alone\n"
    assert f"left as another program made it: {sidecars[0].relative_to(here)}" in err
    assert "and 2 more (--json names all)" in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["csv", "--variant", "huge"], "--variant huge: expected one of original, large, thumbnail"),
        (["csv", "--race", "999"], "'999' is no race of this archive"),
        (["csv", "--race-day", "2020-01-01"], "no photo belongs to it; there are: 2025-05-18 (29930)"),
        (["xmp"], "Give one of --to DIR (sidecars), --beside (in the archive), --embed DIR (copies)"),
        (["xmp", "--beside", "--to", "x"], "Give one of"),
        (["bagit", "--to", "photos/bags"], "photos/bags lies inside the archive"),
        (["bagit"], "Missing option '--to'"),
    ],
)
def test_wrong_usage_is_said_in_one_line(
    here: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    """Exit code 2, what was expected, and nothing is made."""
    before = sorted(each.name for each in here.iterdir())
    assert main(["export", *options]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert sorted(each.name for each in here.iterdir()) == before


def test_columns_are_explained_alike_everywhere(capsys: pytest.CaptureFixture[str]) -> None:
    """The command and the README list the same columns with the same words."""
    readme = " ".join((Path(__file__).parent.parent / "README.md").read_text().split())
    assert main(["export", "columns"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    for each in explained_columns():
        assert f"| `{each.name}` | {each.kind} | {each.what} |" in readme
        assert each.name in printed
    assert main(["export", "columns", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["name"] == "race_id"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_exports_are_made_from_media_that_cannot_be_written(here: Path) -> None:
    """A read-only archive gives all that another gives."""
    folders = [here / "photos", *(each for each in (here / "photos").rglob("*") if each.is_dir())]
    for each in folders:
        each.chmod(0o555)
    try:
        for options in (["csv"], ["sha256"], ["bagit", "--to", "bags"], ["xmp", "--embed", "copies"]):
            assert main(["export", *options]) == 0
    finally:
        for each in folders:
            each.chmod(0o755)
