"""How many requests a host gets at once. Pure of I/O: the clock is an argument."""

from dataclasses import dataclass

from mirror.breaker import Breaker

_SHORT_EPOCH_S = 0.1
_EPOCH_S = 0.25
_LONGEST_EPOCH_S = 2.0
_REQUEST_BYTES = 16_384
"""What a request weighs besides its bytes, so that many small pictures count as throughput too."""
_WORTH_IT = 0.25
"""Twice the requests must bring at least a quarter more, or they are not worth it."""
_AS_GOOD = 0.95
_LONG_REQUEST_S = 2.0
"""When requests take so long the line is full, whatever its delay: more of them only share it."""
_QUICK = 1.5
"""An answer that takes no more than so many times the quickest one has not waited for others."""
_QUICK_S = 0.5
_FULL = 0.75
"""With fewer places taken on average, the limit was not what limited."""
_MANY_FAILURES = 0.1
_LONGEST_REST = 32


@dataclass(slots=True)
class _Epoch:
    """What happened since the limit was last changed or thought over."""

    began_at: float
    done: int = 0
    failed: int = 0
    size_bytes: int = 0
    seconds: float = 0.0
    """Of all requests in flight together."""
    seen_at: float = 0.0

    def pass_time(self, now: float, in_flight: int) -> None:
        """Note for how long so many requests were in flight."""
        self.seconds += in_flight * (now - (self.seen_at or self.began_at))
        self.seen_at = now

    def rate(self, now: float) -> float:
        """Throughput as one figure."""
        return (self.size_bytes + _REQUEST_BYTES * self.done) / max(now - self.began_at, 1e-6)


