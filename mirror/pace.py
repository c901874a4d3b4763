"""How many requests a host gets at once. Pure of I/O: the clock is an argument."""

from dataclasses import dataclass

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
    started: int = 0
    full: int = 0

    def rate(self, now: float) -> float:
        """Throughput as one figure."""
        return (self.size_bytes + _REQUEST_BYTES * self.done) / max(now - self.began_at, 1e-6)


class HostPace:
    """The number of requests one host gets at once, found by watching what more of them bring.

    It works like a climber in fog. From a base, the limit known to be good, it tries a step up; if throughput rises
    enough the step is the new base, else it goes back and rests, longer each time. The first steps double. Steps down
    are tried when requests wait long without bringing more, and kept when nothing is lost by them. A host that
    throttles gets half as many at once. Times in which we asked for less than the limit teach nothing and are ignored.
    With ``least == most`` the limit stays where it is.

    Args:
        trip_after: So many requests in a row without any answer, and the host is asked no more in this run.
    """

    def __init__(self, *, start: int = 8, least: int = 1, most: int = 64, trip_after: int = 20) -> None:
        self.limit = max(least, min(start, most))
        self.least = least
        self.most = most
        self.trip_after = trip_after
        self.in_flight = 0
        self.held_until = 0.0
        self.is_closed = False
        self.is_tripped = False
        self._silent = 0
        self._epoch: _Epoch | None = None
        self._settling = 0
        self._base = self.limit
        self._base_rate = 0.0
        self._least_latency_s = 0.0
        self._is_starting = True
        self._rest = 0
        self._next_rest = 1
        self._old = 0

    def can_start(self, now: float) -> bool:
        """Whether the host may get one more request."""
        return self.in_flight < self.limit and now >= self.held_until and not (self.is_closed or self.is_tripped)

    def started(self, now: float) -> None:
        """Note a request on its way."""
        self.in_flight += 1
        if self._epoch is None:
            self._epoch = _Epoch(began_at=now)
        self._epoch.started += 1
        if self.in_flight >= self.limit:
            self._epoch.full += 1

    def progressed(self, now: float, *, size_bytes: int) -> None:
        """Note bytes of a request that is still under way; `finished` is then told the rest only."""
        if self._epoch is not None:
            self._epoch.size_bytes += size_bytes
            self._maybe_think(now, self._epoch)

    def finished(self, now: float, *, size_bytes: int, seconds: float) -> None:
        """Note a request that was answered to its end."""
        self._silent = 0
        epoch = self._ended(now)
        epoch.done += 1
        epoch.size_bytes += size_bytes
        epoch.seconds += seconds
        self._maybe_think(now, epoch)

    def failed(self, now: float, *, throttled: bool, answered: bool) -> None:
        """Note a request that failed: throttled, broken off, or never answered at all."""
        was_old = self._old > 0
        epoch = self._ended(now)
        self._silent = 0 if answered else self._silent + 1
        self.is_tripped = self.is_tripped or self._silent >= self.trip_after
        epoch.failed += 1
        if not throttled:
            self._maybe_think(now, epoch)
        elif not was_old:
            # Those now in flight were sent at the old pace: their being throttled too says nothing new.
            self._old = self.in_flight
            self._is_starting = False
            self._settle(now, max(self.least, self.limit // 2))

    def dropped(self, now: float) -> None:
        """Note a request that ended without saying anything about the host: cancelled, or refused by us."""
        self._ended(now)

    def hold(self, until: float) -> None:
        """Ask the host nothing before a moment."""
        self.held_until = max(self.held_until, until)

    def close(self) -> None:
        """Ask the host nothing more in this run."""
        self.is_closed = True

    def _ended(self, now: float) -> _Epoch:
        self.in_flight -= 1
        self._old = max(0, self._old - 1)
        self._settling = max(0, self._settling - 1)
        if self._epoch is None:
            self._epoch = _Epoch(began_at=now)
        return self._epoch

    def _maybe_think(self, now: float, epoch: _Epoch) -> None:
        age_s = now - epoch.began_at
        if self._settling or self.in_flight > self.limit:
            # A change shows only once the requests of before are through; long ones are not waited for when growing.
            if self.in_flight > self.limit or age_s < _LONGEST_EPOCH_S:
                return
            self._settling = 0
        elif epoch.began_at > 0 and age_s < (_SHORT_EPOCH_S if self._is_starting else _EPOCH_S):
            return
        elif epoch.done >= 2 * self.limit or age_s >= _LONGEST_EPOCH_S:
            self._think(now, epoch)
            return
        else:
            return
        self._epoch = _Epoch(began_at=now)

    def _think(self, now: float, epoch: _Epoch) -> None:
        raise NotImplementedError

    def _settle(self, now: float, limit: int) -> None:
        raise NotImplementedError
