"""How a fleet shares the API's two calls: simulated hours in seconds, with the program's own leases and slots.

    python -m benchmarks.fleet_turns                 # 1, 2, 3, 8 and 16 machines that list without end, for two hours

Only time and the store are simulated: each request to the store takes 30 ms, each call of the API a second. A lease is
good for two minutes and renewed every 20 s, as by default.
"""

import asyncio
import random
import selectors
from collections.abc import Iterable
from dataclasses import dataclass, field

from mirror.config.fleet import FleetSettings
from mirror.fleet.claims import Claims, Found
from mirror.fleet.gate import ApiSlots, slots_of
from tests.fleet_store import MemoryObjects

_HOURS = 2
_CALL_S, _STORE_S = 1.0, 0.03


class _Selector(selectors.DefaultSelector):
    """Lets no time pass, but notes how much would have."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now_s += max(timeout or 0.0, 0.0)
        return super().select(0)


class SimulatedLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next thing to do."""

    def __init__(self) -> None:
        self._simulated = _Selector()
        super().__init__(self._simulated)

    def time(self) -> float:
        """The simulated time in seconds."""
        return self._simulated.now_s


class _Store(MemoryObjects):
    """The store in memory, some way off."""

    requests = 0

    async def get(self, name: str) -> Found | None:
        self.requests += 1
        await asyncio.sleep(_STORE_S)
        return await super().get(name)

    async def put(self, name: str, body: bytes, *, over: str | None) -> str | None:
        self.requests += 1
        await asyncio.sleep(_STORE_S)
        return await super().put(name, body, over=over)


@dataclass
class _Api:
    """Counts calls, and for how long machines waited for their turn."""

    now: int = 0
    most: int = 0
    calls: dict[int, int] = field(default_factory=dict)
    longest_wait_s: float = 0.0

    async def list_on(self, machine: int, slots: ApiSlots, until_s: float) -> None:
        """Make one call after another."""
        time = asyncio.get_running_loop().time
        while (asked_at_s := time()) < until_s:
            async with slots:
                self.longest_wait_s = max(self.longest_wait_s, time() - asked_at_s)
                self.now += 1
                self.most = max(self.most, self.now)
                self.calls[machine] = self.calls.get(machine, 0) + 1
                await asyncio.sleep(_CALL_S)
                self.now -= 1


async def simulate(machines: int) -> str:
    """Let so many machines list for some hours, and say how it went."""
    time = asyncio.get_running_loop().time
    store, api, settings = _Store(time), _Api(), FleetSettings()
    slots = []
    for number in range(machines):
        claims = Claims(
            store, holder=f"box-{number}", good_for_s=settings.lease, beat_s=settings.heartbeat, now=time
        )  # fmt: skip
        slots.append(slots_of(claims, on_wait=lambda _: None))
    until_s = _HOURS * 3600.0
    async with asyncio.TaskGroup() as tasks:
        for number, each in enumerate(slots):
            for _ in range(2):  # as a listing asks ahead
                tasks.create_task(api.list_on(number, each, until_s))
    for each in slots:
        await each.aclose()
    calls = api.calls.values()
    used = sum(calls) * _CALL_S / (2 * until_s)
    return (
        f"| {machines} | {api.most} | {used:.0%} | {min(calls):,} to {max(calls):,} | {api.longest_wait_s:.0f} s "
        f"| {store.requests / _HOURS:,.0f} |"
    )


def main(machines: Iterable[int] = (1, 2, 3, 8, 16)) -> None:
    """Simulate fleets of several sizes."""
    print(
        f"| machines | most calls at once | of two calls used | calls each in {_HOURS} h | longest wait | store requests an hour |"
    )
    print("|--:|--:|--:|--:|--:|--:|")
    for count in machines:
        random.seed(count)  # the same turns each time
        with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
            print(runner.run(simulate(count)))


if __name__ == "__main__":
    main()