class HostPace:
    """The number of requests one host gets at once, found by watching what more of them bring.

    It works like a climber in fog. From a base, the limit known to be good, it tries a step up; if throughput rises
    enough the step is the new base, else it goes back and rests, longer each time. The first steps double, and where
    small pictures come quickly not even that is waited for: each makes room for one more. Steps down
    are tried when requests wait long without bringing more, and kept when nothing is lost by them. A host that
    throttles gets half as many at once. Times in which we asked for less than the limit teach nothing and are ignored.
    With ``least == most`` the limit stays where it is.

    Args:
        patience_s: How long the host may fail everything before it is asked no more in this run.
    """

    def __init__(self, *, start: int = 8, least: int = 1, most: int = 128, patience_s: float = 300.0) -> None:
        self.limit = max(least, min(start, most))
        self.least = least
        self.most = most
        self.in_flight = 0
        self.held_until = 0.0
        self.is_closed = False
        self.throttles = 0
        """How often the host has throttled, each time counted once."""
        self.breaker = Breaker(patience_s=patience_s)
        self._is_adaptive = least < most
        self._epoch: _Epoch | None = None
        # Requests that must still end before the limit of now shows in what is measured; None while measuring.
        self._settling: int | None = self.limit
        self._base = self.limit
        self._base_rate = 0.0
        # The latency that was found to be worth its throughput; 0 while unknown.
        self._bearable_s = 0.0
        self._is_starting = True
        self._quickest_s = 0.0
        self._has_grown = False
        self._rest = 0
        self._next_rest = 1
        # The limit at which the host last throttled.
        self._ceiling = most + 1
        # Requests in flight that were sent before the limit was halved.
        self._old = 0

    @property
    def is_tripped(self) -> bool:
        """Whether the host fails everything, and is asked no more in this run."""
        return bool(self.breaker.why_tripped)

    @property
    def allowed(self) -> int:
        """How many requests the host gets at once now: one, while it must show that it is back."""
        return 1 if self.breaker.is_on_trial else self.limit

    def can_start(self, now: float) -> bool:
        """Whether the host may get one more request."""
        return self.in_flight < self.allowed and now >= self.held_until and not (self.is_closed or self.is_tripped)

    def started(self, now: float) -> None:
        """Note a request on its way."""
        self._epoch_at(now)
        self.in_flight += 1

    def progressed(self, now: float, *, size_bytes: int) -> None:
        """Note bytes of a request that is still under way; `finished` is then told the rest only."""
        epoch = self._epoch_at(now)
        epoch.size_bytes += size_bytes
        self._maybe_think(now, epoch)

    def finished(self, now: float, *, size_bytes: int, took_s: float = 0.0, denial: str = "") -> None:
        """Note a request that was answered to its end.

        Args:
            took_s: From its start; 0 for a large answer, whose time says nothing of the line's delay.
            denial: What it said, if it was no more than a refusal.
        """
        if denial:
            self.breaker.denied(denial)
        else:
            self.breaker.gave()
        self.breaker.ended()
        if took_s and self._is_starting:
            self._grow(now, took_s)
        epoch = self._ended(now)
        epoch.done += 1
        epoch.size_bytes += size_bytes
        self._maybe_think(now, epoch)

    def failed(self, now: float, *, throttled: bool, answered: bool, is_final: bool = False, why: str = "") -> None:
        """Note a request that failed: throttled, broken off, or never answered at all, and why."""
        was_old = self._old > 0
        epoch = self._ended(now)
        pause_s = self.breaker.failed(
            now, is_answered=answered, is_old=self.breaker.ended(), is_final=is_final, in_flight=self.in_flight, why=why
        )
        if pause_s:
            self.hold(now + pause_s)
        epoch.failed += 1
        if not throttled:
            self._maybe_think(now, epoch)
        elif not was_old:
            self.throttles += 1
            self._halve(now)

    def dropped(self, now: float) -> None:
        """Note a request that ended without saying anything about the host: cancelled, or refused by us."""
        self.breaker.ended()
        self._ended(now)

    def slow(self, now: float) -> None:
        """Take half as many: the host has throttled another process that shares its places with this one."""
        if not self._old:
            self._halve(now)

    def share(self, now: float, most: int) -> None:
        """Take another upper bound: others share the host's places, and their number has changed."""
        was_never_throttled, self.most = self._ceiling > self.most, most
        self._ceiling = most + 1 if was_never_throttled else min(self._ceiling, most + 1)
        self.least = min(self.least, most) if self._is_adaptive else most
        if not self._is_adaptive:
            self.limit = self._base = most
        elif max(self.limit, self._base) > most:
            self._fall_back(now, most)

    def hold(self, until: float) -> None:
        """Ask the host nothing before a moment."""
        self.held_until = max(self.held_until, until)

    def close(self) -> None:
        """Ask the host nothing more in this run."""
        self.is_closed = True

    def trip(self, why: str) -> None:
        """Ask the host nothing more in this run: it fails everything, as others found out."""
        self.breaker.why_tripped = self.breaker.why_tripped or why

    def _halve(self, now: float) -> None:
        if self._is_adaptive:
            # Those now in flight were sent at the old pace: their being throttled too says nothing new.
            self._old = self.in_flight
            self._ceiling = max(self.least + 1, min(self._ceiling, self.limit))
            self._fall_back(now, self.limit // 2)

    def _epoch_at(self, now: float) -> _Epoch:
        if self._epoch is None:
            self._epoch = _Epoch(began_at=now)
        self._epoch.pass_time(now, self.in_flight)
        return self._epoch

    def _ended(self, now: float) -> _Epoch:
        epoch = self._epoch_at(now)
        self.in_flight -= 1
        self._old = max(0, self._old - 1)
        if self._settling:
            self._settling -= 1
        return epoch

    def _maybe_think(self, now: float, epoch: _Epoch) -> None:
        if not self._is_adaptive:
            return
        age_s = now - epoch.began_at
        if self._settling is not None:
            # A change shows only when the requests of before are through; when growing, long ones are not waited for.
            if self.in_flight <= self.limit and (not self._settling or age_s >= _LONGEST_EPOCH_S):
                self._settling = None
                self._epoch = _Epoch(began_at=now)
            return
        shortest_s = _SHORT_EPOCH_S if self._is_starting else _EPOCH_S
        ended = epoch.done + epoch.failed
        if (ended >= 2 * self.limit and age_s >= shortest_s) or age_s >= _LONGEST_EPOCH_S:
            self._epoch = _Epoch(began_at=now)
            if epoch.failed > _MANY_FAILURES * ended:
                self._fall_back(now, self.limit * 3 // 4)
            elif epoch.seconds >= _FULL * self.limit * age_s:
                self._think(now, epoch)

    def _grow(self, now: float, took_s: float) -> None:
        """Make room for one more if an answer did not wait for others.

        Source: the slow start of TCP (RFC 5681), which ends here when delays grow (as in HyStart++, RFC 9406).
        """
        self._quickest_s = min(self._quickest_s or took_s, took_s)
        is_quick = took_s <= min(_QUICK * self._quickest_s, _QUICK_S)
        if is_quick and self.in_flight >= _FULL * self.limit and self.limit < min(self.most, self._ceiling - 1):
            self._base, self._base_rate, self._has_grown = self.limit + 1, 0.0, True
            self._settle(now, self._base)

    def _think(self, now: float, epoch: _Epoch) -> None:
        """Judge what the limit of now brought, against the base."""
        rate = epoch.rate(now)
        latency_s = epoch.seconds / max(epoch.done, 1)
        if self._has_grown and self._is_starting:
            self._is_starting, self._bearable_s = False, self._quickest_s
        if self.limit == self._base:
            self._base_rate = 0.7 * self._base_rate + 0.3 * rate if self._base_rate else rate
            if self._bearable_s or latency_s <= _LONG_REQUEST_S:
                self._bearable_s = min(self._bearable_s * 1.002 or latency_s, latency_s)
            if self._rest:
                self._rest -= 1
                return
        elif self.limit > self._base:
            if rate < self._base_rate * (1 + _WORTH_IT * (self.limit / self._base - 1)):
                self._return_to_base(now)
                return
            self._base, self._base_rate = self.limit, rate
            self._next_rest = 1
        elif rate < _AS_GOOD * self._base_rate:
            self._bearable_s = latency_s * self._base / self.limit
            self._return_to_base(now)
            return
        else:
            # The rate to hold stays the one of before: many small losses would add up.
            self._base = self.limit
        self._step(now, latency_s)

    def _step(self, now: float, latency_s: float) -> None:
        """Try the next limit: fewer when requests wait for each other, else more."""
        base, fewest = self._base, max(self.least, min(2, self.most))
        if latency_s > (2 * self._bearable_s or _LONG_REQUEST_S):
            if base > fewest:
                self._settle(now, max(fewest, base // 2 if latency_s > 2 * _LONG_REQUEST_S else base * 3 // 4))
                return
            self._bearable_s = latency_s
        larger = min(self.most, base * 2 if self._is_starting else max(base + 1, base * 5 // 4))
        if larger >= self._ceiling:
            # Here it throttled before: it may have changed its mind, but not soon.
            self._ceiling, self._rest = self.most + 1, _LONGEST_REST
        elif larger > base:
            self._settle(now, larger)

    def _return_to_base(self, now: float) -> None:
        self._is_starting = False
        self._rest, self._next_rest = self._next_rest, min(2 * self._next_rest, _LONGEST_REST)
        self._settle(now, self._base)

    def _fall_back(self, now: float, limit: int) -> None:
        """Take a smaller limit for the new base, whose rate is not known yet."""
        self._is_starting = False
        self._base = max(self.least, limit)
        self._base_rate = 0.0
        self._rest = 2
        self._settle(now, self._base)

    def _settle(self, now: float, limit: int) -> None:
        self.limit = self._settling = limit
        self._epoch = _Epoch(began_at=now)
