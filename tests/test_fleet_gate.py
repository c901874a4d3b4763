"""Two calls at once for a whole fleet: never more, nobody starves, and a dead holder's slot is taken over."""

import asyncio
import time
from dataclasses import dataclass, field

import pytest

from mirror.errors import ManifestError
from mirror.fleet.claims import Claims
from mirror.fleet.gate import SLOTS, ApiSlots
from mirror.leases import read_lease
from tests.fleet_store import MemoryObjects


@dataclass
class Api:
    """Counts calls in flight."""

    now: int = 0
    most: int = 0
    calls: dict[str, int] = field(default_factory=dict)

    async def call(self, who: str, slots: ApiSlots) -> None:
        """Make one call through somebody's slots."""
        async with slots:
            self.now += 1
            self.most = max(self.most, self.now)
            self.calls[who] = self.calls.get(who, 0) + 1
            await asyncio.sleep(0.001)
            self.now -= 1


def slots_of(objects: MemoryObjects, who: str, waits: list[str] | None = None) -> ApiSlots:
    """A process's slots, quicker than in life."""
    claims = Claims(objects, holder=who, good_for_s=60.0, beat_s=0.1)
    return ApiSlots(claims, turn_s=0.04, poll_s=0.005, on_wait=(waits if waits is not None else []).append)


async def test_fleet_makes_two_calls_at_once_and_nobody_starves() -> None:
    """Five processes list without end, each with two callers: all get their turns."""
    objects, api = MemoryObjects(time.time), Api()
    machines = {f"box-{number}": slots_of(objects, f"box-{number}") for number in range(5)}
    is_over = False

    async def list_on(who: str) -> None:
        while not is_over:
            await api.call(who, machines[who])

    callers = [asyncio.create_task(list_on(who)) for who in machines for _ in range(2)]
    while len(api.calls) < 5 or min(api.calls.values()) < 20:
        await asyncio.sleep(0.01)
    is_over = True
    await asyncio.gather(*callers)
    await asyncio.gather(*(slots.aclose() for slots in machines.values()))
    assert api.most == 2
    assert all(read_lease(objects.objects[name].body).is_free for name in SLOTS)


async def test_lone_process_gets_both_slots_and_lets_them_go() -> None:
    """With nobody waiting it makes two calls at once; without calls it holds nothing."""
    objects, api = MemoryObjects(time.time), Api()
    slots = slots_of(objects, "box-a")
    while api.most < 2:
        await asyncio.gather(*(api.call("box-a", slots) for _ in range(4)))
    while not all(read_lease(objects.objects[name].body).is_free for name in SLOTS):
        await asyncio.sleep(0.005)
    await slots.aclose()


async def test_slot_of_a_dead_process_is_taken_over() -> None:
    """Who holds the slots is told while waiting; when they are stale the call is made."""
    objects, api, waits = MemoryObjects(time.time), Api(), list[str]()
    dead = Claims(objects, holder="box-dead:1", good_for_s=0.15, beat_s=60.0)
    for name in SLOTS:
        assert await dead.claim(await dead.look(name)) is not None
    slots = slots_of(objects, "box-a", waits)
    await api.call("box-a", slots)
    await slots.aclose()
    assert waits[0] == "box-dead:1"
    assert waits[-1] == ""


async def test_slot_that_is_no_lease_ends_the_call() -> None:
    """Nobody waits for ever for an object that is something else."""
    objects = MemoryObjects(time.time)
    for name in SLOTS:
        await objects.put(name, b"[]", over=None)
    slots = slots_of(objects, "box-a")
    with pytest.raises(ManifestError, match="expected a lease"):
        await Api().call("box-a", slots)
    await slots.aclose()
