"""The pace of a host, watched on a simulated line."""

import heapq
import random
from dataclasses import dataclass, field

import pytest

from mirror.pace import HostPace


@dataclass
class Line:
    """A line to one host, moved on in small steps: bandwidth shared evenly, a delay, and what the host puts up with.

    Delays and sizes vary around what is given, always in the same way.

    Args:
        bytes_s: Bandwidth of the line.
        rtt_s: What every request waits before its first byte.
        requests_s: How many requests the two ends can handle at all.
        most: With more in flight the host throttles.
    """

    pace: HostPace
    size_bytes: int
    bytes_s: float
    rtt_s: float
    requests_s: float = 1e9
    most: int = 10_000
    now: float = 100.0
    done: int = 0
    throttled: int = 0
    _waiting: list[tuple[float, float, bool]] = field(default_factory=list)
    _sending: list[tuple[float, float]] = field(default_factory=list)
    _credit: float = 0.0
    _luck: random.Random = field(default_factory=lambda: random.Random(7))

    def run(self, seconds: float, *, step_s: float = 0.005) -> "Line":
        """Keep the host as busy as the pace allows."""
        end = self.now + seconds
        while self.now < end:
            while self.pace.can_start(self.now):
                self._start()
            self.now += step_s
            self._answer()
            self._send(step_s)
        return self

    def _start(self) -> None:
        self.pace.started(self.now)
        is_throttled = self.pace.in_flight > self.most
        answered_at = self.now + self.rtt_s * self._luck.uniform(0.8, 1.2)
        heapq.heappush(self._waiting, (answered_at, self.now, is_throttled))

    def _answer(self) -> None:
        while self._waiting and self._waiting[0][0] <= self.now:
            _, began_at, is_throttled = heapq.heappop(self._waiting)
            if is_throttled:
                self.throttled += 1
                self.pace.failed(self.now, throttled=True, answered=True)
            else:
                self._sending.append((self.size_bytes * self._luck.uniform(0.6, 1.4), began_at))

    def _send(self, step_s: float) -> None:
        self._credit = min(self._credit + self.requests_s * step_s, max(1.0, self.requests_s * step_s))
        share = self.bytes_s * step_s / max(len(self._sending), 1)
        left = []
        for each, began_at in self._sending:
            sent = min(share, each)
            if sent < each or self._credit < 1:
                self.pace.progressed(self.now, size_bytes=int(sent))
                left.append((each - sent, began_at))
            else:
                self._credit -= 1
                self.done += 1
                took_s = self.now - began_at if self.size_bytes <= 65_536 else 0.0
                self.pace.finished(self.now, size_bytes=int(sent), took_s=took_s)
        self._sending = left


