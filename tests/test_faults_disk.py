"""Disks and what people do to them: nothing half-published, nothing of the user's touched, nothing through a link."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from mirror import run_sync
from mirror.errors import ArchiveError
from tests.simulator import PICTURES, SourceSimulator
from tests.test_archive_disks import mount, unmount
from tests.test_cli import assert_calm, everything_in, mirror
from tests.test_sync import assert_agrees, rows, tree


@pytest.fixture
def read_only_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system that takes nothing."""
    disk = tmp_path / "photos"
    disk.mkdir()
    mount("-t", "tmpfs", "-o", "ro", "tmpfs", disk)
    yield disk
    unmount(disk)


def hidden(root: Path, *, is_resized: bool = False) -> list[Path]:
    """Lose three files of an archive, or give them another size."""
    lost = sorted(root.rglob("*.jpg"))[:3]
    for path in lost:
        path.unlink()
        if is_resized:
            path.write_bytes(b"short")
    return lost


async def test_read_only_archive_is_refused_before_any_request(tmp_path: Path, read_only_disk: Path) -> None:
    """Exit 4 with the folder's name, and nobody was asked for anything."""
    async with SourceSimulator() as source:
        source.config(tmp_path)
        done = await mirror(tmp_path, "sync")
        assert_calm(done, 4)
        assert str(read_only_disk) in done.stderr
        assert source.requests == []


@pytest.mark.parametrize("is_resized", [True, False])
async def test_lost_files_alone_are_fetched_again(tmp_path: Path, *, is_resized: bool) -> None:
    """A full run notices what is gone or has another size; all else stays untouched."""
    async with SourceSimulator(photos=40) as source:
        config = source.config(tmp_path)
        await run_sync(config)
        before = tree(tmp_path / "photos")
        lost = hidden(tmp_path / "photos", is_resized=is_resized)
        kept = {path: path.stat().st_ctime_ns for path in (tmp_path / "photos").rglob("*.jpg") if path not in lost}
        source.requests.clear()
        report = await run_sync(config, is_full=True)
        assert (report.exit_code, report.vanished, source.pictures_asked()) == (0, 3, 3)
    assert tree(tmp_path / "photos") == before
    assert {path: path.stat().st_ctime_ns for path in kept} == kept
    assert_agrees(tmp_path / "photos")


async def test_link_in_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    """What a planted link points to stays empty, and the run ends with the disk's code."""
    (tmp_path / "elsewhere").mkdir()
    async with SourceSimulator() as source:
        config = source.config(tmp_path, DOWNLOAD__VARIANTS="thumbnail")
        await run_sync(config)
        (folder,) = (tmp_path / "photos").rglob("thumbnail")
        folder.with_name("large").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
        with pytest.raises(ArchiveError, match="large"):
            await run_sync(source.config(tmp_path))
    assert everything_in(tmp_path / "elsewhere") == []


async def test_link_in_place_of_a_file_gives_way(tmp_path: Path) -> None:
    """The picture takes its name; the link is kept apart and the file that it points to is what it was."""
    mine = tmp_path / "mine.txt"
    mine.write_text("mine")
    async with SourceSimulator() as source:
        config = source.config(tmp_path)
        await run_sync(config)
        path = min((tmp_path / "photos").rglob("*.jpg"))
        path.unlink()
        path.symlink_to(mine)
        assert (await run_sync(config, is_full=True)).exit_code == 0
    assert not path.is_symlink()
    assert (mine.read_text(), mine.stat().st_nlink) == ("mine", 1)
    assert rows(tmp_path / "photos", "SELECT count(*) FROM version WHERE why = 'foreign'") == [(1,)]
    assert_agrees(tmp_path / "photos")


