"""Dask, as the crew sees it: the only file that speaks to its client. Its exceptions end here."""

import asyncio
import logging
import pydoc
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from distributed import Client, Future
from distributed.client import FutureCancelledError
from distributed.core import CommClosedError
from distributed.scheduler import KilledWorker

from mirror.cluster import worker
from mirror.cluster.parcels import Answer, Order, Report, Setup, Shard, wrap
from mirror.errors import ClusterError, ConfigError, MirrorError, WorkerLostError

log = logging.getLogger(__name__)
T = TypeVar("T")

_CONNECT_S = 5.0
_ANSWER_S = 30.0
"""A worker that says nothing for so long is lost; should it live, it closes its station by itself."""
_GONE_S = 0.5
_LOUD = ("distributed", "distributed.client", "bokeh", "tornado", "tornado.application")
_GONE = (CommClosedError, OSError, TimeoutError, KilledWorker, FutureCancelledError)


def calm_logs() -> None:
    """Take away what Dask writes to the terminal by itself: its messages go where ours go."""
    for name in _LOUD:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.NOTSET)


class DaskEngine:
    """Calls on the workers of one scheduler."""

    fetching: Callable[[str, bytes], Awaitable[Answer]] = staticmethod(worker.fetch)
    """What a task does, on its worker."""

    def __init__(self, client: Client, address: str, run_key: str) -> None:
        self._client = client
        self._address = address
        self._run_key = run_key
        self.shards = 0
        """Tasks so far."""
        self._has_dashboard = False

    @classmethod
    async def connect(cls, address: str, run_key: str) -> "DaskEngine":
        """Connect to a running scheduler.

        Raises:
            ClusterError: It does not answer.
        """
        try:
            client = await Client(
                address, asynchronous=True, set_as_default=False, timeout=_CONNECT_S, name="mirror"
            )  # fmt: skip
        except (OSError, ValueError, TimeoutError, ImportError) as error:
            text = str(error).partition("\n")[0]
            raise ClusterError(
                f"{address}: no scheduler answers ({text}): is 'dask scheduler' running there?"
            ) from None
        return cls(client, address, run_key)

    @property
    def dashboard(self) -> str:
        """Where people can watch the cluster; empty if nowhere, or before anybody asked for the members."""
        return str(self._client.dashboard_link) if self._has_dashboard else ""

    async def members(self) -> list[str]:
        """Name the workers that the scheduler knows now.

        Raises:
            ClusterError: The scheduler is gone.
        """
        self._require_scheduler()
        try:
            async with asyncio.timeout(_ANSWER_S):
                found = await self._client.scheduler.identity(n_workers=-1)
        except _GONE as error:
            raise self._gone() from error
        self._has_dashboard = "dashboard" in found["services"]
        return [address for address, facts in found["workers"].items() if facts.get("status") != "closing"]

    def _require_scheduler(self) -> None:
        # The library would go on looking for it, but whatever was asked of it is lost.
        if self._client.status != "running":
            raise self._gone()

    def _gone(self) -> ClusterError:
        return ClusterError(
            f"{self._address}: the scheduler is gone; what was stored is recorded, and the next run goes on"
        )

    async def version_of(self, address: str) -> str | None:
        """Ask a worker which version of this program it has; None if it has none."""
        # Found by the standard library, which every worker has, whatever else is there.
        found = await self._call(pydoc.locate, f"{worker.__name__.partition('.')[0]}.__version__", address=address)
        return found if isinstance(found, str) else None

    async def open(self, address: str, setup: Setup) -> None:
        """Open a station there.

        Raises:
            ConfigError: The worker lacks something that it needs.
        """
        try:
            await self._call(worker.open_station, setup, address=address)
        except MirrorError:
            raise
        except Exception as error:
            raise ConfigError(
                f"worker {address} cannot begin ({_said(error)}): every worker needs the same mirror and Python"
            ) from error

    async def close(self, address: str) -> None:
        """Close it."""
        await self._call(worker.close_station, self._run_key, address=address)

    async def pulse(self, address: str, order: Order) -> Report:
        """Give an order and wait for the report."""
        found = await self._call(worker.pulse, self._run_key, order, address=address, wait_s=order.wait_s)
        assert isinstance(found, Report)  # noqa: S101 - tells the type checker
        return found

    async def heed(self, address: str, order: Order) -> None:
        """Give an order that cannot wait."""
        await self._call(worker.heed, self._run_key, order, address=address)

    async def fetch(self, address: str, shard: Shard) -> Answer:
        """Have a shard fetched by one worker, and by no other: what becomes of it when that one dies is our decision.

        Raises:
            WorkerLostError: The worker has died, or was started anew.
        """
        self.shards += 1
        future = self._client.submit(
            self.fetching, self._run_key, wrap(shard), key=f"mirror-shard-{self._run_key}-{self.shards}",
            workers=[address], allow_other_workers=False, pure=False, retries=0,
        )  # fmt: skip
        try:
            return await self._result(future, address)
        finally:
            future.release()

    async def _result(self, future: Future, address: str) -> Answer:
        try:
            found = await future.result()
        except MirrorError as error:
            raise _named(error, address) from error
        except _GONE as error:
            raise WorkerLostError(_said(error)) from error
        assert isinstance(found, Answer)  # noqa: S101 - tells the type checker
        return found

    async def _call(self, function: Callable[..., Any], *arguments: Any, address: str, wait_s: float = 0.0) -> Any:
        self._require_scheduler()
        try:
            async with asyncio.timeout(wait_s + _ANSWER_S):
                found = await self._client.run(function, *arguments, workers=[address], on_error="return")
        except _GONE as error:
            raise WorkerLostError(_said(error)) from error
        answer = found.get(address, WorkerLostError("it has left"))
        if isinstance(answer, (WorkerLostError, *_GONE)):
            raise WorkerLostError(_said(answer)) from answer
        if isinstance(answer, MirrorError):
            raise _named(answer, address) from answer
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def aclose(self) -> None:
        """Let go of the scheduler."""
        try:
            async with asyncio.timeout(_CONNECT_S if self._client.status == "running" else _GONE_S):
                await self._client.close()
        except _GONE as error:
            log.debug("closing the client: %s", _said(error))


def _said(error: BaseException) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


def _named(error: MirrorError, address: str) -> MirrorError:
    """The same error, with the worker it comes from."""
    if isinstance(error, ClusterError):
        return WorkerLostError(str(error))
    return type(error)(f"worker {address}: {error}")