def thumbnails(pace: HostPace, **changes: float) -> Line:
    """A good line, 40 ms away, and small pictures."""
    values = {"size_bytes": 17_000, "bytes_s": 125e6, "rtt_s": 0.04} | changes
    return Line(pace, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize("rtt_s", [0.02, 0.04, 0.1, 0.2])
def test_pace_reaches_its_most_soon_on_a_long_line(rtt_s: float) -> None:
    """Where delay is all that limits, the cap is reached within seconds."""
    pace = HostPace()
    thumbnails(pace, rtt_s=rtt_s).run(1.5 + 20 * rtt_s)
    assert pace.limit == 128


@pytest.mark.parametrize("rtt_s", [0.02, 0.04, 0.1])
def test_pace_takes_few_round_trips_where_small_pictures_come_quickly(rtt_s: float) -> None:
    """Each quick answer makes room for one more, so that eight become 128 in eight round trips."""
    pace = HostPace()
    thumbnails(pace, rtt_s=rtt_s).run(8 * rtt_s, step_s=0.001)
    assert pace.limit == 128


def test_pace_makes_no_room_where_small_pictures_wait_for_each_other() -> None:
    """On a line of 2 Mbit/s they come one after the other: sixteen at first stay sixteen, and none is long in coming."""
    pace = HostPace(start=16)
    thumbnails(pace, bytes_s=250_000).run(3)
    assert pace.limit <= 16


def test_pace_stays_at_its_most_on_a_long_line() -> None:
    """Once found, a good limit is hardly left again."""
    pace = HostPace()
    line = thumbnails(pace).run(2)
    before = line.done
    line.run(20)
    assert line.done - before > 0.95 * 20 * 128 / 0.05


def test_pace_is_small_on_a_slow_line_with_large_pictures() -> None:
    """A line of 2 Mbit/s is full with few requests; more would only stall each other."""
    pace = HostPace()
    line = Line(pace, size_bytes=1_000_000, bytes_s=250_000, rtt_s=0.04)
    line.run(90)
    seen = set()
    for _ in range(60):
        line.run(2)
        seen.add(pace.limit)
    assert max(seen) <= 6
    assert line.done > 0.9 * 210 / 4


def test_pace_stays_where_more_bring_nothing() -> None:
    """Where the ends of the line are the limit, it does not climb to the cap."""
    pace = HostPace()
    line = thumbnails(pace, rtt_s=0.0005, requests_s=3000).run(2, step_s=0.001)
    seen = []
    for _ in range(50):
        line.run(0.5, step_s=0.001)
        seen.append(pace.limit)
    assert max(seen) <= 24
    assert line.done > 0.9 * 27 * 3000


def test_pace_fills_a_line_of_middling_width() -> None:
    """With 20 Mbit/s and small pictures the line is full, and the host is not crowded."""
    pace = HostPace()
    line = thumbnails(pace, bytes_s=2_500_000).run(20, step_s=0.001)
    assert line.done > 0.9 * 20 * 2_500_000 / 17_000
    assert pace.limit <= 24


def test_pace_halves_at_once_when_throttled() -> None:
    """One throttled request halves the limit; the others of the same burst do not halve it again."""
    pace = HostPace(start=32)
    for _ in range(32):
        pace.started(1.0)
    limits = []
    for _ in range(10):
        pace.failed(1.1, throttled=True, answered=True)
        limits.append(pace.limit)
    assert set(limits) == {16}


def test_pace_halves_again_when_throttled_at_the_new_limit() -> None:
    """Requests that were sent after the first halving count anew."""
    pace = HostPace(start=32)
    for _ in range(32):
        pace.started(1.0)
    for _ in range(32):
        pace.failed(1.1, throttled=True, answered=True)
    pace.started(1.2)
    pace.failed(1.3, throttled=True, answered=True)
    assert pace.limit == 8


def test_pace_keeps_below_what_a_host_throttles() -> None:
    """A host that takes 20 at once gets nearly that many, and seldom more."""
    pace = HostPace()
    line = thumbnails(pace, most=20).run(60)
    assert line.throttled < 0.01 * line.done
    assert line.done > 0.6 * 60 * 20 / 0.05


def test_pace_recovers_when_a_host_stops_throttling() -> None:
    """After a bad time the cap is found again."""
    pace = HostPace()
    line = thumbnails(pace, most=6).run(10)
    assert pace.limit <= 6
    line.most = 1000
    line.run(40)
    assert pace.limit == 128


def test_pace_learns_nothing_from_times_of_little_work() -> None:
    """Three requests in flight say nothing about eight: the limit stays."""
    pace = HostPace()
    now = 1.0
    for _ in range(3):
        pace.started(now)
    for _ in range(500):
        now += 0.05
        pace.finished(now, size_bytes=17_000)
        pace.started(now)
    assert pace.limit == 8


def test_pace_falls_when_many_requests_fail() -> None:
    """Failures without a word about throttling make it smaller too, slowly."""
    pace = HostPace(start=16)
    now = 1.0
    for _ in range(200):
        now += 0.05
        pace.started(now)
        pace.failed(now + 0.01, throttled=False, answered=True)
    assert pace.limit < 8


def test_pace_is_fixed_when_least_is_most() -> None:
    """A number that a person chose is never changed."""
    pace = HostPace(start=8, least=16, most=16)
    line = thumbnails(pace, most=10).run(5)
    assert line.throttled > 0
    assert pace.limit == 16


def test_pace_holds_until_the_moment_asked_for() -> None:
    """A held host gets nothing before its time; a shorter hold does not shorten a longer one."""
    pace = HostPace()
    pace.hold(50.0)
    pace.hold(20.0)
    assert not pace.can_start(49.9)
    assert pace.can_start(50.0)


def test_pace_starts_nothing_when_closed() -> None:
    """A closed host is asked nothing more."""
    pace = HostPace()
    pace.close()
    assert not pace.can_start(1e9)


def test_pace_forgets_dropped_requests() -> None:
    """A cancelled request gives its place back and counts for nothing."""
    pace = HostPace(start=1, least=1)
    pace.started(1.0)
    assert not pace.can_start(1.0)
    pace.dropped(1.1)
    assert pace.can_start(1.1)
    assert not pace.is_tripped
