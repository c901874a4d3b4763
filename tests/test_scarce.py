"""Too little of what a run needs: descriptors, or room on the disk. It works or says so in one line, and loses nothing."""

import asyncio
import contextlib
import os
import resource
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.forks import Forks
from tests.judge import Judge
from tests.power import command
from tests.simulator import SourceSimulator
from tests.test_cli import assert_calm, mirror
from tests.test_resume import LargeRace


@contextlib.contextmanager
def small_disk(at: Path, *, size: str) -> Iterator[Path]:
    """Mount a disk in memory; skips where that is not allowed."""
    at.mkdir()
    try:
        command("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(at))
    except (OSError, AssertionError) as error:
        pytest.skip(f"this system mounts nothing for us: {error}")
    try:
        yield at
    finally:
        command("umount", str(at))


async def sync_with_descriptors(folder: Path, count: int) -> "subprocess.CompletedProcess[str]":
    """Run a sync that may have so many files open at once."""
    return await asyncio.to_thread(
        subprocess.run, [sys.executable, "-m", "mirror", "sync"], cwd=folder, capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (count, count)),
    )  # fmt: skip


@pytest.mark.parametrize("count", [16, 40])
async def test_few_descriptors_lose_nothing(tmp_path: Path, count: int) -> None:
    """With too few open files a run works, or ends with one calm line; the next one, with enough, completes."""
    async with SourceSimulator(photos=60) as source:
        source.config(tmp_path)
        done = await sync_with_descriptors(tmp_path, count)
        if done.returncode:
            assert_calm(done, 4)
            assert done.stderr.splitlines()[-1].endswith("too many open files")
        judge = Judge.of(source.race)
        judge.check(tmp_path / "photos")
        assert_calm(await mirror(tmp_path, "sync"), 0)
        judge.check_ended(tmp_path / "photos")


@contextlib.asynccontextmanager
async def filling_disk(at: Path, *, size: str, min_free: str) -> AsyncIterator[tuple[Path, Judge, Forks]]:
    """A disk that has less room than the race needs."""
    async with SourceSimulator(photos=0) as source, Forks() as forks:
        source.race = LargeRace(photos=0)
        source.race.gain_uploads(4)
        with small_disk(at, size=size) as disk:
            source.config(disk)
            (disk / "mirror.toml").write_text(source.config_text().replace('"1MB"', f'"{min_free}"'))
            yield disk, Judge.of(source.race), forks


async def assert_mends(disk: Path, judge: Judge, forks: Forks) -> None:
    """With room the next run completes."""
    judge.check(disk / "photos")
    command("mount", "-o", "remount,size=64M", str(disk))
    ended = await forks.run(disk, "sync", "--quiet")
    assert (ended.code, ended.said) == (0, "")
    judge.check_ended(disk / "photos")


async def test_full_disk_ends_the_run_and_room_mends_it(tmp_path: Path) -> None:
    """The disk fills up in the midst of a run: exit 4 with one line, nothing wrong on the disk; with room it completes."""
    async with filling_disk(tmp_path / "disk", size="6M", min_free="0") as (disk, judge, forks):
        for _ in range(2):
            ended = await forks.run(disk, "sync", "--quiet")
            assert (ended.code, ended.said.count("\n")) == (4, 1), ended.said
            assert "the disk is full" in ended.said
            judge.check(disk / "photos")
        await assert_mends(disk, judge, forks)


async def test_reserve_is_kept_in_the_midst_of_a_run(tmp_path: Path) -> None:
    """The run stops before the disk has less room than it shall leave to others, however quickly it fills."""
    async with filling_disk(tmp_path / "disk", size="24M", min_free="12MB") as (disk, judge, forks):
        ended = await forks.run(disk, "sync", "--quiet")
        assert (ended.code, ended.said.count("\n")) == (4, 1), ended.said
        assert "archive.min_free" in ended.said
        space = os.statvfs(disk)
        assert space.f_bavail * space.f_frsize > 11_000_000
        await assert_mends(disk, judge, forks)
