"""Workers of a cluster and an archive in a bucket: they stage what they fetched there, and the client gives it keys."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from mirror import run_sync
from mirror.cluster import ClusterWish
from tests.judge import Judge, account_of
from tests.s3_server import S3Server, required
from tests.simulator import PICTURES, SourceSimulator
from tests.test_bucket_sync import Club, Cutting
from tests.test_cli import assert_calm, mirror
from tests.test_cli_signals import started

WITH_TWO = ClusterWish(local_workers=2)


@pytest.fixture
def club(s3: S3Server, tmp_path: Path) -> Club:
    """An archive in a bucket, not begun yet."""
    required("distributed")
    return Club(server=s3, bucket=s3.new_bucket(), folder=tmp_path / "club")


async def test_local_workers_make_the_bucket_of_one_process(club: Club, tmp_path: Path) -> None:
    """Two workers stage, the client names: objects and manifest are those of a folder, and no draft is left."""
    await asyncio.to_thread((tmp_path / "local").mkdir)
    async with SourceSimulator(photos=40) as source:
        local = source.config(tmp_path / "local")
        await run_sync(local)
        report = await run_sync(club.config(source), cluster=WITH_TWO)
        copy = await club.fetched()
        Judge.of(source.race).check_ended(copy, state=club.state)
    assert report.exit_code == 0
    assert account_of(copy, state=club.state) == account_of(local.archive.root.path)
    assert not [key for key in await club.keys() if "/drafts/" in key or "cluster-token" in key]


@asynccontextmanager
async def under_way(club: Club, source: SourceSimulator, asked: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """A sync with two workers that has asked for so many pictures."""
    club.config(source)

    async def slowly(_: object, honest: object) -> object:
        await asyncio.sleep(0.01)
        return honest

    source.fault(PICTURES, times=10**6, does=slowly)
    reached = asyncio.Event()
    source.on_request = lambda _: reached.set() if source.pictures_asked() >= asked else None
    environ = club.environ()
    async with started(club.folder, "sync", "--local-workers", "2", environ=environ) as process:
        await asyncio.wait_for(reached.wait(), 120)
        yield process


async def finish(club: Club, source: SourceSimulator) -> None:
    """An undisturbed run completes it, and leaves nothing over."""
    assert_calm(await mirror(club.folder, "sync", **club.environ()), 0)
    Judge.of(source.race).check_ended(await club.fetched(), state=club.state)


async def ended(process: asyncio.subprocess.Process) -> str:
    """Wait for a command that ends well; returns all it said."""
    said, blamed = await asyncio.wait_for(process.communicate(), 180)
    text = (said + blamed).decode()
    assert process.returncode == 0, text
    assert "Traceback" not in text, text
    return text


@pytest.mark.slow
@pytest.mark.parametrize("asked", [20, 200])
async def test_killed_worker_costs_nothing_in_a_bucket(club: Club, asked: int) -> None:
    """A worker that is killed while it stages is replaced, and the same run completes."""
    async with SourceSimulator(photos=150) as source:
        async with under_way(club, source, asked) as process:
            psutil.Process(process.pid).children()[0].kill()
            await ended(process)
        Judge.of(source.race).check_ended(await club.fetched(), state=club.state)


@pytest.mark.slow
@pytest.mark.parametrize("asked", [20, 200])
async def test_killed_client_leaves_a_sound_bucket(club: Club, asked: int) -> None:
    """What its workers have staged, or still stage, is adopted or swept by the next run, with one process."""
    async with SourceSimulator(photos=150) as source:
        async with under_way(club, source, asked) as process:
            process.kill()
            await process.wait()
        await finish(club, source)


@pytest.mark.slow
async def test_store_that_stands_still_is_waited_for_by_workers(club: Club) -> None:
    """The S3 server answers nothing for a while: the workers wait, and the run completes."""
    async with SourceSimulator(photos=150) as source:
        async with under_way(club, source, 50) as process:
            club.server.pause()
            await asyncio.sleep(5)
            club.server.go_on()
            await ended(process)
        Judge.of(source.race).check_ended(await club.fetched(), state=club.state)


@pytest.mark.slow
async def test_cut_connections_cost_workers_nothing(club: Club, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers and client lose every fourth answer of the store; all is stored once, and nothing of it is staged."""
    async with SourceSimulator(photos=40) as source, Cutting(club.server.port, every=4) as way:
        config = club.config(source)
        monkeypatch.setenv("AWS_ENDPOINT_URL", way.url)
        report = await run_sync(config, cluster=WITH_TWO)
        monkeypatch.setenv("AWS_ENDPOINT_URL", club.server.environ["AWS_ENDPOINT_URL"])
        assert (report.exit_code, report.missing, way.cut > 5) == (0, 0, True)
        Judge.of(source.race).check_ended(await club.fetched(), state=club.state)
    assert not [key for key in await club.keys() if "/drafts/" in key]
