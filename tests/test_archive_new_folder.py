"""Folders that have their name only when they are whole."""

import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from mirror.archive import new_folder
from mirror.archive import new_folder as make
from mirror.errors import ArchiveError


def build(target: Path, text: str) -> None:
    """Build a folder with one file."""
    with new_folder(target) as building:
        (building.path / "deep").mkdir()
        (building.path / "deep" / "file").write_text(text)


def test_folder_replaces_an_older_one_as_a_whole(tmp_path: Path) -> None:
    """While it is built the older one stands there; afterwards nothing of it is left."""
    build(tmp_path / "bag", "old")
    (tmp_path / "bag" / "only-old").touch()
    with new_folder(tmp_path / "bag") as building:
        (building.path / "file").write_text("new")
        assert (tmp_path / "bag" / "deep" / "file").read_text() == "old"
    assert [each.name for each in (tmp_path / "bag").iterdir()] == ["file"]
    assert [each.name for each in tmp_path.iterdir()] == ["bag"]


def test_folder_that_is_not_wanted_or_fails_leaves_the_older_one(tmp_path: Path) -> None:
    """And nothing beside it."""
    build(tmp_path / "bag", "old")
    with new_folder(tmp_path / "bag") as building:
        building.is_wanted = False

    def fail() -> None:
        with new_folder(tmp_path / "bag") as building:
            (building.path / "file").touch()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (tmp_path / "bag" / "deep" / "file").read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["bag"]


def _die(target: Path) -> None:
    with new_folder(target) as building:
        (building.path / "half").touch()
        os.kill(os.getpid(), signal.SIGKILL)


def test_killed_builder_leaves_the_older_folder_and_the_next_clears_up(tmp_path: Path) -> None:
    """After kill -9 the older one is whole; what was begun is swept by the next."""
    build(tmp_path / "bag", "old")
    builder = multiprocessing.get_context("spawn").Process(target=_die, args=(tmp_path / "bag",))
    builder.start()
    builder.join()
    assert builder.exitcode == -signal.SIGKILL
    assert (tmp_path / "bag" / "deep" / "file").read_text() == "old"
    build(tmp_path / "bag", "new")
    assert (tmp_path / "bag" / "deep" / "file").read_text() == "new"
    assert [each.name for each in tmp_path.iterdir()] == ["bag"]


def test_two_builders_do_not_mix(tmp_path: Path) -> None:
    """The second is refused, and takes nothing away from the first."""
    with new_folder(tmp_path / "bag") as building:
        (building.path / "file").write_text("first")
        with pytest.raises(ArchiveError, match="another export is filling it"), make(tmp_path / "bag"):
            pass
    assert (tmp_path / "bag" / "file").read_text() == "first"
