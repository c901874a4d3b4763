"""A store of small objects in memory, with a clock and troubles of its own, for what must not depend on a network."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from mirror.errors import ArchiveError
from mirror.fleet.claims import Found


@dataclass
class MemoryObjects:
    """Objects with versions; each write is one step, as the contract says.

    Args:
        clock: The store's own.
        trouble: Called before each request with the name and what is done; raises what goes wrong.
        lost_answer: Called after each write with the name: whether its answer gets lost on the way.
    """

    clock: Callable[[], float]
    trouble: Callable[[str, str], None] = lambda *_: None
    lost_answer: Callable[[str], bool] = lambda _: False

    def __post_init__(self) -> None:
        self.objects: dict[str, Found] = {}
        self.writes = 0

    async def get(self, name: str) -> Found | None:
        """Read one."""
        await asyncio.sleep(0)
        self.trouble(name, "get")
        return self.objects.get(name)

    async def put(self, name: str, body: bytes, *, over: str | None) -> str | None:
        """Write one over the version that was seen."""
        await asyncio.sleep(0)
        self.trouble(name, "put")
        present = self.objects.get(name)
        if (present.version if present else None) != over:
            return None
        self.writes += 1
        self.objects[name] = Found(body=body, version=f'"{self.writes}"', modified_ts=float(int(self.clock())))
        if self.lost_answer(name):
            raise ArchiveError(f"{name}: no answer")
        return f'"{self.writes}"'

    async def delete(self, name: str) -> None:
        """Delete one."""
        self.objects.pop(name, None)
