"""Leases: who may work on what, decided by what one observer has seen. Pure: no I/O, the clock is an argument.

A lease is a small object that all machines can read. It is claimed by writing it where it is not there, free or
stale, renewed by writing it again, and released by writing it as free; each of these succeeds only on the very
version that was looked at. So two machines may try, and one of them does it.

Clocks of machines differ, so no clock is compared with a foreign one. A lease is stale for who has watched it for
longer than it is good for, by a clock of his own, without a renewal; or when the store says so, whose one clock dates
both the lease and what the observer himself wrote a moment ago: a short run under cron need not wait to know. A
holder counts from before the renewal was sent and gives up early, so he has stopped before anybody can call him stale.
"""

from dataclasses import dataclass, replace
from enum import Enum

from pydantic import TypeAdapter, ValidationError

GIVES_UP_AT = 0.75
"""After this part of its time without a renewal a holder stops: the rest is for stopping."""
STORE_MARGIN_S = 5.0
"""What the store's clock may be wrong by, with whole seconds and servers that differ."""
_LONGEST_BYTES = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How the last piece of work under a lease ended.

    Args:
        by: Who did it.
        exit_code: As of the command that did it.
        at_ts: When, in Unix seconds of the store's clock; None while the lease itself dates it, by its last change.
    """

    by: str
    exit_code: int
    at_ts: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """What stands in the object.

    Args:
        holder: Host and process, for people; empty when it is free.
        token: Random, of one claim; empty when it is free.
        beat: Rises with each renewal, so that no two versions of a claim have the same bytes.
        good_for_s: How long a renewal holds, in seconds.
        claimed_at: By the holder's clock, for people only.
    """

    holder: str = ""
    token: str = ""
    beat: int = 0
    good_for_s: float = 0.0
    claimed_at: str = ""
    done: Done | None = None

    @property
    def is_free(self) -> bool:
        """Whether nobody holds it."""
        return not self.token

    def renewed(self) -> "Lease":
        """Make the next version of a claim."""
        return replace(self, beat=self.beat + 1)

    def released(self, done: Done | None) -> "Lease":
        """Make the version that is free; without news the earlier ones stay."""
        return Lease(beat=self.beat + 1, done=done or self.done)


_LEASE = TypeAdapter(Lease)


def lease_bytes(lease: Lease) -> bytes:
    """Write a lease as it stands in its object."""
    return _LEASE.dump_json(lease, indent=1) + b"\n"


def read_lease(body: bytes) -> Lease:
    """Read a lease.

    Raises:
        ValueError: It is none, or one of a newer version.
    """
    if len(body) > _LONGEST_BYTES:
        raise ValueError(f"{len(body)} bytes, expected a lease of at most {_LONGEST_BYTES}")
    try:
        return _LEASE.validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ValueError(f"expected a lease{f' with {where}' if where else ''}: {first['msg']}") from None


class Standing(Enum):
    """What a lease is to somebody who wants it."""

    FREE = "free"
    STALE = "stale"
    HELD = "held"


class Observer:
    """Remembers since when leases show what they show, by a clock of its own.

    Times called ``now_s`` are seconds of one clock that only goes up, also while the machine sleeps.
    """

    def __init__(self) -> None:
        self._seen: dict[str, tuple[str, float]] = {}
        self._ahead_s: float | None = None

    def note_store_time(self, modified_ts: float, now_s: float) -> None:
        """Learn the store's clock.

        Args:
            modified_ts: How the store dates something.
            now_s: After that was written.
        """
        ahead_s = modified_ts - now_s
        self._ahead_s = ahead_s if self._ahead_s is None else max(self._ahead_s, ahead_s)

    def store_ts(self, now_s: float) -> float | None:
        """Say the least that the store's clock shows now; None while nothing is known of it."""
        return None if self._ahead_s is None else now_s + self._ahead_s

    def judge(self, name: str, lease: Lease, *, version: str, modified_ts: float, now_s: float) -> Standing:
        """Judge a lease as it was just read.

        Args:
            version: Differs whenever the lease was written: its ETag.
            modified_ts: When it was written, by the store's clock.
        """
        if lease.is_free:
            self._seen.pop(name, None)
            return Standing.FREE
        known, since_s = self._seen.get(name, ("", now_s))
        if known != version:
            since_s = now_s
            self._seen[name] = (version, now_s)
        store_ts = self.store_ts(now_s)
        silent_s = now_s - since_s
        if store_ts is not None:
            silent_s = max(silent_s, store_ts - modified_ts - STORE_MARGIN_S)
        return Standing.STALE if silent_s > lease.good_for_s else Standing.HELD

    def is_fresh(self, done: Done | None, *, modified_ts: float, within_s: float, now_s: float) -> bool:
        """Whether work ended so short a while ago that it need not be done again."""
        store_ts = self.store_ts(now_s)
        if done is None or store_ts is None:
            return False
        return store_ts - (modified_ts if done.at_ts is None else done.at_ts) < within_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A lease of ours, as far as we know.

    Args:
        lease: As we wrote it last.
        version: What the store called it.
        sent_at_s: When that was sent, before anybody else can have seen it.
    """

    lease: Lease
    version: str
    sent_at_s: float

    def left_s(self, now_s: float) -> float:
        """Seconds until work under it must stop; 0 or less: at once."""
        return self.sent_at_s + GIVES_UP_AT * self.lease.good_for_s - now_s


def claim_of(
    earlier: Lease | None, *, holder: str, token: str, good_for_s: float, claimed_at: str, modified_ts: float = 0.0
) -> Lease:
    """Make the lease that claims what is free, stale or was never claimed.

    Args:
        earlier: What stands there; what was done under it is carried on, with its date.
        modified_ts: When that was written, by the store's clock.
    """
    done = earlier.done if earlier is not None else None
    if earlier is not None and done is not None and done.at_ts is None:
        done = replace(done, at_ts=modified_ts)
    beat = earlier.beat + 1 if earlier is not None else 0
    return Lease(holder=holder, token=token, beat=beat, good_for_s=good_for_s, claimed_at=claimed_at, done=done)
