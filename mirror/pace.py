"""How many requests a host gets at once. Pure of I/O: the clock is an argument."""

from dataclasses import dataclass

_EPOCH_S = 0.4
_LONGEST_EPOCH_S = 3.0
_GAIN = 1.06
_STALL = 2.5


@dataclass(slots=True)
class _Epoch:
    """What happened since the limit was last thought over."""

    began_at: float = 0.0
    done: int = 0
    size_bytes: int = 0
    seconds: float = 0.0

    def rate(self, now: float) -> float:
        """Throughput as one figure: a small picture counts as much as a few KB of a large one."""
        return (self.size_bytes + 4096 * self.done) / max(now - self.began_at, 1e-3)


class HostPace:
    """The number of requests one host gets at once, found by watching what more of them bring.

    It grows while throughput grows, steps back when more requests only wait longer, and halves at once when the host
    throttles. With ``least == most`` it stays where it is.

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
        self._epoch = _Epoch()
        self._best_rate = 0.0
        self._best_latency_s = 0.0
        self._settled = 0

    def can_start(self, now: float) -> bool:
        """Whether the host may get one more request."""
        return self.in_flight < self.limit and now >= self.held_until and not (self.is_closed or self.is_tripped)

    def started(self, now: float) -> None:
        """Note a request on its way."""
        if not self._epoch.began_at:
            self._epoch.began_at = now
        self.in_flight += 1

    def finished(self, now: float, *, size_bytes: int, seconds: float) -> None:
        """Note a request that was answered to its end, and think the limit over once enough have come."""
        self.in_flight -= 1
        self._silent = 0
        epoch = self._epoch
        epoch.done += 1
        epoch.size_bytes += size_bytes
        epoch.seconds += seconds
        age_s = now - epoch.began_at
        if (epoch.done >= 2 * self.limit and age_s >= _EPOCH_S) or (age_s >= _LONGEST_EPOCH_S and epoch.done >= 2):
            self._think(now)

    def failed(self, now: float, *, throttled: bool, answered: bool) -> None:
        """Note a request that failed: throttled, refused, or never answered at all."""
        self.in_flight -= 1
        self._silent = 0 if answered else self._silent + 1
        self.is_tripped = self.is_tripped or self._silent >= self.trip_after
        if throttled or not answered:
            self.limit = max(self.least, self.limit // 2 if throttled else self.limit * 3 // 4)
            self._best_rate = 0.0
            self._epoch = _Epoch(began_at=now)

    def hold(self, until: float) -> None:
        """Ask the host nothing before a moment."""
        self.held_until = max(self.held_until, until)

    def close(self) -> None:
        """Ask the host nothing more in this run."""
        self.is_closed = True

    def _think(self, now: float) -> None:
        rate = self._epoch.rate(now)
        latency_s = self._epoch.seconds / self._epoch.done
        self._epoch = _Epoch(began_at=now)
        if rate > self._best_rate * _GAIN:
            self._best_rate, self._best_latency_s, self._settled = rate, latency_s, 0
            self.limit = min(self.most, max(self.limit + 1, self.limit * 3 // 2))
        elif latency_s > self._best_latency_s * _STALL:
            # More of them only wait longer for the same line.
            self.limit = max(self.least, self.limit * 3 // 4)
            self._best_rate *= 0.9
        else:
            self._settled += 1
            if self._settled % 8 == 0:
                # The line may have changed since: look again from here.
                self._best_rate *= 0.9
