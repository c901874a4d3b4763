"""A cluster opened as the command line asks for it; what Dask brings is imported only then."""

import os
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

from mirror.archive import Archive
from mirror.cluster.crew import Crew
from mirror.cluster.helpers import Helper
from mirror.cluster.parcels import Setup
from mirror.cluster.pipes import PipeEngine
from mirror.cluster.seam import Traffic
from mirror.errors import ClusterError, ConfigError

_MOST_LOCAL = 256
_NEAR = Traffic(shards=4, most_jobs=250, pulse_s=0.25)
"""To helpers it is not far: many small shards leave no gap, and what a person sees of them is fresh."""
_SCHEMES = ("tcp", "tls", "ucx", "ws", "wss")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterWish:
    """Who is to fetch; see `wish_of`.

    Args:
        scheduler: Address of a running scheduler; empty for workers on this machine.
        local_workers: So many of them.
        helpers: Processes forked from this one; then there is no scheduler.
        tell: Receives lines for a person.
    """

    scheduler: str = ""
    local_workers: int = 0
    helpers: tuple[Helper, ...] = ()
    tell: Callable[[str], None] = lambda _: None


def wish_of(scheduler: str | None, local_workers: int | None, tell: Callable[[str], None]) -> ClusterWish | None:
    """Read what a command was asked for; None for this process alone.

    Raises:
        ConfigError: Both are given, or one cannot be meant.
    """
    if scheduler is not None and local_workers is not None:
        raise ConfigError("--cluster and --local-workers both say who fetches: give one of them")
    if scheduler is not None:
        scheme, slashes, place = scheduler.partition("://")
        if not slashes or scheme not in _SCHEMES or not place:
            raise ConfigError(f"--cluster: found {scheduler!r}, expected a scheduler such as tcp://10.0.0.5:8786")
        return ClusterWish(scheduler=scheduler, tell=tell)
    if local_workers is None:
        return None
    if not 1 <= local_workers <= _MOST_LOCAL:
        raise ConfigError(
            f"--local-workers: found {local_workers}, expected a number from 1 to {_MOST_LOCAL}; "
            "one for each core of this machine is a good one"
        )
    if local_workers > (cores := os.cpu_count() or 1):
        tell(f"{local_workers} workers, but this machine has {cores} cores: more than those bring little")
    return ClusterWish(local_workers=local_workers, tell=tell)


@asynccontextmanager
async def opened_crew(wish: ClusterWish, setup: Setup, archive: Archive) -> AsyncIterator[Crew]:
    """Open the cluster, and see that its workers are fit for this archive.

    Args:
        setup: What the workers are told; the run's key and the token are made here.
    Raises:
        ConfigError: Dask is not installed, the scheduler does not answer, or a worker is unfit.
    """
    if wish.helpers:
        async with _with_helpers(wish.helpers, setup) as crew:
            yield crew
        return
    try:
        from mirror.cluster.engine import DaskEngine, calm_logs  # noqa: PLC0415 - an extra, and heavy
        from mirror.cluster.local import local_cluster  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(f"a cluster needs Dask ({error.name} is missing): pip install 'mirror[dask]'") from None
    calm_logs()
    setup = replace(setup, run_key=secrets.token_hex(8), token=secrets.token_hex(16))
    async with AsyncExitStack() as rooms:
        await archive.leave_token(setup.token)
        rooms.push_async_callback(archive.leave_token, None)
        address, dashboard = wish.scheduler, ""
        if wish.local_workers:
            address, dashboard = await rooms.enter_async_context(local_cluster(wish.local_workers))
        try:
            engine = await DaskEngine.connect(address, setup.run_key)
        except ClusterError as error:
            raise ConfigError(f"--cluster: {error}") from None
        rooms.push_async_callback(engine.aclose)
        crew = Crew(
            engine, setup, places=setup.line.most_requests, limit_rate_bytes_s=setup.line.limit_rate_bytes_s
        )  # fmt: skip
        workers = wish.local_workers or await crew.muster()
        wish.tell(_introduction(wish, workers, dashboard if wish.local_workers else engine.dashboard))
        rooms.push_async_callback(crew.aclose)
        yield crew


@asynccontextmanager
async def _with_helpers(helpers: Sequence[Helper], setup: Setup) -> AsyncIterator[Crew]:
    # They are of this machine: the memory for bodies is one. A helper has nothing to do while the disk is at work.
    line = replace(setup.line, memory_bytes=setup.line.memory_bytes // len(helpers))
    setup = replace(setup, line=line, has_threads=False, deserted_s=0.0)
    async with PipeEngine.connected(helpers) as engine:
        crew = Crew(
            engine, setup, places=line.most_requests, limit_rate_bytes_s=line.limit_rate_bytes_s, traffic=_NEAR
        )  # fmt: skip
        try:
            yield crew
        finally:
            await crew.aclose()


def _introduction(wish: ClusterWish, workers: int, dashboard: str) -> str:
    """Say who fetches, and where that can be watched."""
    where = f"at {wish.scheduler}" if wish.scheduler else "on this machine"
    watched = f"; dashboard: {dashboard}" if dashboard else ""
    return f"{workers} worker{'' if workers == 1 else 's'} {where}{watched}"
