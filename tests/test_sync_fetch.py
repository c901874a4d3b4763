"""A run that fetches chosen assets and nothing else."""

import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from mirror import run_sync
from mirror.config import Config
from mirror.errors import ArchiveError
from mirror.manifest import Manifest
from mirror.model import RunReport
from mirror.sync import Choose, run_fetch
from tests.simulator import SourceSimulator
from tests.test_sync import assert_agrees, rows, tree


def these(asset_ids: Sequence[int]) -> Choose:
    """Choose some assets."""

    async def choose(_: Manifest) -> Sequence[int]:
        return asset_ids

    return choose


def ids(config: Config, state: str) -> list[int]:
    """The assets in a state."""
    found = rows(config.archive.root.path, "SELECT asset_id, state FROM asset ORDER BY 1")
    return [int(str(asset_id)) for asset_id, its in found if its == state]


def change(config: Config, sql: str) -> None:
    """Change the manifest by hand."""
    with sqlite3.connect(config.archive.root.path / ".mirror/manifest.sqlite") as connection:
        connection.execute(sql)
    connection.close()


async def with_missing(source: SourceSimulator, folder: Path, **fault: object) -> tuple[Config, RunReport]:
    """An archive whose thumbnails failed."""
    source.fault("thumbs", times=10_000, **(fault or {"status": 500}))
    config = source.config(folder, DOWNLOAD__ATTEMPTS="1")
    report = await run_sync(config)
    source.faults.clear()
    source.requests.clear()
    return config, report


async def test_chosen_assets_are_fetched_without_a_call(tmp_path: Path) -> None:
    """Their pictures are asked for, the API is not, and what was not chosen stays wanted."""
    async with SourceSimulator() as source:
        config, _ = await with_missing(source, tmp_path)
        wanted = ids(config, "wanted")
        report = await run_fetch(config, command="retry", choose=these(wanted[:3]))
        assert (source.api_requests(), source.pictures_asked()) == (0, 3)
        assert (report.exit_code, report.stored, report.missing, report.api_calls) == (0, 3, 0, 0)
        assert ids(config, "wanted") == wanted[3:]
    assert_agrees(config.archive.root.path)
    assert rows(
        config.archive.root.path, "SELECT command, exit_code, stored FROM run ORDER BY run_id DESC LIMIT 1"
    ) == [("retry", 0, 3)]


async def test_chosen_assets_that_fail_again_are_named(tmp_path: Path) -> None:
    """The report speaks of the chosen ones alone, and the run says that something is missing."""
    async with SourceSimulator() as source:
        config, _ = await with_missing(source, tmp_path)
        wanted = ids(config, "wanted")
        source.fault("thumbs", times=2, status=500)
        report = await run_fetch(config, command="retry", choose=these(wanted[:3]))
        assert (report.exit_code, report.stored, report.missing) == (1, 1, 2)
        assert [(each.reason, each.count) for each in report.failures] == [("unreachable", 2)]
    assert_agrees(config.archive.root.path)


async def test_chosen_assets_are_fetched_whatever_the_configuration_wants(tmp_path: Path) -> None:
    """A variant that is configured no more, and one that was set aside, are tried when they are chosen."""
    async with SourceSimulator() as source:
        config, _ = await with_missing(source, tmp_path)
        change(config, "UPDATE asset SET failed_days = 5 WHERE state = 'wanted'")
        config = source.config(tmp_path, DOWNLOAD__VARIANTS="original")
        report = await run_fetch(config, command="retry", choose=these(ids(config, "wanted")))
        assert report.exit_code == 0
        assert ids(config, "wanted") == []
    assert_agrees(config.archive.root.path)


async def test_gone_assets_are_wanted_when_chosen(tmp_path: Path) -> None:
    """What the source has again comes; what it still refuses is gone again, and this run says so."""
    async with SourceSimulator() as source:
        config, _ = await with_missing(source, tmp_path, status=404)
        change(config, "UPDATE photo SET unlisted_at = '2026-01-01T00:00:00Z'")
        change(config, "UPDATE asset SET state = 'gone', wanted_no = NULL WHERE state = 'wanted'")
        gone = ids(config, "gone")
        source.fault("thumbs", times=1, status=404)
        report = await run_fetch(config, command="retry", choose=these(gone))
        assert (report.stored, report.gone, report.missing, report.exit_code) == (len(gone) - 1, 1, 0, 1)
        assert report.already_gone == 0
    assert_agrees(config.archive.root.path)


async def test_stored_assets_are_left_alone_unless_wanted_again(tmp_path: Path) -> None:
    """Choosing what is stored asks for nothing; wanted again, as a repair does, it comes anew."""
    async with SourceSimulator() as source:
        config = source.config(tmp_path)
        await run_sync(config)
        before = tree(config.archive.root.path)
        source.requests.clear()
        stored = ids(config, "stored")[:2]
        report = await run_fetch(config, command="retry", choose=these(stored))
        assert (report.exit_code, source.requests) == (0, [])
        (key,) = rows(
            config.archive.root.path, "SELECT key FROM asset WHERE state = 'stored' ORDER BY asset_id LIMIT 1"
        )[0]
        damaged = config.archive.root.path / str(key)
        damaged.chmod(0o644)
        damaged.write_bytes(b"?" * damaged.stat().st_size)

        async def repair(manifest: Manifest) -> Sequence[int]:
            await manifest.want_again(stored, "damaged")
            return stored

        report = await run_fetch(config, command="verify", choose=repair)
        assert (report.exit_code, report.stored, source.pictures_asked()) == (0, 2, 2)
    assert tree(config.archive.root.path) == before
    assert_agrees(config.archive.root.path)


async def test_a_403_on_an_old_url_asks_for_a_full_pass(tmp_path: Path) -> None:
    """As in a sync: there is no other way to a fresh URL."""
    async with SourceSimulator() as source:
        config, _ = await with_missing(source, tmp_path)
        source.fault("thumbs", times=1, status=403)
        await run_fetch(config, command="retry", choose=these(ids(config, "wanted")))
    assert rows(config.archive.root.path, "SELECT full_wanted FROM race_day WHERE full_wanted NOT NULL") == [
        ("a 403 on an old URL",)
    ]


async def test_stopped_fetch_leaves_an_archive_that_goes_on(tmp_path: Path) -> None:
    """What is finished is recorded; the rest stays wanted for the next sync."""
    async with SourceSimulator(photos=60) as source:
        config, _ = await with_missing(source, tmp_path)
        stop = asyncio.Event()
        source.on_request = lambda _: stop.set() if source.pictures_asked() > 10 else None
        report = await run_fetch(config, command="retry", choose=these(ids(config, "wanted")), stop=stop)
        assert report.is_stopped
        assert report.missing == len(ids(config, "wanted")) > 0
        assert_agrees(config.archive.root.path)
        source.on_request = lambda _: None
        assert (await run_sync(config)).exit_code == 0
    assert_agrees(config.archive.root.path)


async def test_fetch_makes_no_archive(tmp_path: Path) -> None:
    """Where nothing was mirrored there is nothing to fetch again, and nothing is left behind."""
    async with SourceSimulator() as source:
        config = source.config(tmp_path)
        with pytest.raises(ArchiveError):
            await run_fetch(config, command="retry", choose=these([1]))
        assert not config.archive.root.path.exists()
