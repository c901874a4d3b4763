"""A cluster whose parts die, stand still or go away: nothing is lost, nothing is recorded wrongly, and it goes on."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from tests.dask_cluster import DaskCluster
from tests.judge import Judge
from tests.s3_server import required
from tests.simulator import PICTURES, SourceSimulator
from tests.test_cli import assert_calm, mirror
from tests.test_cli_signals import started

pytestmark = pytest.mark.slow

PHOTOS = 400
_SLOWLY_S = 0.01


@pytest.fixture(autouse=True)
def _needs_dask() -> None:
    required("distributed")


class Scene:
    """A race that is being fetched, and the moment when a part of it is done."""

    def __init__(self, source: SourceSimulator, folder: Path) -> None:
        self.source = source
        self.folder = folder
        self.judge = Judge.of(source.race)
        source.config(folder)
        (folder / "mirror.toml").write_text(
            (folder / "mirror.toml").read_text().replace("[download]", "[download]\nconcurrency = 8\ngroup_drafts = 50")
        )

    def check(self) -> None:
        """The archive is whole, whatever is on its way."""
        self.judge.check(self.folder / "photos")

    async def finish(self) -> None:
        """An undisturbed run completes it, and leaves nothing over."""
        assert_calm(await mirror(self.folder, "sync"), 0)
        self.judge.check_ended(self.folder / "photos")


@asynccontextmanager
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """A race that takes a while."""
    async with SourceSimulator(photos=PHOTOS) as source:

        async def slowly(request: object, honest: object) -> object:
            await asyncio.sleep(_SLOWLY_S)
            return honest

        source.fault(PICTURES, times=10**6, does=slowly)
        yield Scene(source, tmp_path)


async def ended(process: asyncio.subprocess.Process) -> tuple[int | None, str]:
    """Wait for a command; returns its exit code and all it said."""
    said, blamed = await asyncio.wait_for(process.communicate(), 180)
    text = (said + blamed).decode()
    assert "Traceback" not in text, text
    assert "a bug" not in text, text
    return process.returncode, text


@pytest.mark.parametrize("asked", [30, 300, 700])
async def test_killed_worker_costs_nothing(tmp_path: Path, asked: int) -> None:
    """One of two workers is killed and does not come back: the other one does its work, in the same run."""
    async with scene(tmp_path) as scene_, DaskCluster(tmp_path / "dask") as cluster:
        async with started(tmp_path, "sync", "--cluster", cluster.address) as process:
            await scene_.source.until_asked(asked)
            cluster.workers[0].kill()
            code, text = await ended(process)
        assert code == 0, text
        assert "is lost" in text
        scene_.judge.check_ended(tmp_path / "photos")


async def test_killed_local_worker_is_started_anew(tmp_path: Path) -> None:
    """A worker process of this machine that dies is replaced, and the run completes."""
    async with scene(tmp_path) as scene_, started(tmp_path, "sync", "--local-workers", "1") as process:
        for asked in (30, 500):
            await scene_.source.until_asked(asked)
            for child in psutil.Process(process.pid).children():
                child.kill()
        code, text = await ended(process)
        assert code == 0, text
        assert "was killed by SIGKILL" in text
        scene_.judge.check_ended(tmp_path / "photos")


@pytest.mark.parametrize("asked", [30, 300, 600])
async def test_killed_client_leaves_a_sound_archive(tmp_path: Path, asked: int) -> None:
    """The next run goes on at once, while the workers of the killed one may still be at it."""
    async with scene(tmp_path) as scene_, DaskCluster(tmp_path / "dask") as cluster:
        async with started(tmp_path, "sync", "--cluster", cluster.address) as process:
            await scene_.source.until_asked(asked)
            process.kill()
            await process.wait()
        scene_.check()
        done = await mirror(tmp_path, "sync", "--cluster", cluster.address)
        assert_calm(done, 0)
        scene_.judge.check_ended(tmp_path / "photos")


@pytest.mark.parametrize("asked", [30, 500])
async def test_killed_scheduler_ends_the_run_in_order(tmp_path: Path, asked: int) -> None:
    """It is said that the scheduler is gone, what was finished is recorded, and the next run goes on without it."""
    async with scene(tmp_path) as scene_, DaskCluster(tmp_path / "dask") as cluster:
        async with started(tmp_path, "sync", "--cluster", cluster.address) as process:
            await scene_.source.until_asked(asked)
            cluster.scheduler.kill()
            code, text = await ended(process)
        assert code == 3, text
        assert "the scheduler is gone" in text
        scene_.check()
        await scene_.finish()


async def test_all_workers_gone_and_new_ones_come(tmp_path: Path) -> None:
    """A run waits for workers a while; new ones take up what the dead ones had."""
    async with scene(tmp_path) as scene_, DaskCluster(tmp_path / "dask") as cluster:
        async with started(tmp_path, "sync", "--cluster", cluster.address) as process:
            await scene_.source.until_asked(300)
            for worker in cluster.workers:
                worker.kill()
            await cluster.add_worker()
            code, text = await ended(process)
        assert code == 0, text
        scene_.judge.check_ended(tmp_path / "photos")


async def test_standing_worker_is_given_up_and_harms_nothing_later(tmp_path: Path) -> None:
    """A worker that stands still loses its jobs to the others; when it goes on after the run, the archive is as it was."""
    async with scene(tmp_path) as scene_, DaskCluster(tmp_path / "dask") as cluster:
        async with started(tmp_path, "sync", "--cluster", cluster.address) as process:
            await scene_.source.until_asked(300)
            os.kill(cluster.workers[0].pid, signal.SIGSTOP)
            code, text = await ended(process)
        assert code == 0, text
        scene_.judge.check_ended(tmp_path / "photos")
        os.kill(cluster.workers[0].pid, signal.SIGCONT)
        await asyncio.sleep(3)
        scene_.check()
        await scene_.finish()


@pytest.mark.parametrize("signals", [(signal.SIGINT,), (signal.SIGTERM,), (signal.SIGINT, signal.SIGINT)])
@pytest.mark.parametrize("asked", [1, 300])
async def test_stopped_run_goes_on(tmp_path: Path, asked: int, signals: tuple[int, ...]) -> None:
    """Signals end a run with a cluster as they end any, and leave the workers to the next one."""
    async with scene(tmp_path) as scene_, DaskCluster(tmp_path / "dask") as cluster:
        async with started(tmp_path, "sync", "--cluster", cluster.address) as process:
            await scene_.source.until_asked(asked)
            for number in signals:
                with contextlib.suppress(ProcessLookupError):  # it may have ended after the first
                    process.send_signal(number)
                await asyncio.sleep(0.2)
            code, text = await ended(process)
        # A second signal may meet a process that has said its last word already.
        assert code in {128 + signals[0], -signals[-1]}, text
        scene_.check()
        assert_calm(await mirror(tmp_path, "sync", "--cluster", cluster.address), 0)
        scene_.judge.check_ended(tmp_path / "photos")
