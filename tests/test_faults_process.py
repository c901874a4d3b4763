"""Two runs at once, manifests that are damaged, newer, locked, lost or another race's: told plainly, nothing harmed."""

import asyncio
import os
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from mirror import run_sync
from mirror.demo import DemoRace
from tests.simulator import ALWAYS, SmallRace, SourceSimulator
from tests.test_cli import assert_calm, mirror
from tests.test_cli_signals import started
from tests.test_sync import assert_agrees, rows, tree


def manifest_of(folder: Path) -> Path:
    """Where the manifest lies."""
    return folder / "photos/.mirror/manifest.sqlite"


async def test_second_run_leaves_at_once_and_a_killed_one_leaves_no_lock(tmp_path: Path) -> None:
    """Exit 5 with the first one's process number, nothing asked; after kill -9 the next run just goes on."""
    async with SourceSimulator() as source:
        source.config(tmp_path)
        source.fault("customOriginal", times=ALWAYS, stalls=True)
        asked = asyncio.Event()
        source.on_request = lambda seen: asked.set() if "customOriginal" in seen.path else None
        async with started(tmp_path, "sync") as first:
            await asyncio.wait_for(asked.wait(), 30)
            source.on_request = lambda _: None
            before = len([each for each in source.requests if each.is_api])
            done = await mirror(tmp_path, "sync")
            assert_calm(done, 5)
            assert str(first.pid) in done.stderr
            assert len([each for each in source.requests if each.is_api]) == before
            os.kill(first.pid, signal.SIGKILL)
            await first.wait()
        source.faults.clear()
        assert_calm(await mirror(tmp_path, "sync"), 0)
    assert_agrees(tmp_path / "photos")


def _garbage(path: Path) -> None:
    path.write_bytes(b"not a database at all" * 1000)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9000])


def _scratch(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[100:4096] = os.urandom(3996)
    path.write_bytes(data)


def _newer(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 9999")
    connection.close()


def _foreign(path: Path) -> None:
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE mine (a)")
    connection.close()


@pytest.mark.parametrize("harm", [_garbage, _cut, _scratch, _newer, _foreign])
async def test_manifest_that_cannot_be_used_is_refused_untouched(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    """Exit 5 before any request, the file byte for byte what it was, and the way out named."""
    async with SourceSimulator(photos=40) as source:
        await run_sync(source.config(tmp_path))
        before = tree(tmp_path / "photos")
        harm(manifest_of(tmp_path))
        bytes_before = manifest_of(tmp_path).read_bytes()
        source.requests.clear()
        done = await mirror(tmp_path, "sync")
        assert_calm(done, 5)
        assert "rebuild" in done.stderr or "newer program" in done.stderr
        assert source.requests == []
    assert manifest_of(tmp_path).read_bytes() == bytes_before
    assert tree(tmp_path / "photos") == before


async def test_lost_manifest_leaves_the_tree_as_it_is(tmp_path: Path) -> None:
    """Refused with the way out: no second copies, no request, and no new manifest in the place of the old."""
    async with SourceSimulator(photos=40) as source:
        await run_sync(source.config(tmp_path))
        before = tree(tmp_path / "photos")
        manifest_of(tmp_path).unlink()
        source.requests.clear()
        done = await mirror(tmp_path, "sync")
        assert_calm(done, 5)
        assert "mirror rebuild" in done.stderr
        assert source.requests == []
    assert tree(tmp_path / "photos") == before
    assert not manifest_of(tmp_path).exists()


@pytest.mark.slow
async def test_manifest_that_another_program_holds_is_waited_for_and_told(tmp_path: Path) -> None:
    """A database tool in the middle of a transaction: a bounded wait, exit 5, no traceback; afterwards all goes on."""
    async with SourceSimulator() as source:
        await run_sync(source.config(tmp_path))
        tool = sqlite3.connect(manifest_of(tmp_path), isolation_level=None)
        try:
            tool.execute("BEGIN EXCLUSIVE")
            done = await asyncio.wait_for(mirror(tmp_path, "sync"), 120)
            assert_calm(done, 5)
            assert "another program" in done.stderr
        finally:
            tool.close()
        assert_calm(await mirror(tmp_path, "sync"), 0)


class OtherRace(SmallRace):
    """Another race with photo ids of its own, some of which the first race has as well."""

    name, slug = "Harbour 10K", "MA/Boston/Harbour10K"

    def __init__(self) -> None:
        DemoRace.__init__(self, photos=20, seed=8, race_id=999)


async def test_another_race_in_the_same_archive_is_kept_apart(tmp_path: Path) -> None:
    """The first race's files and rows are what they were, and nobody looks unlisted."""
    async with SourceSimulator(photos=40) as first, SourceSimulator() as second:
        second.race = OtherRace()
        await run_sync(first.config(tmp_path))
        before = tree(tmp_path / "photos")
        await run_sync(second.config(tmp_path), is_full=True)
        assert (await run_sync(second.config(tmp_path), is_full=True)).exit_code == 0
        after = tree(tmp_path / "photos")
        assert {key: after[key] for key in before} == before
        assert len(after) > len(before)
        assert (await run_sync(first.config(tmp_path), is_full=True)).exit_code == 0
        assert tree(tmp_path / "photos") == after
    assert rows(tmp_path / "photos", "SELECT count(*) FROM photo WHERE unlisted_at NOTNULL") == [(0,)]
    assert_agrees(tmp_path / "photos")


async def test_refused_photo_that_is_listed_no_more_is_gone_until_it_comes_back(tmp_path: Path) -> None:
    """Refused and unlisted: the run that finds it out exits 1, later ones 0; listed again, it is wanted and fetched."""
    async with SourceSimulator(photos=40) as source:
        config = source.config(tmp_path)
        photo = list(source.race.photos.values())[-1]
        source.fault(photo.name, times=ALWAYS, status=404)
        assert (await run_sync(config)).exit_code == 1
        source.race.remove(photo.photo_id)
        codes = [(await run_sync(config, is_full=True)).exit_code for _ in range(4)]
        assert codes[-1] == 0
        assert set(codes[:-1]) <= {0, 1}
        gone = rows(tmp_path / "photos", "SELECT count(*) FROM asset WHERE state = 'gone'")
        assert gone == [(len(photo.offered),)]
        report = await run_sync(config)
        assert (report.exit_code, report.already_gone) == (0, len(photo.offered))
        source.race.photos[photo.photo_id] = photo
        source.faults.clear()
        report = await run_sync(config, is_full=True)
        assert (report.exit_code, report.stored) == (0, len(photo.offered))
    assert_agrees(tmp_path / "photos")
