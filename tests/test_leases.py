"""Who may work on what: every verdict is one observer's, and two holders never work at once, whatever their clocks."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from mirror.leases import Done, Hold, Lease, Observer, Standing, claim_of, lease_bytes, read_lease

FOREIGN_CLOCK = 1_000_000.0
"""What the store's clock is ahead of the observer's."""
HELD = Lease(holder="box-b:17", token="t", beat=3, good_for_s=60.0)


def judged(*looks: tuple[float, str], lease: Lease = HELD, modified_at: float = 0.0, knows_store: bool = False) -> str:
    """The last verdict of an observer who looked at these times and saw these versions."""
    observer = Observer()
    if knows_store:
        observer.note_store_time(FOREIGN_CLOCK, 0.0)
    verdict = Standing.FREE
    for now_s, version in looks:
        verdict = observer.judge(
            "race-1", lease, version=version, modified_ts=FOREIGN_CLOCK + modified_at, now_s=now_s
        )  # fmt: skip
    return verdict.value


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (judged((0.0, "a")), "held"),
        (judged((0.0, "a"), (60.0, "a")), "held"),
        (judged((0.0, "a"), (60.1, "a")), "stale"),
        (judged((0.0, "a"), (59.0, "b"), (61.0, "b")), "held"),
        (judged((0.0, "a"), (59.0, "b"), (119.1, "b")), "stale"),
        (judged((0.0, "a"), lease=HELD.released(None)), "free"),
        # A run under cron that has just begun: the store's own dates tell what the observer did not see.
        (judged((1.0, "a"), modified_at=-60.0, knows_store=True), "held"),
        (judged((1.0, "a"), modified_at=-64.1, knows_store=True), "stale"),
        (judged((1.0, "a"), modified_at=-1000.0), "held"),
        (judged((1.0, "a"), modified_at=+1000.0, knows_store=True), "held"),
    ],
)
def test_verdict_follows_what_the_observer_saw(verdict: str, expected: str) -> None:
    """A lease is stale after its time without a renewal, by the observer's clock or by the store's."""
    assert verdict == expected


def test_holder_gives_up_before_anybody_may_take_over() -> None:
    """Counted from before the renewal was sent, a quarter of the time is left for stopping."""
    hold = Hold(lease=HELD, version="a", sent_at_s=100.0)
    assert hold.left_s(100.0) == 45.0
    assert hold.left_s(145.0) == 0.0


def test_claim_carries_on_what_was_done_before() -> None:
    """A claimer that dies does not make the last good run forgotten, nor younger."""
    done = Done(by="box-a", exit_code=0)
    free = HELD.released(done)
    claimed = claim_of(free, holder="box-c:1", token="u", good_for_s=60.0, claimed_at="", modified_ts=500.0)
    again = claim_of(claimed, holder="box-d:1", token="v", good_for_s=60.0, claimed_at="", modified_ts=900.0)
    assert again.done == Done(by="box-a", exit_code=0, at_ts=500.0)
    assert again.released(None).done == again.done
    assert again.released(done).done == done


def test_work_of_a_short_while_ago_need_not_be_done_again() -> None:
    """Its age is counted by the store's clock alone; without one nothing is fresh."""
    observer, done = Observer(), Done(by="box-a", exit_code=0)
    assert not observer.is_fresh(done, modified_ts=FOREIGN_CLOCK, within_s=60.0, now_s=0.0)
    observer.note_store_time(FOREIGN_CLOCK, 0.0)
    assert observer.is_fresh(done, modified_ts=FOREIGN_CLOCK - 50.0, within_s=60.0, now_s=5.0)
    assert not observer.is_fresh(done, modified_ts=FOREIGN_CLOCK - 50.0, within_s=60.0, now_s=15.0)
    assert not observer.is_fresh(None, modified_ts=FOREIGN_CLOCK, within_s=60.0, now_s=0.0)


