"""What the engine calls on its workers; each of them lives in a process of its own."""

from pathlib import Path

from distributed import Worker, WorkerPlugin, get_worker

from mirror.cluster.parcels import Answer, Order, Report, Setup, unwrap
from mirror.cluster.station import Station
from mirror.errors import ClusterError


class _Holder(WorkerPlugin):  # type: ignore[misc]  # the engine brings no types
    """Holds a station as long as the worker lives."""

    def __init__(self, station: Station) -> None:
        self.station = station

    async def teardown(self, worker: Worker) -> None:  # noqa: ARG002 - the engine passes it
        """Close the station with its worker."""
        await self.station.aclose()


def _name(run_key: str) -> str:
    return f"mirror-{run_key}"


def _station(run_key: str, worker: Worker) -> Station:
    holder = worker.plugins.get(_name(run_key))
    if not isinstance(holder, _Holder):
        raise ClusterError(f"{worker.address} was started anew meanwhile")
    return holder.station


async def open_station(setup: Setup, dask_worker: Worker) -> None:
    """Open everything for a run.

    Raises:
        ConfigError: Another archive lies where the client's should.
        ArchiveError: None does, or it cannot be written.
    """
    station = await Station.open(setup, Path(dask_worker.local_directory) / _name(setup.run_key))
    await dask_worker.plugin_add(plugin=_Holder(station), name=_name(setup.run_key))


async def close_station(run_key: str, dask_worker: Worker) -> None:
    """Close it; one that is not there is no matter."""
    if _name(run_key) in dask_worker.plugins:
        await dask_worker.plugin_remove(name=_name(run_key))


async def fetch(run_key: str, parcel: bytes) -> Answer:
    """Take a shard as far as it gets in a few seconds; the engine's task."""
    return await _station(run_key, get_worker()).fetch(unwrap(parcel))


async def pulse(run_key: str, order: Order, dask_worker: Worker) -> Report:
    """Give an order, and wait for a report."""
    return await _station(run_key, dask_worker).pulse(order)


def heed(run_key: str, order: Order, dask_worker: Worker) -> None:
    """Give an order that cannot wait."""
    _station(run_key, dask_worker).heed(order)
