"""200,000 jobs through a cluster that downloads nothing: what the way itself costs.

    python -m benchmarks.cluster_200k                  # --jobs 200000 --workers 2

Scheduler and workers are processes of their own. A worker makes up the outcome of each job; everything else is as in
a run: shards, tasks, answers, pulses, groups. What the manifest costs is measured elsewhere.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
from distributed import Client

from mirror import __version__
from mirror.cluster import Crew, Duties, Setup
from mirror.cluster.engine import DaskEngine
from mirror.cluster.parcels import Answer, HostNews, Order, Report, Results, pack_outcomes, unpack_jobs, unwrap
from mirror.hosts import HostRules
from mirror.model import Content, Fetched, Job
from mirror.pipeline import GroupLimits, Result, drive
from mirror.retry import RetryPolicy
from mirror.root import ArchiveRoot
from mirror.tally import Tally
from mirror.transport import Line

HOST = "photos.example"
_CONTENT = Content(
    size_bytes=17_000, sha256=bytes(32), extension="jpg", width_px=300, height_px=200, etag='"5e1c-1a2b"'
)


async def made_up(_: str, parcel: bytes) -> Answer:
    """Say of every job that it was fetched."""
    jobs = unpack_jobs(unwrap(parcel).jobs)
    found = [
        Fetched(job=job, content=_CONTENT, draft=f"{job.asset_id}.0123456789abcdef.17000.{'0' * 64}") for job in jobs
    ]
    return Answer(results=pack_outcomes(found), hosts=(HostNews(host=HOST, limit=64),))


async def _pulse(order: Order) -> Report:
    await asyncio.sleep(order.wait_s)
    return Report(number=0, results=Results())


class StubEngine(DaskEngine):
    """The engine of a real run, but for what happens on the workers."""

    fetching = staticmethod(made_up)

    async def open(self, address: str, setup: Setup) -> None:
        """Need nothing."""

    async def close(self, address: str) -> None:
        """Have nothing."""

    async def pulse(self, address: str, order: Order) -> Report:
        """Ask, all the same."""
        report = await self._call(_pulse, order, address=address, wait_s=order.wait_s)
        assert isinstance(report, Report)
        return report

    async def heed(self, address: str, order: Order) -> None:
        """Need nothing."""


@asynccontextmanager
async def processes(workers: int) -> AsyncIterator[tuple[str, list[psutil.Process]]]:
    """Run a scheduler and workers; gives its address, and the scheduler's process first."""
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "scheduler.json"

        async def address() -> str:
            while not told.exists() or not told.read_text().endswith("}"):  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.1)
            return str(json.loads(told.read_text())["address"])

        async def start(program: str, *words: str) -> asyncio.subprocess.Process:
            return await asyncio.create_subprocess_exec(
                sys.executable, "-m", f"distributed.cli.{program}", *words, stderr=asyncio.subprocess.DEVNULL
            )

        file = ("--scheduler-file", str(told))
        started = [await start("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", *file)]
        worker = ("--no-nanny", "--nthreads", "2", "--no-dashboard", "--local-directory", folder)
        started += [await start("dask_worker", *file, *worker) for _ in range(workers)]
        try:
            place = await address()
            async with Client(place, asynchronous=True, set_as_default=False) as client:
                await client.wait_for_workers(workers)
            yield place, [psutil.Process(each.pid) for each in started]
        finally:
            # The workers first: without a scheduler they end by themselves.
            for each in reversed(started):
                each.terminate()
                await each.wait()


def _setup() -> Setup:
    line = Line(
        user_agent="benchmark", rules=HostRules(), connect_s=1, stall_s=1, least_rate_bytes_s=0, least_rate_after_s=1,
        longest_retry_after_s=1, largest_asset_bytes=1, largest_page_bytes=1, memory_bytes=0, most_hops=0, is_fixed=False,
        start_requests=8, least_requests=1, most_requests=128, patience_s=1, limit_rate_bytes_s=0,
    )  # fmt: skip
    return Setup(
        run_key="benchmark", version=__version__, root=ArchiveRoot(Path("/nowhere")), min_free_bytes=0, token="",
        device="", line=line, retry=RetryPolicy(), share=128,
    )  # fmt: skip


async def main(count: int, workers: int) -> None:
    """Take so many jobs through the cluster, and print what it took."""
    async with processes(workers) as (address, there):
        engine = await StubEngine.connect(address, "benchmark")
        crew = Crew(engine, _setup(), places=128)
        recorded, done = 0, asyncio.Event()

        async def jobs() -> AsyncGenerator[Job, None]:
            for number in range(count):
                yield Job(
                    asset_id=number, wanted_no=number, race_id=48211, race_day_id=34168, photo_id=900_000 + number,
                    variant="thumbnail", host=HOST,
                    url=f"https://{HOST}/thumbs_v2/race_48211_34168_04c9d78d-82b3-4599-8604-{number * 7919:012x}.jpg",
                )  # fmt: skip
            await done.wait()

        async def commit(group: Sequence[Result]) -> None:
            nonlocal recorded
            recorded += len(group)
            if recorded == count:
                done.set()

        duties = Duties(finish=lambda *_: None, left=lambda: count - recorded, tally=Tally())
        before, began_at = [_cpu_s(each) for each in (psutil.Process(), *there)], time.monotonic()
        await drive(lambda put: crew.work(jobs(), put, duties), commit, limits=GroupLimits(), stop=asyncio.Event())
        wall_s = time.monotonic() - began_at
        after = [_cpu_s(each) for each in (psutil.Process(), *there)]
        print(f"{count:,} jobs in {wall_s:.1f} s: {count / wall_s:,.0f} jobs/s, {engine.shards:,} tasks")
        names = ["client", "scheduler", *(f"worker {number + 1}" for number in range(workers))]
        for name, process, begun, ended in zip(names, (psutil.Process(), *there), before, after, strict=True):
            memory = process.memory_info().rss / 2**20
            cost = f"{1e6 * (ended - begun) / count:.0f} us a job"
            print(f"{name:10} {ended - begun:6.2f} CPU s ({cost}), {memory:5.0f} MiB")
        await engine.aclose()


def _cpu_s(process: psutil.Process) -> float:
    used: Any = process.cpu_times()
    return float(used.user + used.system)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster_200k", description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=200_000)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    asyncio.run(main(given.jobs, given.workers))
