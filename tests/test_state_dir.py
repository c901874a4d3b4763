"""Where an archive may lie: on a network disk with its manifest elsewhere, in another folder, on another computer."""

import shutil
import sqlite3
from pathlib import Path

import pytest

from mirror import run_sync
from mirror.archive import LocalArchive
from mirror.archive.flush import System
from mirror.errors import ManifestError
from mirror.manifest import ManifestReader
from mirror.opening import open_manifest
from tests.simulator import SourceSimulator
from tests.test_sync import assert_agrees, tree


async def test_state_dir_holds_the_manifest_and_the_tree_gets_a_snapshot(tmp_path: Path) -> None:
    """With the manifest on another disk the archive is still whole by itself: a copy lies beside the tree."""
    async with SourceSimulator() as source:
        config = source.config(tmp_path, ARCHIVE__STATE_DIR=str(tmp_path / "state"))
        await run_sync(config)
        source.race.gain_uploads(2)
        await run_sync(config)
    with (
        ManifestReader(tmp_path / "state/manifest.sqlite") as manifest,
        ManifestReader(tmp_path / "photos/.mirror/manifest.sqlite") as snapshot,
    ):
        assert snapshot.counts() == manifest.counts()
        assert snapshot.last_run() == manifest.last_run()
    assert_agrees(tmp_path / "photos")


async def test_snapshot_is_written_only_when_there_is_something_new(tmp_path: Path) -> None:
    """A run with nothing new does not copy a large file over the network."""
    snapshot = tmp_path / "photos/.mirror/manifest.sqlite"
    async with SourceSimulator() as source:
        config = source.config(tmp_path, ARCHIVE__STATE_DIR=str(tmp_path / "state"))
        await run_sync(config)
        before = snapshot.stat().st_ino
        await run_sync(config)
        assert snapshot.stat().st_ino == before
        photo = next(p for p in source.race.photos.values() if p.race_day_id == 34168)
        photo.bibs = ["0815"]
        await run_sync(config, is_full=True)
        assert snapshot.stat().st_ino != before


async def test_snapshot_is_never_written_as_if_it_were_the_manifest(tmp_path: Path) -> None:
    """A run that forgets the state folder is refused, with the place of the manifest, and changes nothing."""
    async with SourceSimulator() as source:
        await run_sync(source.config(tmp_path, ARCHIVE__STATE_DIR=str(tmp_path / "state")))
        snapshot = (tmp_path / "photos/.mirror/manifest.sqlite").read_bytes()
        source.requests.clear()
        with pytest.raises(
            ManifestError, match=rf"a snapshot of .*{tmp_path}/state/manifest.sqlite.*archive.state_dir"
        ):
            await run_sync(source.config(tmp_path))
        assert source.requests == []
    assert (tmp_path / "photos/.mirror/manifest.sqlite").read_bytes() == snapshot


async def test_network_disk_is_named_with_the_way_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A manifest on a network disk is advised against, and has no WAL, which needs the memory of one machine."""
    async with SourceSimulator() as source:
        config = source.config(tmp_path)
    archive = await LocalArchive.open(tmp_path / "photos", create=True, system=System(filesystem="nfs4"))
    manifest = await open_manifest(config, archive)
    await manifest.begin_run("sync")
    assert not (tmp_path / "photos/.mirror/manifest.sqlite-wal").exists()
    await manifest.aclose()
    await archive.aclose()
    assert "network disk (nfs4)" in caplog.text
    assert "set archive.state_dir to a local folder" in caplog.text


async def test_network_disk_is_no_matter_with_a_state_dir(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Who followed the advice is not told again."""
    async with SourceSimulator() as source:
        config = source.config(tmp_path, ARCHIVE__STATE_DIR=str(tmp_path / "state"))
    archive = await LocalArchive.open(tmp_path / "photos", create=True, system=System(filesystem="nfs4"))
    manifest = await open_manifest(config, archive)
    await manifest.aclose()
    await archive.aclose()
    assert "network" not in caplog.text
    with sqlite3.connect(tmp_path / "state/manifest.sqlite") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


async def test_archive_moved_to_another_folder_goes_on(tmp_path: Path) -> None:
    """Nothing in an archive says where it lies: copied elsewhere, it costs two calls and no picture."""
    async with SourceSimulator() as source:
        await run_sync(source.config(tmp_path))
        there = tmp_path / "another computer" / "disk"
        there.mkdir(parents=True)
        shutil.copytree(tmp_path / "photos", there / "photos")
        source.requests.clear()
        report = await run_sync(source.config(there))
        assert report.exit_code == 0
        assert (source.api_requests(), source.pictures_asked()) == (2, 0)
        new = source.race.gain_uploads(1)
        report = await run_sync(source.config(there))
        assert report.stored == len(new[0].offered)
    assert_agrees(there / "photos")
    assert set(tree(tmp_path / "photos")) < set(tree(there / "photos"))


async def test_disk_that_is_not_mounted_gets_nothing_in_its_place(tmp_path: Path) -> None:
    """With the manifest elsewhere an empty mount point is told as what it is, and stays empty."""
    async with SourceSimulator() as source:
        config = source.config(tmp_path, ARCHIVE__STATE_DIR=str(tmp_path / "state"))
        await run_sync(config)
        shutil.move(tmp_path / "photos", tmp_path / "elsewhere")
        (tmp_path / "photos").mkdir()
        source.requests.clear()
        with pytest.raises(ManifestError, match="is its disk mounted"):
            await run_sync(config)
        assert source.requests == []
    assert list((tmp_path / "photos").iterdir()) == []
