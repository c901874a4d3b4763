"""A cluster on this machine: a scheduler in this process, and a process for each worker.

The engine's own way to start processes hands them this one's environment, with the API's secrets in it, leaves them
to the terminal's Ctrl-C, and runs the caller's main module a second time; so they are started here.
"""

import asyncio
import importlib.util
import json
import logging
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import dask
from distributed import LocalCluster
from distributed.deploy.spec import ProcessInterface

log = logging.getLogger(__name__)

_OURS = "MIRROR_"
_SHARDS_AT_ONCE = 3
_QUICK_DEATH_S = 10.0
_MOST_QUICK_DEATHS = 3
_CLOSING_S = 5.0
_SETTINGS = {
    "distributed.worker.profile.enabled": False,
    "distributed.worker.daemon": False,
    "distributed.scheduler.allowed-failures": 0,
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.admin.system-monitor.disk": False,
    "distributed.admin.low-level-log-length": 100,
}
"""What these processes need not do; for a cluster of the user's own the user decides."""


class WorkerProcess(ProcessInterface):  # type: ignore[misc]  # the engine brings no types
    """One worker in a process of its own, started anew when it dies.

    Args:
        scheduler: Address to report to.
        name: The engine's name for the worker.
        folder: Where it may leave files.
    """

    def __init__(self, scheduler: str, *, name: object, folder: Path, **_: object) -> None:
        super().__init__(scheduler=scheduler, name=name)
        self._scheduler = scheduler
        self._name = f"{name}"
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it; it reports to the scheduler when it is ready."""
        await self._spawn()
        self._watching = asyncio.ensure_future(self._watch())
        await super().start()

    async def _spawn(self) -> None:
        spec = {"cls": "distributed.Worker", "opts": {
            "name": self._name, "nthreads": _SHARDS_AT_ONCE, "memory_limit": 0, "local_directory": str(self._folder),
            "dashboard": False,
        }}  # fmt: skip
        with self._log_file.open("ab") as said:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-m", "distributed.cli.dask_spec", self._scheduler, "--spec", json.dumps(spec),
                env=_environment(), start_new_session=True, stdin=asyncio.subprocess.DEVNULL, stdout=said, stderr=said,
            )  # fmt: skip

    @property
    def _log_file(self) -> Path:
        return self._folder / f"worker-{self._name}.log"

    async def _watch(self) -> None:
        """Start it anew when it dies, unless it does nothing else."""
        quick_deaths = 0
        while self._process is not None and quick_deaths < _MOST_QUICK_DEATHS:
            began_at = time.monotonic()
            code = await self._process.wait()
            quick_deaths = quick_deaths + 1 if time.monotonic() - began_at < _QUICK_DEATH_S else 0
            how = (
                f"was killed by {signal.Signals(-code).name}"
                if code < 0
                else f"ended with {code}: {self._last_words()}"
            )
            log.warning("worker process %s %s", self._name, how)
            await self._spawn()

    def _last_words(self) -> str:
        lines = self._log_file.read_text("utf-8", "replace").split("\n") if self._log_file.exists() else []
        return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")

    async def close(self) -> None:
        """End it: it may finish what it is at for a moment."""
        if self._watching is not None:
            self._watching.cancel()
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(_CLOSING_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        await super().close()


def _environment() -> dict[str, str]:
    """This process's, without what may be secret; with its way to modules, and the engine's settings."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(_OURS)}
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join(os.path.abspath(each) for each in sys.path),  # noqa: PTH100 - "" is here
        "DASK_INTERNAL_INHERIT_CONFIG": dask.config.serialize(dask.config.global_config),
    }


@asynccontextmanager
async def local_cluster(workers: int) -> AsyncIterator[tuple[str, str]]:
    """Start so many workers; gives the scheduler's address, and the dashboard's, empty if there is none."""
    has_dashboard = importlib.util.find_spec("bokeh") is not None
    with (
        tempfile.TemporaryDirectory(prefix="mirror-workers-", ignore_cleanup_errors=True) as folder,
        dask.config.set({**_SETTINGS, "temporary-directory": folder}),
    ):
        cluster = await LocalCluster(
            n_workers=workers, worker_class=WorkerProcess, threads_per_worker=_SHARDS_AT_ONCE, processes=True,
            host="127.0.0.1", dashboard_address="127.0.0.1:0" if has_dashboard else None, silence_logs=False,
            asynchronous=True, folder=Path(folder),
        )  # fmt: skip
        try:
            yield cluster.scheduler_address, str(cluster.dashboard_link) if has_dashboard else ""
        finally:
            await cluster.close()
