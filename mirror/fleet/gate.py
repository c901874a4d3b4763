"""The API's two calls at once, for a whole fleet: a process has as many calls in flight as it holds slots."""

import asyncio
import contextlib
import logging
import random
import secrets
from collections.abc import Callable
from typing import Self

from mirror.errors import ArchiveError, MirrorError
from mirror.fleet.claims import Claim, Claims
from mirror.leases import Standing

log = logging.getLogger(__name__)

SLOTS = ("fleet/api-1.json", "fleet/api-2.json")
WAITING = "fleet/api-waiting.json"
"""Written by those who wait, so that those who hold know of them."""


class ApiSlots:
    """The fleet's slots as one process takes them; enter it for each API call.

    A slot is held over a listing, and let go when no call was made for a while, since pictures need none. The second
    one is taken too while nobody waits. Those who wait say so in an object of their own; a holder looks at it after
    each of its turns, and when somebody does, it lets one slot go and leaves the others time to take it.

    Args:
        turn_s: How long a slot is held before others get their chance.
        poll_s: How often a free slot is looked for; a slot without calls is kept for as long.
        on_wait: Told who holds the slots that we wait for; nothing when we wait no more.
    """

    def __init__(self, claims: Claims, *, turn_s: float, poll_s: float, on_wait: Callable[[str], None]) -> None:
        self._claims = claims
        self._turn_s = turn_s
        self._poll_s = poll_s
        self._on_wait = on_wait
        self._held: list[Claim] = []
        self._allowed = 0
        """Calls that may be in flight: slots that are held and not about to be let go."""
        self._in_flight = 0
        self._wanted = 0
        self._changed = asyncio.Condition()
        self._wake = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._failure: MirrorError | None = None
        self._used_at_s = self._turn_at_s = claims.now()
        self._next_try_s = 0.0
        self._is_waited_for = False
        self._waiting_seen: str | None = None

    # -- each call ------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep(), name="API slots")
        async with self._changed:
            self._wanted += 1
            self._wake.set()
            try:
                await self._changed.wait_for(self._may_call)
            finally:
                self._wanted -= 1
            if self._failure is not None:
                raise self._failure
            self._in_flight += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        self._in_flight -= 1
        self._used_at_s = self._claims.now()
        async with self._changed:
            self._changed.notify_all()

    async def aclose(self) -> None:
        """Let go of every slot."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        self._allowed = 0
        await asyncio.gather(*(claim.release() for claim in self._held))

    def _may_call(self) -> bool:
        # Asked at the very moment of the call: a process that stood still for long holds nothing any more.
        good = sum(claim.is_good for claim in self._held)
        return self._failure is not None or self._in_flight < min(self._allowed, good)

    # -- the slots ------------------------------------------------------------------------------------------------

    async def _keep(self) -> None:
        """Take slots while calls wait; let go of them when none comes, or others wait."""
        failing_since_s: float | None = None
        while self._failure is None:
            try:
                await self._step()
                failing_since_s = None
            except ArchiveError as error:
                log.warning("API slots: trying again: %s", error)
                failing_since_s = failing_since_s or self._claims.now()
                if self._claims.now() - failing_since_s > self._claims.good_for_s:
                    self._failure = error
            except MirrorError as error:
                self._failure = error
            async with self._changed:
                self._changed.notify_all()
            if not (self._held or self._wanted):
                await self._wake.wait()
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._poll_s * random.uniform(0.5, 1.0)):  # noqa: S311 - a jitter
                    await (self._wake.wait() if self._held else asyncio.sleep(self._poll_s))

    async def _step(self) -> None:
        now_s = self._claims.now()
        self._held = [claim for claim in self._held if claim.is_good]
        self._allowed = len(self._held)
        if self._held and not (self._wanted or self._in_flight) and now_s - self._used_at_s > self._poll_s:
            await self._let_go(0)
        elif self._held and now_s - self._turn_at_s > self._turn_s:
            await self._end_turn()
        elif self._wanted and self._in_flight >= self._allowed and now_s >= self._next_try_s:
            await (self._take_another() if self._held else self._take_first())

    async def _end_turn(self) -> None:
        """Give those who wait a slot, and the time to take it."""
        await self._look_for_waiting()
        if self._is_waited_for:
            await self._let_go(len(self._held) - 1)
            self._next_try_s = self._claims.now() + 2 * self._poll_s
        self._turn_at_s, self._is_waited_for = self._claims.now(), False

    async def _take_first(self) -> None:
        holders = await self._take()
        if self._held:
            self._on_wait("")
            self._turn_at_s, self._is_waited_for = self._claims.now(), False
            self._next_try_s = self._claims.now() + 2 * self._poll_s
            await self._look_for_waiting()
            self._is_waited_for = False  # what was said before, said by ourselves perhaps
        else:
            self._on_wait(" and ".join(sorted(set(holders))) or "another machine")
            await self._say_that_we_wait()

    async def _take_another(self) -> None:
        """Take a second slot, but only when nobody had to wait since the first was taken."""
        await self._look_for_waiting()
        if not self._is_waited_for and len(self._held) < len(SLOTS):
            await self._take()
        self._next_try_s = self._claims.now() + 2 * self._poll_s

    async def _take(self) -> list[str]:
        """Take one free slot; returns who holds those that are not."""
        ours, holders = {claim.name for claim in self._held}, []
        for name in random.sample(SLOTS, len(SLOTS)):
            if name in ours:
                continue
            look = await self._claims.look(name)
            if look.standing is Standing.HELD and look.lease is not None:
                holders.append(look.lease.holder)
            elif (claim := await self._claims.claim(look)) is not None:
                self._held.append(claim)
                self._allowed = len(self._held)
                break
        return holders

    async def _let_go(self, keep: int) -> None:
        """Let go of slots once the calls under them have ended."""
        self._allowed = keep
        async with self._changed:
            await self._changed.wait_for(lambda: self._in_flight <= self._allowed)
        while len(self._held) > keep:
            await self._held.pop().release()

    async def _look_for_waiting(self) -> None:
        """Note whether anybody said that he waits since this was asked last."""
        found = await self._claims.read(WAITING)
        version = found.version if found is not None else None
        self._is_waited_for |= version != self._waiting_seen
        self._waiting_seen = version

    async def _say_that_we_wait(self) -> None:
        """Say it anew each time; whose word stands is no matter."""
        found = await self._claims.read(WAITING)
        body = f'{{"waiting": "{self._claims.holder}", "word": "{secrets.token_hex(8)}"}}\n'.encode()
        await self._claims.objects.put(WAITING, body, over=found.version if found is not None else None)
