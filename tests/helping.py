"""A race that two helpers are fetching, for tests of what becomes of them."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import psutil
import pytest

from mirror import run_sync
from mirror.model import RunReport
from tests.judge import Judge, account_of, assets_on_disk, digest_of
from tests.simulator import ALWAYS, PICTURES, SourceSimulator
from tests.test_cli import assert_calm, mirror
from tests.test_cli_signals import started

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="helpers are forked on Linux only")
TWO = {"MIRROR_DOWNLOAD__HELPERS": "2"}
NOTHING: Mapping[str, str] = MappingProxyType({})
_GONE_S = 30


def is_gone(process: psutil.Process) -> bool:
    """Whether a process does nothing any more; in a container nobody may have asked how it ended."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def until_gone(processes: Sequence[psutil.Process]) -> None:
    """Wait until none of them is left."""
    async with asyncio.timeout(_GONE_S):
        while not all(map(is_gone, processes)):
            await asyncio.sleep(0.01)


def helpers_of(process: asyncio.subprocess.Process) -> list[psutil.Process]:
    """The helpers of a command, in the order of their making."""
    return sorted(psutil.Process(process.pid).children(), key=lambda each: each.pid)


def whole(root: Path) -> int:
    """How many pictures are there, under their names or as checked drafts."""
    drafts = [path for path in root.glob(".mirror/drafts/*.*.*.*") if digest_of(path).hex() in path.name]
    return len(assets_on_disk(root)) + len(drafts)


@dataclass(slots=True)
class Running:
    """A command and its helpers."""

    process: asyncio.subprocess.Process
    helpers: list[psutil.Process]

    def send(self, number: int) -> None:
        """Signal all of them at once, as a terminal or a service manager does."""
        os.killpg(self.process.pid, number)

    def close_stdout(self) -> None:
        """Read nothing more of what it says."""
        pipe = self.process._transport.get_pipe_transport(1)  # type: ignore[attr-defined]
        pipe.close()

    async def ended(self) -> tuple[int | None, str]:
        """Wait for its end and that of its helpers; returns its exit code and what it said on standard error."""
        _, said = await asyncio.wait_for(self.process.communicate(), 120)
        text = said.decode()
        assert "Traceback" not in text, text
        await until_gone(self.helpers)
        return self.process.returncode, text


class Scene:
    """A race of slow pictures, and what one process makes of it.

    Args:
        calm: The account of an archive that one process made.
    """

    def __init__(self, source: SourceSimulator, folder: Path, calm: dict[str, object]) -> None:
        self.source = source
        self.folder = folder
        self.calm = calm
        self.archive = folder / "photos"
        self.judge = Judge.of(source.race)
        source.config(folder)

    @asynccontextmanager
    async def running(self, *words: str, asked: int, environ: Mapping[str, str] = NOTHING) -> AsyncIterator[Running]:
        """A sync with two helpers that has asked for so many pictures."""
        environ = {**TWO, "MIRROR_DOWNLOAD__CONCURRENCY": "8", "MIRROR_DOWNLOAD__GROUP_DRAFTS": "20", **environ}
        async with started(self.folder, "sync", *words, environ=environ, start_new_session=True) as process:
            await self.source.until_asked(asked)
            helpers = helpers_of(process)
            assert len(helpers) == int(TWO["MIRROR_DOWNLOAD__HELPERS"])
            try:
                yield Running(process, helpers)
            finally:  # a promise that is broken leaves nobody behind either
                for each in helpers:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        each.kill()

    async def finish(self) -> None:
        """An undisturbed run completes it, and fetches nothing that was whole."""
        files = self.calm["files"]
        assert isinstance(files, dict)
        left = len(files) - whole(self.archive)
        self.source.requests.clear()
        assert_calm(await mirror(self.folder, "sync", **TWO), 0)
        assert self.source.pictures_asked() <= left
        self.check_ended()

    def check(self) -> None:
        """Nothing wrong is to be seen, whatever is on its way."""
        self.judge.check(self.archive)

    def check_ended(self) -> None:
        """All is there that one process brings, and nothing is left over."""
        self.judge.check_ended(self.archive)
        assert account_of(self.archive) == self.calm


def made(folder: Path) -> Path:
    """Make a folder."""
    folder.mkdir()
    return folder


def drafts_in(root: Path) -> list[str]:
    """Names of the drafts that an archive holds, but for those in flight: the next run takes them up."""
    return sorted(each.name for each in (root / ".mirror/drafts").iterdir() if each.name.count(".") > 1)


async def made_by_one(source: SourceSimulator, folder: Path, **environ: str) -> RunReport:
    """Have one process, this one, archive a race."""
    return await run_sync(source.config(made(folder), **environ))


@asynccontextmanager
async def scene(folder: Path, *, photos: int = 60, slowly_s: float = 0.01) -> AsyncIterator[Scene]:
    """A race that takes a while."""
    async with SourceSimulator(photos=photos) as source:

        async def slowly(_: object, honest: object) -> object:
            await asyncio.sleep(slowly_s)
            return honest

        await made_by_one(source, folder / "calm")
        source.requests.clear()
        source.fault(PICTURES, times=ALWAYS, does=slowly)
        yield Scene(source, folder, account_of(folder / "calm/photos"))
