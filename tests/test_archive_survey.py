"""A look at a whole tree, whoever filled it: in a fixed order, through no link, and flushed where that takes a call each."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mirror.archive import Entry, LocalArchive
from mirror.archive.flush import System


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncIterator[LocalArchive]:
    """An empty archive on a disk that is flushed file by file."""
    archive = await LocalArchive.open(tmp_path / "archive", create=True, system=System())
    yield archive
    await archive.aclose()


async def entries(archive: LocalArchive, below: str = "") -> list[Entry]:
    """All entries of a survey in small batches."""
    return [entry async for batch in archive.survey(below, batch=2) for entry in batch]


async def test_survey_names_files_of_a_folder_before_those_below_it(archive: LocalArchive) -> None:
    """In the order of their names, with their sizes, and without our own folder."""
    for key in ("b/2.jpg", "b/1.jpg", "b/c/x.jpg", "a/z.jpg", "top.txt"):
        (archive.root / key).parent.mkdir(parents=True, exist_ok=True)
        (archive.root / key).write_bytes(b"x" * len(key))
    found = await entries(archive)
    assert [(each.key, each.size_bytes) for each in found] == [
        (key, len(key)) for key in ("top.txt", "a/z.jpg", "b/1.jpg", "b/2.jpg", "b/c/x.jpg")
    ]


async def test_survey_follows_no_link(archive: LocalArchive, tmp_path: Path) -> None:
    """Links are named as what they are, wherever they lead."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret.jpg").write_bytes(b"x")
    (archive.root / "in").symlink_to(tmp_path / "outside")
    (archive.root / "loop").symlink_to(archive.root)
    assert [(each.key, each.trouble.split(",")[0]) for each in await entries(archive)] == [
        ("in", "a link"), ("loop", "a link"),
    ]  # fmt: skip


async def test_survey_of_a_folder_that_is_not_there_is_empty(archive: LocalArchive) -> None:
    """An archive without versions has none; one in which a file has their name is told of."""
    assert await entries(archive, ".mirror/versions") == []
    (archive.state / "versions").write_text("in the way")
    assert [each.key for each in await entries(archive, ".mirror/versions")] == [".mirror/versions"]


@pytest.mark.parametrize(("has_syncfs", "expected"), [(False, ["a", "a/1.jpg", "archive"]), (True, [])])
async def test_adopted_files_and_folders_are_flushed(tmp_path: Path, *, has_syncfs: bool, expected: list[str]) -> None:
    """One by one where there is no call for all: what somebody copied there may not be on the disk yet."""
    flushed: list[int] = []
    everything: list[int] = []
    system = System(
        flush_one=lambda descriptor: flushed.append(os.fstat(descriptor).st_ino),
        flush_all=everything.append if has_syncfs else None,
    )
    archive = await LocalArchive.open(tmp_path / "archive", create=True, system=system)
    (archive.root / "a").mkdir()
    (archive.root / "a/1.jpg").write_bytes(b"x")
    flushed.clear()
    await archive.flush_files(["a/1.jpg"])
    await archive.flush_folders([(), ("a",)])
    await archive.aclose()
    inodes = {(archive.root / name).stat().st_ino: name for name in ("a", "a/1.jpg")}
    inodes[archive.root.stat().st_ino] = "archive"
    assert sorted(inodes[each] for each in flushed) == expected
    assert bool(everything) == has_syncfs
