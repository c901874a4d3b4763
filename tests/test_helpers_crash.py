"""Helpers that die, stand still, lose their parent or are signalled with it: nothing is lost, and nobody is left behind."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from aiohttp import web

from tests.helping import TWO, drafts_in, linux_only, scene, until_gone
from tests.judge import Judge
from tests.simulator import ALWAYS, PICTURES, SourceSimulator
from tests.test_cli import assert_calm, mirror
from tests.test_cli_signals import started
from tests.test_resume import LargeRace

pytestmark = linux_only


@pytest.mark.parametrize("asked", [1, pytest.param(60, marks=pytest.mark.slow)])
async def test_killed_helper_costs_nothing(tmp_path: Path, asked: int) -> None:
    """One of two is killed: the other does its work, in the same run."""
    async with scene(tmp_path) as scene_, scene_.running(asked=asked) as running:
        running.helpers[0].kill()
        code, text = await running.ended()
        assert code == 0, text
        assert "it was killed by SIGKILL" in text
        scene_.check_ended()


@pytest.mark.parametrize("asked", [1, pytest.param(60, marks=pytest.mark.slow)])
async def test_program_goes_on_alone_when_all_helpers_are_killed(tmp_path: Path, asked: int) -> None:
    """It says so, and brings all by itself: what was handed out, what was about to be, and the rest."""
    async with scene(tmp_path) as scene_, scene_.running(asked=asked) as running:
        for each in running.helpers:
            each.kill()
        code, text = await running.ended()
        assert code == 0, text
        assert text.count("this process goes on by itself") == 1
        assert text.count("mirror: warning") <= 2
        scene_.check_ended()


@pytest.mark.parametrize("asked", [1, 60, pytest.param(110, marks=pytest.mark.slow)])
async def test_killed_program_leaves_no_helper_and_a_sound_archive(tmp_path: Path, asked: int) -> None:
    """They end by themselves, and the next run goes on from what was whole."""
    async with scene(tmp_path) as scene_, scene_.running(asked=asked) as running:
        running.process.kill()
        await running.process.wait()
        await until_gone(running.helpers)
        scene_.check()
        await scene_.finish()


async def test_closed_terminal_ends_all_of_them(tmp_path: Path) -> None:
    """SIGHUP ends the program, and its end those whom it does not end."""
    async with scene(tmp_path) as scene_, scene_.running(asked=30) as running:
        running.send(signal.SIGHUP)
        assert await running.process.wait() == -signal.SIGHUP
        await until_gone(running.helpers)
        scene_.check()
        await scene_.finish()


async def test_run_that_is_started_at_once_after_a_kill_is_not_harmed(tmp_path: Path) -> None:
    """A helper of the killed one may still be at it: it holds no lock, and touches nothing of the next run."""
    async with scene(tmp_path) as scene_, scene_.running(asked=60) as running:
        for each in running.helpers:
            each.suspend()
        running.process.kill()
        await running.process.wait()
        following = asyncio.ensure_future(mirror(tmp_path, "sync", **TWO))
        await scene_.source.until_asked(scene_.source.pictures_asked() + 10)
        for each in running.helpers:
            each.resume()
        assert_calm(await following, 0)
        await until_gone(running.helpers)
        scene_.check()
        await scene_.finish()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_signal_to_all_stops_in_order(tmp_path: Path, number: int, code: int) -> None:
    """A terminal and a service manager signal helpers too: they leave it to the program, which records what is finished."""
    async with scene(tmp_path) as scene_, scene_.running(asked=60) as running:
        running.send(number)
        ended, text = await running.ended()
        assert ended == code, text
        assert text.count("Stopping: finishing what is on its way") == 1
        assert "killed" not in text
        assert drafts_in(scene_.archive) == []
        scene_.check()
        await scene_.finish()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_large_pictures_under_way_are_kept_at_a_stop_and_resumed(tmp_path: Path, number: int) -> None:
    """Each helper keeps what a strong ETag vouches for, and the next run asks for the rest alone."""
    async with SourceSimulator(photos=0) as source:
        source.race = LargeRace(photos=0)
        source.race.gain_uploads(2)
        source.config(tmp_path)
        source.fault(PICTURES, times=ALWAYS, stall_after=2_000_000, headers={"ETag": '"one"'})
        environ = {**TWO, "MIRROR_DOWNLOAD__MEMORY": "0"}
        async with started(tmp_path, "sync", environ=environ, start_new_session=True) as process:
            await until_written(tmp_path / "photos", 6)
            os.killpg(process.pid, number)
            await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 128 + number
        kept = drafts_in(tmp_path / "photos")
        assert len(kept) == 6
        source.faults.clear()
        source.fault(PICTURES, times=ALWAYS, does=vouched)
        source.requests.clear()
        assert_calm(await mirror(tmp_path, "sync", **environ), 0)
        assert sum("Range" in each.headers for each in source.requests) == len(kept)
        Judge.of(source.race).check_ended(tmp_path / "photos")


async def vouched(request: web.Request, honest: web.Response) -> web.Response:
    """Serve what was asked for, under the ETag of before."""
    assert isinstance(honest.body, bytes)
    start = int(request.headers["Range"][6:-1])
    whole = f"bytes {start}-{len(honest.body) - 1}/{len(honest.body)}"
    return web.Response(
        status=206, body=honest.body[start:], headers={"ETag": request.headers["If-Range"], "Content-Range": whole}
    )


async def until_written(root: Path, drafts: int) -> None:
    """Wait until so many drafts are worth keeping."""
    async with asyncio.timeout(60):
        while sum(each.stat().st_size > 1_000_000 for each in root.glob(".mirror/drafts/*")) < drafts:  # noqa: ASYNC240
            await asyncio.sleep(0.01)


async def test_nobody_else_holds_what_tells_a_helper_of_its_programs_end(tmp_path: Path) -> None:
    """One that stands still keeps neither the other one alive nor the reader of the program's output waiting."""
    async with scene(tmp_path) as scene_, scene_.running(asked=30) as running:
        first, second = running.helpers
        second.suspend()
        running.process.kill()
        await asyncio.wait_for(running.process.communicate(), 30)
        await until_gone([first])
        second.resume()
        await until_gone([second])
        scene_.check()


async def test_second_signal_ends_at_once(tmp_path: Path) -> None:
    """Ctrl-C twice leaves nobody behind, and an archive that goes on."""
    async with scene(tmp_path, slowly_s=0.05) as scene_, scene_.running(asked=30) as running:
        for _ in range(2):
            running.send(signal.SIGINT)
            await asyncio.sleep(0.02)
        ended, text = await running.ended()
        assert ended == 130, text
        scene_.check()
        await scene_.finish()


async def test_helper_that_stands_still_for_a_moment_is_only_slow(tmp_path: Path) -> None:
    """Nobody gives it up: it goes on where it was."""
    async with scene(tmp_path) as scene_, scene_.running(asked=30) as running:
        running.helpers[0].suspend()
        await scene_.source.until_asked(45)
        running.helpers[0].resume()
        code, text = await running.ended()
        assert (code, "lost" in text) == (0, False), text
        scene_.check_ended()
