"""A host that fails everything is left alone, tried now and then, and given up in the end; one that works never is."""

from mirror.pace import HostPace

ANSWERED, SILENT = True, False


class Host:
    """A host whose requests all end in the same way, asked as often as it may be."""

    def __init__(self, *, patience_s: float = 300.0) -> None:
        self.pace = HostPace(patience_s=patience_s)
        self.now = 100.0
        self.asked = 0

    def fail(self, *, for_s: float, answered: bool = SILENT, takes_s: float = 0.1) -> None:
        """Ask in every moment that allows it; each request fails after a while."""
        until = self.now + for_s
        while self.now < until and not self.pace.is_tripped:
            started = 0
            while self.pace.can_start(self.now):
                self.pace.started(self.now)
                started += 1
            self.now += takes_s
            for _ in range(started):
                self.asked += 1
                self.pace.failed(self.now, throttled=False, answered=answered, why="no connection in time")

    def give(self) -> None:
        """Answer one request well, as soon as one may be sent."""
        self.now = max(self.now, self.pace.held_until)
        self.pace.started(self.now)
        self.pace.finished(self.now + 0.1, size_bytes=17_000)


def test_lost_line_costs_a_dozen_requests_and_no_more() -> None:
    """Four minutes without a network: pauses grow to half a minute, one request at a time tries the line."""
    host = Host()
    host.give()
    host.fail(for_s=240)
    assert not host.pace.is_tripped
    assert host.asked < 40
    host.asked = 0
    host.fail(for_s=40)
    assert host.asked <= 2


def test_first_good_answer_ends_the_trial() -> None:
    """A line that is back is used at once, as before."""
    host = Host()
    host.give()
    host.fail(for_s=60)
    assert host.pace.allowed == 1
    host.give()
    assert host.pace.allowed == host.pace.limit > 1
    assert host.pace.can_start(host.now + 1)


def test_host_that_fails_longer_than_patience_is_tripped() -> None:
    """It is asked no more, and the reason says for how long it failed and how."""
    host = Host(patience_s=120)
    host.give()
    host.fail(for_s=1000)
    assert host.pace.is_tripped
    assert host.now < 100 + 120 + 40
    assert not host.pace.can_start(1e9)
    assert "no connection in time" in host.pace.breaker.why_tripped


def test_host_that_never_gave_anything_gets_a_minute() -> None:
    """A wrong or dead host does not keep a run waiting."""
    host = Host()
    host.fail(for_s=1000)
    assert host.pace.is_tripped
    assert host.now < 100 + 60 + 40
    assert host.asked < 40


def test_final_failures_of_a_stranger_trip_at_once() -> None:
    """A certificate that is not valid will not become so by waiting."""
    pace = HostPace()
    for _ in range(10):
        pace.started(1.0)
        pace.failed(1.0, throttled=False, answered=SILENT, is_final=True, why="certificate refused: expired")
    assert "certificate refused: expired" in pace.breaker.why_tripped


def test_bad_answers_among_good_ones_trip_nothing() -> None:
    """Pictures that always fail are their own failures, as long as others come."""
    pace = HostPace(patience_s=1)
    now = 1.0
    for number in range(2000):
        now += 1
        pace.started(now)
        if number % 50:
            pace.failed(now, throttled=False, answered=ANSWERED)
        else:
            pace.finished(now, size_bytes=17_000)
    assert pace.can_start(now)


def test_burst_of_failures_makes_one_pause() -> None:
    """All requests that were under way when the line broke say the same thing once."""
    pace = HostPace(start=64)
    for _ in range(64):
        pace.started(1.0)
    for _ in range(64):
        pace.failed(2.0, throttled=False, answered=SILENT)
    assert pace.held_until == 3.0


def test_host_that_refuses_every_picture_is_tripped_after_a_thousand() -> None:
    """A bucket that was closed to us does not get three hundred thousand requests."""
    pace = HostPace()
    for _ in range(1000):
        pace.started(1.0)
        pace.finished(1.0, size_bytes=0, denial="HTTP 403")
    assert pace.breaker.why_tripped == "refused 1,000 requests and granted none (the last: HTTP 403)"


def test_host_that_gave_a_picture_may_refuse_any_number() -> None:
    """Photos of an old race that were taken away do not close the host of the new one."""
    pace = HostPace()
    pace.started(1.0)
    pace.finished(1.0, size_bytes=17_000)
    for _ in range(5000):
        pace.started(1.0)
        pace.finished(1.0, size_bytes=0, denial="HTTP 404")
    assert not pace.is_tripped


def test_host_that_answers_with_no_picture_ever_is_tripped() -> None:
    """A page that says 'account suspended' under 200 is no picture, however often it is asked for."""
    pace = HostPace()
    for _ in range(499):
        pace.breaker.judged(is_picture=False)
    pace.breaker.judged(is_picture=True)
    for _ in range(500):
        assert not pace.is_tripped
        pace.breaker.judged(is_picture=False)
    assert pace.is_tripped
