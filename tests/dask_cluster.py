"""A Dask cluster for tests, as somebody else would run it: a scheduler and workers, each a process of its own."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

from tests.s3_server import required

_STARTS_WITHIN_S = 60


class DaskCluster:
    """Use it with ``async with``; nothing of it is left then.

    Args:
        folder: For its files.
        workers: How many it begins with.
    """

    def __init__(self, folder: Path, *, workers: int = 2) -> None:
        required("distributed")
        self.address = ""
        self.workers: list[asyncio.subprocess.Process] = []
        self._folder = folder
        self._first = workers

    async def __aenter__(self) -> Self:
        self._folder.mkdir(exist_ok=True)
        told = self._folder / "scheduler.json"
        self.scheduler = await self._start(
            "dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(told)
        )
        async with asyncio.timeout(_STARTS_WITHIN_S):
            while not told.exists() or not told.read_text().endswith("}"):
                await asyncio.sleep(0.05)
        self.address = json.loads(told.read_text())["address"]
        await asyncio.gather(*(self.add_worker() for _ in range(self._first)))
        return self

    async def __aexit__(self, *_: object) -> None:
        for process in (*self.workers, self.scheduler):
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def add_worker(self, *before: str, modules: Path | None = None) -> asyncio.subprocess.Process:
        """Start one more worker, and wait until it is there.

        Args:
            before: Words of a command that runs it, such as ``unshare -m``.
            modules: Where it looks for modules first.
        """
        said = self._folder / f"worker-{len(self.workers)}-{id(object())}.log"
        worker = await self._start(
            "dask_worker", self.address, "--no-nanny", "--nthreads", "2", "--no-dashboard", "--local-directory",
            str(self._folder), before=before, modules=modules, said=said,
        )  # fmt: skip
        self.workers.append(worker)
        async with asyncio.timeout(_STARTS_WITHIN_S):
            while b"Registered to:" not in said.read_bytes():
                assert worker.returncode is None, said.read_text()
                await asyncio.sleep(0.05)
        return worker

    async def _start(
        self, program: str, *words: str, before: Sequence[str] = (), modules: Path | None = None,
        said: Path | None = None,
    ) -> asyncio.subprocess.Process:  # fmt: skip
        environ = {name: value for name, value in os.environ.items() if not name.startswith("MIRROR_")}
        if modules is not None:
            environ["PYTHONPATH"] = str(modules)
        with (said or self._folder / f"{program}.log").open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *before, sys.executable, "-P", "-m", f"distributed.cli.{program}", *words,
                env={**environ, "DASK_DISTRIBUTED__COMM__COMPRESSION": "False"}, stdout=log, stderr=log,
            )  # fmt: skip


@asynccontextmanager
async def tapped(address: str) -> AsyncIterator[tuple[str, bytearray]]:
    """Stand between a client and a scheduler; gives the address to be used, and all that went to and fro."""
    host, _, port = address.removeprefix("tcp://").partition(":")
    heard = bytearray()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            heard.extend(data)
            writer.write(data)
            await writer.drain()
        writer.close()

    async def stand_between(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward = await asyncio.open_connection(host, int(port))
        await asyncio.gather(carry(reader, onward[1]), carry(onward[0], writer), return_exceptions=True)

    server = await asyncio.start_server(stand_between, "127.0.0.1", 0)
    try:
        yield f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}", heard
    finally:
        server.close()
