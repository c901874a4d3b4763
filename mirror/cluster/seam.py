"""What the crew needs of the engine that reaches the workers, and of the run that it works for."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from mirror.archive import KeptDraft
from mirror.cluster.parcels import Answer, Order, Report, Setup, Shard
from mirror.model import Job
from mirror.tally import Tally


class Engine(Protocol):
    """What the crew needs of the engine that reaches the workers; each is known by its address.

    Whatever has to do with one worker alone raises ``WorkerLostError``, what has to do with all of them
    ``ClusterError``; an error of ours that a worker met comes as it is.
    """

    async def members(self) -> list[str]:
        """Name the workers that there are now."""

    async def version_of(self, address: str) -> str | None:
        """Say which version of this program a worker has; None if it has none."""

    async def open(self, address: str, setup: Setup) -> None:
        """Have a worker prepare for the run."""

    async def close(self, address: str) -> None:
        """Have it close what it prepared."""

    async def fetch(self, address: str, shard: Shard) -> Answer:
        """Have it fetch a shard."""

    async def pulse(self, address: str, order: Order) -> Report:
        """Give it an order and wait for its report."""

    async def heed(self, address: str, order: Order) -> None:
        """Give it an order that cannot wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """How jobs travel to one worker and back.

    Args:
        shards: So many at once: while the answer to one travels, the worker is at the others.
        most_jobs: In one shard.
        pulse_s: How long a worker may have nothing to say.
    """

    shards: int = 2
    most_jobs: int = 500
    pulse_s: float = 1.0


FAR = Traffic()


@dataclass(slots=True, kw_only=True)
class Duties:
    """What the crew does for its run besides fetching.

    Args:
        finish: Told of each job that is out no longer, and of the one that takes its place if it comes again.
        left: How many jobs are still to be given to the crew, about.
    """

    finish: Callable[[Job, Job | None], None]
    left: Callable[[], int]
    tally: Tally
    kept: dict[int, KeptDraft] = field(default_factory=dict)
    """Drafts of earlier runs that may go on, by asset id; each is taken at most once."""