def test_lease_is_read_as_it_was_written() -> None:
    """What stands in the object is the whole lease; every version of it has bytes of its own."""
    assert read_lease(lease_bytes(HELD)) == HELD
    assert len({lease_bytes(HELD), lease_bytes(HELD.renewed()), lease_bytes(HELD.released(None))}) == 3


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"beat": "x"}', b'{"token": 7}', b"{}" + b" " * 20_000])
def test_what_is_no_lease_is_refused(body: bytes) -> None:
    """An object that somebody else put there is not taken for a free lease."""
    with pytest.raises(ValueError, match="lease"):
        read_lease(body)


# -- a fleet in a nutshell --------------------------------------------------------------------------------------------


@dataclass
class Store:
    """One object with conditional writes, and the store's own clock."""

    now: float = 0.0
    version: int = 0
    modified_at: float = 0.0
    lease: Lease | None = None

    def put(self, lease: Lease, seen: int) -> bool:
        """Write if it is still the version that was seen."""
        if seen != self.version:
            return False
        self.version, self.lease, self.modified_at = self.version + 1, lease, self.now
        return True


@dataclass
class Machine:
    """A machine with a clock of its own, which sometimes stands still while the world goes on."""

    name: str
    rng: random.Random
    offset: float
    sleeps_until: float = 0.0
    hold: Hold | None = None
    observer: Observer = field(default_factory=Observer)
    claims: int = 0

    def now_s(self, at: float) -> float:
        """Its clock."""
        return at + self.offset

    def is_working(self, at: float) -> bool:
        """Whether it thinks that it may, when it is awake to think so."""
        return self.hold is not None and self.hold.left_s(self.now_s(at)) > 0

    def steps(self, store: Store) -> Iterator[None]:
        """Look, then write what follows from the look; anything may happen in between."""
        while True:
            sent_at_s = self.now_s(store.now)
            if self.hold is not None:
                lease, version = self.hold.lease, int(self.hold.version)
                wanted = lease.released(None) if self.rng.random() < 0.05 else lease.renewed()
            else:
                found, version = store.lease, store.version
                modified_ts = FOREIGN_CLOCK + store.modified_at
                if found is not None:
                    verdict = self.observer.judge(
                        "x", found, version=str(version), modified_ts=modified_ts, now_s=sent_at_s
                    )  # fmt: skip
                    if verdict is Standing.HELD:
                        yield
                        continue
                wanted = claim_of(found, holder=self.name, token=self.name, good_for_s=20.0, claimed_at="")
            yield
            if wanted.is_free:
                self.hold = None
            if store.put(wanted, version):
                self.observer.note_store_time(FOREIGN_CLOCK + int(store.now), self.now_s(store.now))
                self.claims += self.hold is None and not wanted.is_free
                self.hold = None if wanted.is_free else Hold(
                    lease=wanted, version=str(version + 1), sent_at_s=sent_at_s
                )  # fmt: skip
            else:
                self.hold = None
            yield


@pytest.mark.parametrize("seed", range(20))
def test_two_holders_never_work_at_once(seed: int) -> None:
    """Four machines with clocks years apart, freezing at any step: never two work, and nobody is locked out."""
    rng = random.Random(seed)
    store = Store()
    machines = [Machine(name=f"box-{n}", rng=rng, offset=rng.uniform(-1e8, 1e8)) for n in range(4)]
    running = [(machine, machine.steps(store)) for machine in machines]
    for _ in range(8_000):
        store.now += rng.uniform(0.0, 1.5)
        machine, steps = rng.choice(running)
        if machine.sleeps_until > store.now:
            continue
        if rng.random() < 0.01:
            machine.sleeps_until = store.now + rng.uniform(0.0, 90.0)
            continue
        next(steps)
        assert sum(each.is_working(store.now) for each in machines) <= 1
    assert all(machine.claims > 5 for machine in machines)
