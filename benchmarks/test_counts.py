"""What a run may cost, in things that can be counted: requests, connections, system calls, memory. Never time."""

import asyncio
import json
import re
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from benchmarks.api import BenchmarkRace
from mirror.demo import DemoService
from mirror.demo.drawing import tiny_picture
from mirror.demo.service import Request

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="counts are of Linux")
needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")

_CONFIG = """
[api]
base_url = "{api}"
key = "demo-key"
[archive]
root = "{root}"
[download]
variants = ["thumbnail"]
concurrency = {at_once}
allowed_hosts = ["127.0.0.1"]
allow_http = true
allow_private = true
[[races]]
race = 48211
days = [34168]
"""
_AT_ONCE = 16


@dataclass
class Place:
    """A service that counts, and a folder to archive into.

    Args:
        connections: Ends of those that asked for pictures.
    """

    service: DemoService
    folder: Path
    connections: set[object] = field(default_factory=set)

    async def sync(self, *arguments: str, before: tuple[str, ...] = ()) -> dict[str, int]:
        """Run ``mirror sync`` as people do; returns its memory in bytes and the requests it cost."""
        config = self.folder / "mirror.toml"
        config.write_text(_CONFIG.format(api=self.service.base_url, root=self.folder / "photos", at_once=_AT_ONCE))
        self.service.requests.clear()
        self.connections.clear()
        launcher = (sys.executable, "-I", "-S", str(Path(__file__).with_name("measure.py")))
        program = (sys.executable, "-m", "mirror", "sync", "--quiet", "--config", str(config), *arguments)
        process = await asyncio.create_subprocess_exec(
            *launcher, *before, *program,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env={"PATH": "/usr/bin:/bin", "MIRROR_API__SECRET": self.service.api_secret},
        )  # fmt: skip
        out, said = await process.communicate()
        used = json.loads(out)
        assert used["code"] == 0, said.decode()
        api_calls = sum(each.is_api for each in self.service.requests)
        return {"rss_bytes": used["rss_bytes"], "api": api_calls, "pictures": len(self.service.requests) - api_calls}


@asynccontextmanager
async def place(folder: Path, photos: int) -> AsyncIterator[Place]:
    """Serve a race of so many photos."""
    picture = tiny_picture()

    async def count(seen: Request, request: web.Request) -> web.StreamResponse | None:
        if seen.is_api:
            return None
        here.connections.add(request.transport)
        return DemoService.picture_answer(request, picture)

    async with DemoService(BenchmarkRace(photos=photos, is_tiny=True), hook=count) as service:
        here = Place(service, folder)
        yield here


def calls(log: Path) -> Iterator[tuple[str, str]]:
    """Name and arguments of each system call in what strace wrote."""
    for line in log.read_text(errors="replace").splitlines():
        if found := re.match(r"(?:\d+ +)?(\w+)\((.*)", line):
            yield found[1], found[2]


async def test_second_run_costs_two_calls_and_no_picture(tmp_path: Path) -> None:
    """With nothing new a run asks for the albums and one page, whatever the race's size."""
    async with place(tmp_path, 1000) as here:
        first = await here.sync()
        second = await here.sync()
    assert first["pictures"] == 1000
    assert (second["api"], second["pictures"]) == (2, 0)


async def test_full_pass_again_costs_its_pages(tmp_path: Path) -> None:
    """A full pass over stored photos asks for albums twice and each page once, and fetches nothing."""
    async with place(tmp_path, 1000) as here:
        await here.sync()
        again = await here.sync("--full")
    assert again["pictures"] == 0
    # Albums before and after, ten pages with photos and the empty one that ends the listing.
    assert again["api"] <= 13


async def test_first_run_opens_no_more_connections_than_requests_at_once(tmp_path: Path) -> None:
    """Connections are kept and used again: their number is the concurrency, not the race's size."""
    async with place(tmp_path, 1000) as here:
        await here.sync()
        assert len(here.connections) <= _AT_ONCE


@needs_strace
async def test_since_pass_touches_no_stored_photo(tmp_path: Path) -> None:
    """With nothing new no system call names a stored photo, or a folder of photos."""
    log = tmp_path / "calls"
    async with place(tmp_path, 300) as here:
        await here.sync()
        await here.sync(before=("strace", "-f", "-e", "trace=%file", "-o", str(log)))
    touched = [text for _, text in calls(log) if "IMG_" in text or "/thumbnail" in text or "34168" in text]
    assert touched == []


@needs_strace
async def test_photo_costs_few_calls_to_the_disk(tmp_path: Path) -> None:
    """A small picture is created, written, closed, looked for under its key and renamed; nothing more by itself.

    Flushes are by the group, and so is what the manifest writes.
    """
    counted = {}
    for photos in (200, 1200):
        log = tmp_path / f"calls-{photos}"
        (tmp_path / str(photos)).mkdir()
        async with place(tmp_path / str(photos), photos) as here:
            await here.sync(before=("strace", "-f", "-e", "trace=%file,write,close,fsync,syncfs", "-o", str(log)))
        counted[photos] = [name for name, _ in calls(log)]
    small, large = counted[200], counted[1200]
    assert (len(large) - len(small)) / 1000 < 5.5
    assert sum(large.count(name) for name in ("fsync", "syncfs")) < 0.05 * 1200


async def test_memory_does_not_grow_with_the_race(tmp_path: Path) -> None:
    """20,000 photos need hardly more memory than 1,000."""
    sizes = {}
    for photos in (1_000, 20_000):
        (tmp_path / str(photos)).mkdir()
        async with place(tmp_path / str(photos), photos) as here:
            here.service.keeps_log = False
            sizes[photos] = (await here.sync())["rss_bytes"] / 2**20
    assert sizes[20_000] < 110
    assert sizes[20_000] - sizes[1_000] < 25