async def test_link_in_place_of_the_state_folder_is_refused(tmp_path: Path) -> None:
    """Drafts and manifest are written through no link either."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/.mirror").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    async with SourceSimulator() as source:
        source.config(tmp_path)
        assert_calm(await mirror(tmp_path, "sync"), 4)
        assert source.requests == []
    assert everything_in(tmp_path / "elsewhere") == []


async def test_temporary_folder_is_not_used(tmp_path: Path) -> None:
    """Bytes on their way lie in the archive's own file system: TMPDIR stays empty all the time."""
    other = tmp_path / "tmp"
    other.mkdir()
    there: set[str] = set()
    async with SourceSimulator(photos=40) as source:
        source.config(tmp_path)
        source.on_request = lambda _: there.update(os.listdir(other))  # noqa: PTH208 - names alone
        assert_calm(await mirror(tmp_path, "sync", TMPDIR=str(other), SQLITE_TMPDIR=str(other)), 0)
        assert source.pictures_asked(PICTURES) > 0
    assert there == set()


async def test_files_of_the_user_are_left_alone(tmp_path: Path) -> None:
    """Notes, folders, edits under other names, things among our own: runs, full or not, touch nothing that is not theirs."""
    async with SourceSimulator(photos=40) as source:
        config = source.config(tmp_path)
        await run_sync(config)
        root = tmp_path / "photos"
        folder = next(root.rglob("large"))
        mine = [root / "notes.txt", root / "mine/a.jpg", folder / "900101_edited.jpg", folder / ".DS_Store",
                root / ".mirror/drafts/mine.txt", root / ".mirror/versions/mine.jpg"]  # fmt: skip
        for path in mine:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("mine")
        before = {path: path.stat().st_mtime_ns for path in mine}
        source.race.gain_uploads(3)
        await run_sync(config)
        assert (await run_sync(config, is_full=True)).exit_code == 0
    assert {path: path.stat().st_mtime_ns for path in mine} == before


async def test_file_of_the_user_under_a_key_is_moved_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Where a file of the user stands in the way, it is kept with all its bytes, and its new place is said."""
    async with SourceSimulator(photos=0) as source:
        source.race.gain_uploads(1)
        config = source.config(tmp_path)
        await run_sync(config)
        path = min((tmp_path / "photos").rglob("*.jpg"))
        path.unlink()
        path.write_text("an edit of mine")
        assert (await run_sync(config, is_full=True)).exit_code == 0
    kept = [each for each in (tmp_path / "photos/.mirror/versions").rglob("*") if each.is_file()]
    assert [each.read_text() for each in kept] == ["an edit of mine"]
    assert "it is now" in caplog.text
    assert_agrees(tmp_path / "photos")


async def test_archive_on_a_disk_that_is_not_mounted_is_refused(tmp_path: Path) -> None:
    """An empty mount point is no archive to fill a second time: exit 5, with the question."""
    async with SourceSimulator(photos=40) as source:
        config = source.config(tmp_path, ARCHIVE__STATE_DIR=str(tmp_path / "state"))
        await run_sync(config)
        (tmp_path / "photos").rename(tmp_path / "unplugged")
        (tmp_path / "photos").mkdir()
        source.requests.clear()
        done = await mirror(tmp_path, "sync", MIRROR_ARCHIVE__STATE_DIR=str(tmp_path / "state"))
        assert_calm(done, 5)
        assert "mounted" in done.stderr
        assert source.requests == []
    assert tree(tmp_path / "photos") == {}


async def test_moved_and_copied_archive_is_read_and_goes_on(tmp_path: Path) -> None:
    """Keys are relative: the archive works wherever it lies, also under a name with spaces."""
    async with SourceSimulator(photos=40) as source:
        await run_sync(source.config(tmp_path))
        (tmp_path / "another disk").mkdir()
        shutil.copytree(tmp_path / "photos", tmp_path / "another disk/old photos")
        config = source.config(tmp_path, ARCHIVE__ROOT=str(tmp_path / "another disk/old photos"))
        source.requests.clear()
        assert (await run_sync(config, is_full=True)).exit_code == 0
        assert source.pictures_asked() == 0
    assert_agrees(tmp_path / "another disk/old photos")
