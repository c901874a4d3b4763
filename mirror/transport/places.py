"""Who may ask next: places at each host, and over all hosts together, handed on in order."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from mirror.errors import HeldError
from mirror.pace import HostPace


@dataclass(slots=True)
class _Lane:
    """One host and those who wait for it."""

    pace: HostPace
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)


class Places:
    """Places for requests. Whoever takes one must give it back, after telling the pace how the request went.

    Args:
        most: Places over all hosts together.
        new_pace: Makes the pace of a host that is new.
    """

    def __init__(self, *, most: int, new_pace: Callable[[], HostPace]) -> None:
        self.in_flight = 0
        self._most = most
        self._new_pace = new_pace
        self._lanes: dict[str, _Lane] = {}

    def pace(self, host: str) -> HostPace:
        """Find a host's pace; a new host gets a new one."""
        return self._lane(host).pace

    def known(self, host: str) -> HostPace | None:
        """Find the pace of a host that was asked before."""
        lane = self._lanes.get(host)
        return lane.pace if lane is not None else None

    def hosts(self) -> list[str]:
        """Every host asked so far."""
        return list(self._lanes)

    def share(self, most: int) -> None:
        """Take another number of places, over all hosts and at each: others share them, and have come or gone."""
        now = time.monotonic()
        self._most = most
        for lane in self._lanes.values():
            lane.pace.share(now, most)
        while self.in_flight < most and self._hand_on(now):
            pass

    async def take(self, host: str) -> HostPace:
        """Wait, in order, until a host may get one more request.

        Raises:
            HeldError: The host is held or asked no more, or became so meanwhile.
        """
        lane = self._lane(host)
        now = time.monotonic()
        if lane.pace.can_start(now) and self.in_flight < self._most and not lane.waiting:
            self._start(lane, now)
            return lane.pace
        self.refuse_if_held(host)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        lane.waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                with contextlib.suppress(ValueError):
                    lane.waiting.remove(turn)
            elif turn.exception() is None:
                # The place came in the same moment as the cancellation.
                lane.pace.dropped(time.monotonic())
                self.give_back(host)
            raise
        return lane.pace

    def give_back(self, host: str) -> None:
        """Free a place and hand it on."""
        self.in_flight -= 1
        lane, now = self._lanes[host], time.monotonic()
        if lane.waiting and (lane.pace.held_until > now or lane.pace.is_closed or lane.pace.is_tripped):
            self._turn_away(host, lane)
        while self.in_flight < self._most and self._hand_on(now):
            pass

    def refuse_if_held(self, host: str) -> None:
        """Refuse to ask a host before its time, or one that is asked no more.

        Raises:
            HeldError: It is one of these.
        """
        pace = self.known(host)
        if pace is None:
            return
        if pace.is_tripped or pace.is_closed:
            raise HeldError(f"{host}: {why_closed(pace)}", retry_after_s=held_s(pace))
        if (seconds := held_s(pace)) > 0:
            why = "fails everything, and is left alone" if pace.breaker.is_on_trial else "asked us to wait"
            raise HeldError(f"{host}: {why}, {seconds:.0f} s are left", retry_after_s=seconds)

    def _lane(self, host: str) -> _Lane:
        lane = self._lanes.get(host)
        if lane is None:
            lane = self._lanes[host] = _Lane(self._new_pace())
        return lane

    def _start(self, lane: _Lane, now: float) -> None:
        self.in_flight += 1
        lane.pace.started(now)

    def _hand_on(self, now: float) -> bool:
        """Give each host with waiters one place, as far as there are any; false when nobody got one."""
        has_given = False
        for lane in self._lanes.values():
            while lane.waiting and self.in_flight < self._most and lane.pace.can_start(now):
                turn = lane.waiting.popleft()
                if not turn.done():
                    self._start(lane, now)
                    turn.set_result(None)
                    has_given = True
                    break
        return has_given

    def _turn_away(self, host: str, lane: _Lane) -> None:
        try:
            self.refuse_if_held(host)
        except HeldError as error:
            for turn in lane.waiting:
                if not turn.done():
                    turn.set_exception(HeldError(error.message, retry_after_s=error.retry_after_s))
            lane.waiting.clear()


def held_s(pace: HostPace) -> float:
    """Seconds that a host still asks us to wait."""
    return max(0.0, pace.held_until - time.monotonic()) if pace.held_until else 0.0


def why_closed(pace: HostPace) -> str:
    """Say why a host is asked no more; empty if it still is."""
    if pace.is_tripped:
        return pace.breaker.why_tripped
    return "asks for a longer pause than download.longest_retry_after" if pace.is_closed else ""
