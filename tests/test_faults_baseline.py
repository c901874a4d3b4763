"""What must hold when nothing goes wrong: bounded in everything, and with production settings against real names."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from mirror import load_config, run_sync
from mirror.demo.race import GeneratedRace
from tests.certificates import Certificates
from tests.simulator import ALWAYS, PAGES, PICTURES, SourceSimulator
from tests.test_cli_signals import started
from tests.test_sync import assert_agrees, tree

STORE = "race-photos.s3.us-east-1.amazonaws.com"


async def test_pictures_are_fetched_while_the_listing_goes_on(tmp_path: Path) -> None:
    """A later page comes only when pictures of an earlier one were asked for: nobody waits for the whole list."""
    asked = asyncio.Event()

    async def after_a_picture(_: web.Request, honest: web.Response) -> web.StreamResponse:
        await asyncio.wait_for(asked.wait(), 30)
        return honest

    async with SourceSimulator(photos=60) as source:
        source.fault(PAGES, page=4, times=ALWAYS, does=after_a_picture)
        source.on_request = lambda seen: None if seen.is_api else asked.set()
        assert (await run_sync(source.config(tmp_path, API__PAGE_SIZE="10"))).exit_code == 0
    assert_agrees(tmp_path / "photos")


async def test_each_asset_is_asked_for_once_within_the_pool(tmp_path: Path) -> None:
    """No more requests at once than configured, one for each asset, and no more calls than the listing needs."""

    async def slowly(_: web.Request, honest: web.Response) -> web.StreamResponse:
        await asyncio.sleep(0.005)
        return honest

    async with SourceSimulator(photos=60) as source:
        source.fault(PICTURES, times=ALWAYS, does=slowly)
        report = await run_sync(source.config(tmp_path, DOWNLOAD__CONCURRENCY="3"))
        assert source.most_image_requests == 3
        assert source.pictures_asked() == report.stored == len(tree(tmp_path / "photos"))
        # The race, the albums before, between and after, and twice a page with its end: one album has no stamp.
        assert report.api_calls <= 1 + 3 + 2 * 2
    assert_agrees(tmp_path / "photos")


async def test_hundreds_of_photos_take_bounded_memory_descriptors_and_threads(tmp_path: Path) -> None:
    """600 photos: below 200 MB, 120 open files and 48 threads at every request."""
    if not Path("/proc/self/fd").exists():  # noqa: ASYNC240 - a folder of the kernel's
        pytest.skip("another process's open files are counted in /proc")
    most = {"files": 0, "threads": 0, "memory": 0}
    async with SourceSimulator() as source:
        source.race = GeneratedRace(photos=600)
        source.config(tmp_path)
        async with started(tmp_path, "sync") as process:

            def look(_: object) -> None:
                with contextlib.suppress(OSError):
                    status = dict(
                        line.split(":\t", 1) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines()
                    )
                    most["files"] = max(most["files"], len(os.listdir(f"/proc/{process.pid}/fd")))  # noqa: PTH208
                    most["threads"] = max(most["threads"], int(status["Threads"]))
                    most["memory"] = max(most["memory"], int(status["VmHWM"].split()[0]) * 1024)

            source.on_request = look
            _, blamed = await process.communicate()
            assert process.returncode == 0, blamed
        assert source.pictures_asked() == 600
    assert most["memory"] < 200_000_000
    assert most["files"] < 120
    assert most["threads"] < 48


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def _join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    """Carry bytes both ways between a connection and a port of loopback."""
    there_reader, there_writer = await asyncio.open_connection("127.0.0.1", port)
    await asyncio.gather(_pour(reader, there_writer), _pour(there_reader, writer))


@contextlib.asynccontextmanager
async def the_internet(ports: dict[str, int], certificates: Certificates) -> AsyncIterator[tuple[int, list[str]]]:
    """A proxy behind which the given names lead, over TLS, to ports of loopback; yields its port and what it was asked."""
    asked: list[str] = []
    tasks: set[asyncio.Task[None]] = set()

    async def front(port: int) -> asyncio.Server:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await _join(reader, writer, port)

        return await asyncio.start_server(serve, "127.0.0.1", 0, ssl=certificates.server_context())

    fronts = {name: await front(port) for name, port in ports.items()}

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())  # type: ignore[arg-type]
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        asked.append(head.split()[1])
        name, _, port = asked[-1].partition(":")
        assert (head.split()[0], port) == ("CONNECT", "443")
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await _join(reader, writer, fronts[name].sockets[0].getsockname()[1])

    proxy = await asyncio.start_server(connect, "127.0.0.1", 0)
    try:
        yield proxy.sockets[0].getsockname()[1], asked
    finally:
        for server in (proxy, *fronts.values()):
            server.close()
        await asyncio.wait(tasks, timeout=5)


async def test_real_names_over_https_work_with_production_settings(tmp_path: Path, certificates: Certificates) -> None:
    """The service's own names, https, the default list of hosts: no setting is loosened, and all is stored."""
    async with SourceSimulator(photos=40) as source:
        source.image_origin, store_port = f"https://{STORE}", int(source.image_origin.rpartition(":")[2])
        api_port = int(source.base_url.removesuffix("/rest").rpartition(":")[2])
        names = {"runsignup.com": api_port, STORE: store_port}
        async with the_internet(names, certificates) as (port, asked):
            file = tmp_path / "mirror.toml"
            file.write_text(
                f'[api]\nkey = "{source.api_key}"\nsecret = "{source.api_secret}"\n[archive]\nroot = "photos"\n'
                f'[download]\nproxy = "http://127.0.0.1:{port}"\nca_file = "{certificates.authority}"\n'
                "[[races]]\nrace = 48211\ndays = [34168]\n"
            )
            file.chmod(0o600)
            report = await run_sync(load_config(file, environ={}))
            assert report.exit_code == 0
            assert report.stored == source.pictures_asked() == len(tree(tmp_path / "photos")) > 0
            assert set(asked) == {"runsignup.com:443", f"{STORE}:443"}
            for each in source.requests:
                assert each.headers["Host"] == ("runsignup.com" if each.is_api else STORE)
    assert_agrees(tmp_path / "photos")
