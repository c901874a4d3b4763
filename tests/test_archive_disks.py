"""What an archive in a folder promises on disks that are full, read-only, closed, mounted inside, or losing bytes."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mirror.archive import LocalArchive
from mirror.archive.flush import System
from mirror.errors import ArchiveError
from tests.test_archive import ADDRESS, BODY, KEY, drafted, store, stream

MIB = 1024 * 1024


def mount(*arguments: str | Path) -> None:
    """Mount something, or skip where that is not allowed."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("mounting needs root on Linux")
    made = subprocess.run(["mount", *arguments], check=False, capture_output=True)  # noqa: S607
    if made.returncode:
        pytest.skip(f"this machine does not let us mount: {made.stderr!r}")


def unmount(disk: Path) -> None:
    """Undo that."""
    subprocess.run(["umount", "-l", disk], check=True)  # noqa: S607


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 2 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount("-t", "tmpfs", "-o", "size=2m", "tmpfs", disk)
    yield disk
    unmount(disk)


@pytest.fixture
def losing_disk(small_disk: Path, tmp_path: Path) -> Iterator[Path]:
    """A file system that believes to have 64 MiB, on a disk of 2: writing succeeds, the bytes never arrive."""
    image, disk = small_disk / "image", tmp_path / "losing"
    disk.mkdir()
    with image.open("wb") as file:
        file.truncate(64 * MIB)
    try:
        subprocess.run(["mkfs.ext4", "-q", "-O", "^has_journal", image], check=True, capture_output=True)  # noqa: S607
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no ext4 can be made here: {error}")
    mount("-o", "loop", image, disk)
    yield disk
    unmount(disk)


async def test_nearly_full_disk_is_refused_at_the_start(tmp_path: Path) -> None:
    """Too little free space is said before anything is fetched, with both sizes."""
    with pytest.raises(ArchiveError, match=r"almost full: .* free, 1000000000.0 GB must stay free"):
        await LocalArchive.open(tmp_path, create=True, min_free_bytes=10**18)


async def test_full_disk_is_said_and_leaves_nothing(small_disk: Path) -> None:
    """A body that does not fit is an archive error that names the space; its draft is gone and a smaller one fits."""
    archive = await LocalArchive.open(small_disk, create=True)
    with pytest.raises(ArchiveError, match=r"disk is full \(.* free, 3.1 MB needed\)"):
        await drafted(archive, body=bytes(3 * MIB))
    assert await archive.clean_drafts([]) == 0
    draft = await archive.open_draft(1, address=ADDRESS)
    with pytest.raises(ArchiveError, match="disk is full"):
        await stream(draft, bytes(3 * MIB))
    await draft.discard()
    await store(archive)
    assert (archive.filesystem, await archive.read(KEY)) == ("tmpfs", BODY)
    await archive.aclose()


async def test_read_only_disk_is_refused_but_can_be_read(small_disk: Path) -> None:
    """An archive on a read-only disk is refused at the start, and served when only reading is asked for."""
    archive = await LocalArchive.open(small_disk, create=True)
    await store(archive)
    await archive.aclose()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)  # noqa: ASYNC221, S607
    with pytest.raises(ArchiveError, match="read-only"):
        await LocalArchive.open(small_disk, create=True)
    archive = await LocalArchive.open(small_disk, create=False, is_read_only=True)
    assert await archive.read(KEY) == BODY
    for refused in (archive.kept_drafts(), archive.set_archive_id("x"), archive.publish([])):
        with pytest.raises(ArchiveError, match="for reading only"):
            await refused
    await archive.aclose()


async def test_disk_mounted_inside_is_refused(small_disk: Path, tmp_path: Path) -> None:
    """A mount point inside the archive ends the run before anything is renamed across it."""
    archive = await LocalArchive.open(tmp_path, create=True)
    with pytest.raises(ArchiveError, match="mount point lies inside"):
        await store(archive, f"{small_disk.name}/x.jpg")
    assert os.listdir(small_disk) == []  # noqa: PTH208
    await archive.aclose()


@pytest.fixture
def closed_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that only root can write in."""
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    tmp_path.chmod(0o555)
    yield tmp_path
    tmp_path.chmod(0o755)


async def test_folder_without_permission_is_refused(closed_folder: Path) -> None:
    """A folder that we may not write in is refused at the start."""
    with pytest.raises(ArchiveError, match="permission denied"):
        await LocalArchive.open(closed_folder, create=True)


@pytest.mark.parametrize("system", [None, System()], ids=["syncfs", "fsync"])
async def test_lost_bytes_are_noticed_before_any_name_is_given(losing_disk: Path, system: System | None) -> None:
    """When written bytes do not reach the disk, the flush says so, whichever way it flushes."""
    archive = await LocalArchive.open(losing_disk, create=True, system=system)
    names = [await drafted(archive, each, os.urandom(MIB)) for each in range(5)]
    with pytest.raises(ArchiveError, match=r"cannot flush .mirror/drafts:"):
        await archive.flush_drafts(names)
    await archive.discard_drafts(names)
    assert await archive.kept_drafts() == []
    await archive.aclose()


async def test_root_must_be_a_folder_of_an_archive(tmp_path: Path) -> None:
    """A file, a missing folder, a folder without an archive, a linked state folder: refused, each with its reason."""
    (tmp_path / "file").touch()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / ".mirror").symlink_to(tmp_path / "elsewhere")
    for name, create, reason in (
        ("file", True, "not a folder"),
        ("missing", False, "not there"),
        ("elsewhere", False, "not there"),
        ("linked", True, "a link or a file lies where"),
    ):
        with pytest.raises(ArchiveError, match=reason):
            await LocalArchive.open(tmp_path / name, create=create)
    assert list((tmp_path / "elsewhere").iterdir()) == []
