"""The API's two calls at once, for a whole fleet: a process has as many calls in flight as it holds slots."""

import asyncio
import contextlib
import logging
import random
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Self, TypeVar

from mirror.errors import ArchiveError, MirrorError
from mirror.fleet.claims import Claim, Claims, Look
from mirror.leases import Standing

log = logging.getLogger(__name__)

T = TypeVar("T")

SLOTS = ("fleet/api-1.json", "fleet/api-2.json")
WAITING = "fleet/api-waiting.json"
"""Written by who has waited longest, so that those who hold know of it."""

_TURNS = 2
"""A slot is held for so many parts of a lease before others get their chance."""
_POLLS = 10
"""So often a slot is looked for in the time between two renewals."""
_LONGEST_WORD = 200
_STAMP_S = 1.0
"""Stores date what they hold in whole seconds."""


class ApiSlots:
    """The fleet's slots as one process takes them; enter it for each API call.

    A slot is held over a listing, and let go when no call was made for a while, since pictures need none. The second
    one is taken too while nobody waits. Who has waited longest says so now and then, in an object of its own; the
    others leave the next free slot to it, and a holder that finds it at the end of a turn lets one slot go.

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
        self._asking: deque[asyncio.Future[None]] = deque()
        """Calls that wait, in their order."""
        self._wake = asyncio.Event()
        self._fewer = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._failure: BaseException | None = None
        self._used_at_s = self._turn_at_s = claims.now()
        self._next_try_s = self._next_word_s = 0.0
        self._waiting_since_s: float | None = None

    # -- each call ------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep(), name="API slots")
            self._keeper.add_done_callback(self._keeper_ended)
        if self._failure is not None:
            raise self._failure
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._asking.append(turn)
        self._wake.set()
        self._admit()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._leave()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self._leave()

    async def aclose(self) -> None:
        """Let go of every slot."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        self._allowed = 0
        await asyncio.gather(*(claim.release() for claim in self._held))

    def _keeper_ended(self, keeper: asyncio.Task[None]) -> None:
        """Let no call wait for slots that nobody takes any more."""
        if not keeper.cancelled() and (bug := keeper.exception()) is not None:
            self._failure = bug
            self._admit()

    def _leave(self) -> None:
        self._in_flight -= 1
        self._used_at_s = self._claims.now()
        self._fewer.set()
        self._admit()

    def _admit(self) -> None:
        """Let calls begin, in their order, as far as slots are held."""
        while self._asking:
            # Asked at the very moment of the call: a process that stood still for long holds nothing any more.
            good = sum(claim.is_good for claim in self._held)
            if self._failure is None and self._in_flight >= min(self._allowed, good):
                return
            turn = self._asking.popleft()
            if turn.done():
                continue
            if self._failure is not None:
                turn.set_exception(self._failure)
            else:
                self._in_flight += 1
                turn.set_result(None)

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
            self._admit()
            if not (self._held or self._asking):
                await self._wake.wait()
            self._wake.clear()
            await self._pause()

    async def _pause(self) -> None:
        """Wait for some time; with a slot at hand, not longer than to the next call."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._poll_s * random.uniform(0.5, 1.0)):  # noqa: S311 - a jitter
                await (self._wake.wait() if self._held else asyncio.sleep(self._poll_s))

    async def _step(self) -> None:
        now_s = self._claims.now()
        self._held = [claim for claim in self._held if claim.is_good]
        self._allowed = len(self._held)
        if self._held and not (self._asking or self._in_flight) and now_s - self._used_at_s > self._poll_s:
            await self._let_go(0)
        elif self._held and now_s - self._turn_at_s > self._turn_s:
            await self._end_turn()
        elif self._asking and self._in_flight >= self._allowed and now_s >= self._next_try_s:
            await (self._take_another() if self._held else self._take_first())

    async def _end_turn(self) -> None:
        """Give those who wait a slot, and the time to take it."""
        if await self._is_waited_for():
            await self._let_go(len(self._held) - 1)
            self._next_try_s = self._claims.now() + 2 * self._poll_s
        self._turn_at_s = self._claims.now()

    async def _take_first(self) -> None:
        now_s = self._claims.now()
        self._waiting_since_s = self._waiting_since_s or now_s
        other = await self._other_waiting()
        if other is not None and other.waited_s > now_s - self._waiting_since_s:
            self._on_wait(other.holder)
            return
        holders = await self._take()
        if self._held:
            self._on_wait("")
            self._turn_at_s = self._claims.now()
            await self._say(None)
        else:
            self._on_wait(" and ".join(sorted(set(holders))) or "another machine")
            await self._say(self._claims.now() - self._waiting_since_s)

    async def _take_another(self) -> None:
        """Take a second slot, but only when nobody waits for a first one."""
        if len(self._held) < len(SLOTS) and not await self._is_waited_for():
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
            elif await _to_its_end(self._claim(look)):
                break
        return holders

    async def _claim(self, look: Look) -> bool:
        if (claim := await self._claims.claim(look)) is None:
            return False
        self._held.append(claim)
        self._allowed = len(self._held)
        return True

    async def _let_go(self, keep: int) -> None:
        """Let go of slots once the calls under them have ended."""
        self._allowed = keep
        while self._in_flight > keep:
            self._fewer.clear()
            await self._fewer.wait()
        while len(self._held) > keep:
            await _to_its_end(self._held.pop().release())

    # -- those who wait -------------------------------------------------------------------------------------------

    async def _is_waited_for(self) -> bool:
        return await self._other_waiting() is not None

    async def _other_waiting(self) -> "_Word | None":
        """The other machine that has waited longest, if it said so lately enough to wait still."""
        found = await self._claims.read(WAITING)
        word = _word_in(found.body) if found is not None else None
        if found is None or word is None or word.holder == self._claims.holder:
            return None
        age_s = self._claims.age_s(found)
        if age_s > 2 * self._claims.beat_s + _STAMP_S:
            return None
        return replace(word, waited_s=word.waited_s + age_s)

    async def _say(self, waited_s: float | None) -> None:
        """Say that we wait, now and then; or that we wait no more, if we said so before."""
        if waited_s is None:
            is_told, self._next_word_s, self._waiting_since_s = self._next_word_s > 0, 0.0, None
            if not is_told:
                return
        elif self._claims.now() < self._next_word_s:
            return
        else:
            self._next_word_s = self._claims.now() + self._claims.beat_s
        found = await self._claims.read(WAITING)
        if waited_s is None and (found is None or self._claims.holder.encode() not in found.body):
            return
        body = b"" if waited_s is None else f"{waited_s:.1f} {self._claims.holder}\n".encode()
        # Somebody who was quicker is no matter: it is only a word.
        await self._claims.objects.put(WAITING, body, over=found.version if found is not None else None)


async def _to_its_end(work: Coroutine[None, None, T]) -> T:
    """Do what must not be left half-way: a cancelled taking or letting go would hold a slot that nobody knows of."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # looked at: the cancellation says more
        raise


@dataclass(frozen=True, slots=True, kw_only=True)
class _Word:
    """Who waits, and for how long."""

    holder: str
    waited_s: float


def _word_in(body: bytes) -> _Word | None:
    """Read who waits; nobody, where it cannot be read."""
    waited, _, holder = body[:_LONGEST_WORD].decode("utf-8", "replace").strip().partition(" ")
    try:
        return _Word(holder=holder, waited_s=float(waited)) if holder else None
    except ValueError:
        return None


def slots_of(claims: Claims, *, on_wait: Callable[[str], None]) -> ApiSlots:
    """Make a process's slots, with turns and pauses that follow from how long its leases are good for."""
    return ApiSlots(claims, turn_s=claims.good_for_s / _TURNS, poll_s=claims.beat_s / _POLLS, on_wait=on_wait)
