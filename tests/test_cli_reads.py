"""The commands that ask the archive: what they print, what they end with, and what they say to wrong usage."""

import json
import re
from pathlib import Path

import pytest

from mirror.cli import main
from tests.demo_archive import demo

__all__ = ["demo"]


@pytest.fixture(autouse=True)
def here(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Type in the demo's folder, eighty columns wide."""
    monkeypatch.chdir(demo)
    monkeypatch.setenv("COLUMNS", "80")


def test_find_says_which_bib_nobody_wears(capsys: pytest.CaptureFixture[str]) -> None:
    """What is there is listed all the same, and the exit code is 1."""
    assert main(["find", "1127", "01127"]) == 1
    out, err = capsys.readouterr()
    assert "900151  bib 1029, 1127" in out
    assert "photos/Harbour-10K-48211/2025-05-18-29930/original/900151_DSC_1050.jpg" in out
    assert "no photo shows bib 01127, but there is 1127 (4 photos): bibs are text" in err


def test_find_speaks_json(capsys: pytest.CaptureFixture[str], demo: Path) -> None:
    """Photos with their files, each with a path that is there."""
    assert main(["find", "1127", "5", "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert [each["photo_id"] for each in answer["photos"]] == [900151, 900183, 900225, 900228]
    assert all(Path(file["path"]).is_file() for each in answer["photos"] for file in each["files"])
    assert answer["absent"] == [{"bib": "5", "elsewhere": 0, "near": []}]
    assert answer["archive"] == str(demo / "photos")


def test_log_counts_what_each_run_brought(capsys: pytest.CaptureFixture[str]) -> None:
    """New photos by race day, bibs photo by photo, the rest counted and where to see it."""
    assert main(["log"]) == 0
    out = capsys.readouterr().out
    assert "210 new photos of Harbour 10K 2026-05-17" in out
    assert "25 new photos of Harbour 10K 2026-05-17" in out
    assert re.search(r"bibs changed on 6 photos\n +photo 9\d+  bib 14\d\d added, 1\d\d\d removed", out)
    assert max(map(len, out.splitlines())) <= 80


def test_log_tells_a_runner_what_changed(capsys: pytest.CaptureFixture[str]) -> None:
    """One bib, one line; before the first run there was nothing."""
    assert main(["log", "--bib", "1403", "--since", "today"]) == 0
    (_, line) = capsys.readouterr().out.splitlines()
    assert "bib 1403 added" in line
    assert main(["log", "--bib", "1403", "--until", "2020"]) == 0
    assert capsys.readouterr().out == "Nothing changed.\n"
    assert main(["log", "--bib", "1403", "--json"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)
    assert entry["run"]["command"] == "sync"
    assert {"bib added", "bib removed"} == {each["what"] for each in entry["changes"]}


def test_report_fits_the_terminal_and_speaks_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Charts in eighty columns, the same facts as JSON, and a page where it was asked for."""
    words = ["report", "--race", "34168", "--start-list", "results.csv"]
    assert main([*words, "--html", str(tmp_path / "page.html")]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines()[:-1])) <= 80
    assert "of 360 bibs have a photo" in out
    assert (tmp_path / "page.html").is_file()
    assert main([*words, "--json"]) == 0
    (day,) = json.loads(capsys.readouterr().out)["days"]
    assert (day["photos"], day["start_list"]["listed"]) == (235, 360)
    assert sum(bar["photos"] for bar in day["taken"]) + sum(bar["photos"] for bar in day["uploaded"]) == 235


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["find"], "which photos?"),
        (["find", "1", "--untagged"], "not untagged"),
        (["find", "1", "--variant", "huge"], "original, large, thumbnail"),
        (["find", "1", "--link"], "--to DIR"),
        (["find", "1127", "--link", "--to", "x.zip"], "ZIP"),
        (["find", "1", "--since", "soon"], "--since 'soon' is no moment"),
        (["find", "1", "--race", "marathon"], "there are: 48211 (Harbour 10K)"),
        (["report", "--bib-column", "x"], "--start-list CSV"),
        (["report", "--start-list", "results.csv"], "29930 (Harbour 10K, 2025-05-18), 34168"),
        (["report", "--start-list", "absent.csv"], "absent.csv: cannot be read"),
        (["log", "--run", "99"], "no run 99; the newest is 2"),
    ],
)
def test_wrong_usage_is_told(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and one line."""
    assert main(words) == 2
    assert message in capsys.readouterr().err
