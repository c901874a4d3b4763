"""What all workers together know of the hosts. Pure: the clock is an argument."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from mirror.cluster.heeding import MARGIN_S
from mirror.cluster.parcels import HostNews

_FIRST_JOBS = 64
"""Out at once for each worker before anything is known of a host."""
_AHEAD_S = 3.0
"""So much work of a host may be out: shards want to be filled, and a slow host must not fill them all."""
_RATE_S, _SOON_S = 2.0, 0.25
_FRESH_S = 15.0
"""A host that gave another worker a picture so lately works: whoever fails there has trouble of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a worker's news mean.

    Args:
        is_urgent: The others must know it at once.
        rest_s: The worker gets nothing for so long.
        dismissed: Why it gets nothing more in this run; empty if it does.
    """

    is_urgent: bool = False
    rest_s: float = 0.0
    dismissed: str = ""


@dataclass(slots=True)
class _Known:
    """One host."""

    held_until: float = 0.0
    why_closed: str = ""
    limits: dict[str, int] = field(default_factory=dict)
    throttles: dict[str, int] = field(default_factory=dict)
    done: dict[str, int] = field(default_factory=dict)
    gave_at: dict[str, float] = field(default_factory=dict)
    counted: int = 0
    counted_since: float = 0.0
    last_rate: float = 0.0

    def count(self, now: float, jobs: int) -> None:
        """Note jobs that came to an outcome."""
        if (seconds := now - self.counted_since) >= _RATE_S:
            self.last_rate = self.counted / seconds
            self.counted, self.counted_since = 0, now
        self.counted += jobs

    def rate(self, now: float) -> float:
        """Jobs per second lately; a host that has just begun to give is believed at once."""
        return max(self.last_rate, self.counted / max(now - self.counted_since, _SOON_S))


class HostTable:
    """Hosts as the feed sees them, joined from what each worker says; by address of the worker.

    Args:
        clock: Seconds that only go up.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._hosts: dict[str, _Known] = {}
        self.workers = 0
        """How many there are."""

    # -- what the feed asks -------------------------------------------------------------------------------------

    def held_s(self, host: str) -> float:
        """Seconds for which the host asked us to wait; 0 if it did not."""
        known = self._hosts.get(host)
        return max(0.0, known.held_until - self._clock()) if known is not None and known.held_until else 0.0

    def is_closed(self, host: str) -> bool:
        """Whether the host is asked no more in this run."""
        known = self._hosts.get(host)
        return known is not None and bool(known.why_closed)

    def closed_hosts(self) -> list[tuple[str, str]]:
        """Hosts that are asked no more in this run, each with the reason."""
        return [(host, known.why_closed) for host, known in self._hosts.items() if known.why_closed]

    def limit(self, host: str) -> int:
        """Half as many jobs as may be out for a host."""
        known = self._hosts.get(host)
        limits = sum(known.limits.values()) if known is not None else 0
        rate = known.rate(self._clock()) if known is not None else 0.0
        return max(limits, _FIRST_JOBS * max(self.workers, 1)) + int(_AHEAD_S * rate / 2)

    # -- what the workers say -----------------------------------------------------------------------------------

    def count(self, host: str, jobs: int = 1) -> None:
        """Note jobs that came to an outcome."""
        self._known(host).count(self._clock(), jobs)

    def hear(self, address: str, news: Iterable[HostNews]) -> Verdict:
        """Take in what one worker says.

        Who fails everything at a host that others get pictures from has trouble of its own, and the host is not to
        blame: it rests, and is sent home when it gives the host up.
        """
        is_urgent, rest_s, dismissed = False, 0.0, ""
        for each in news:
            known, now = self._known(each.host), self._clock()
            known.limits[address] = each.limit
            if each.done > known.done.get(address, 0):
                known.gave_at[address] = now
            known.done[address] = each.done
            if each.throttles > known.throttles.get(address, 0):
                known.throttles[address] = each.throttles
                is_urgent = True
            if known.why_closed:
                continue
            if each.is_doubtful and self._gives_others(known, address):
                rest_s = max(rest_s, each.held_s)
                dismissed = dismissed or (each.why_closed and f"{each.host} {each.why_closed}")
                continue
            if each.held_s > self.held_s(each.host) + MARGIN_S:
                known.held_until = now + each.held_s
                is_urgent = True
            if each.why_closed:
                known.why_closed = each.why_closed
                is_urgent = True
        return Verdict(is_urgent=is_urgent, rest_s=rest_s, dismissed=dismissed)

    def news_for(self, address: str) -> tuple[HostNews, ...]:
        """Say what one worker must know of what the others found."""
        return tuple(
            HostNews(
                host=host,
                held_s=self.held_s(host),
                why_closed=known.why_closed,
                throttles=sum(count for other, count in known.throttles.items() if other != address),
            )
            for host, known in self._hosts.items()
            if known.held_until > self._clock() or known.why_closed or known.throttles
        )

    def forget_worker(self, address: str) -> None:
        """Note that a worker has left; how often it was throttled stays counted."""
        for known in self._hosts.values():
            known.limits.pop(address, None)
            known.done.pop(address, None)
            known.gave_at.pop(address, None)
            if left := known.throttles.pop(address, 0):
                known.throttles[""] = known.throttles.get("", 0) + left

    def _gives_others(self, known: _Known, address: str) -> bool:
        return any(self._clock() - at < _FRESH_S for other, at in known.gave_at.items() if other != address)

    def _known(self, host: str) -> _Known:
        known = self._hosts.get(host)
        if known is None:
            known = self._hosts[host] = _Known(counted_since=self._clock())
        return known
