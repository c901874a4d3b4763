"""Leases as objects in a bucket: looked at, claimed, renewed, released."""

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from mirror.errors import ArchiveError, ManifestError
from mirror.leases import Done, Hold, Lease, Observer, Standing, claim_of, lease_bytes, read_lease

log = logging.getLogger(__name__)

_LAST_WORDS_S = 10.0
"""The longest that a release may take."""
_RETRY_S = 1.0
_GLANCE_S = 1.0
"""So soon after a machine woke up its leases are looked at."""
_CLOCK = getattr(time, "CLOCK_BOOTTIME", None) or time.CLOCK_MONOTONIC


def uptime_s() -> float:
    """Read the clock that only goes up, also while the machine sleeps: a lease runs out in a closed laptop too."""
    return time.clock_gettime(_CLOCK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A small object as it was read.

    Args:
        version: Differs whenever the object was written: its ETag.
        modified_ts: When it was written, in Unix seconds of the store's clock.
    """

    body: bytes
    version: str
    modified_ts: float


class Objects(Protocol):
    """Small objects, of which many machines may write the same at once and one succeeds."""

    async def get(self, name: str) -> Found | None:
        """Read one; None where there is none."""
        ...

    async def put(self, name: str, body: bytes, *, over: str | None) -> str | None:
        """Write one only over the version that was looked at, or only where there is none.

        Returns:
            The new version; None when something else stands there.
        Raises:
            ArchiveError: The store failed: nobody knows whether it was written.
        """
        ...

    async def delete(self, name: str) -> None:
        """Delete one; none is no matter."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at a lease."""

    name: str
    standing: Standing
    lease: Lease | None = None
    version: str | None = None
    modified_ts: float = 0.0


class Claims:
    """The leases of a fleet as one process sees them.

    Args:
        holder: Who we are, for people.
        good_for_s: How long our renewals hold.
        beat_s: How often we renew.
    """

    def __init__(
        self, objects: Objects, *, holder: str, good_for_s: float, beat_s: float, now: Callable[[], float] = uptime_s
    ) -> None:
        self.objects = objects
        self.holder = holder
        self.good_for_s = good_for_s
        self.beat_s = beat_s
        self.now = now
        self.observer = Observer()

    async def look(self, name: str) -> Look:
        """Read a lease and judge it.

        Raises:
            ArchiveError: The store cannot be asked.
            ManifestError: Something lies there that is no lease.
        """
        found = await self.read(name)
        if found is None:
            return Look(name=name, standing=Standing.FREE)
        try:
            lease = read_lease(found.body)
        except ValueError as error:
            raise ManifestError(f"{name}: {error}; when no machine is at work, delete it") from None
        standing = self.observer.judge(
            name, lease, version=found.version, modified_ts=found.modified_ts, now_s=self.now()
        )
        return Look(name=name, standing=standing, lease=lease, version=found.version, modified_ts=found.modified_ts)

    async def read(self, name: str) -> Found | None:
        """Read a small object, and give up after a while."""
        try:
            async with asyncio.timeout(self.good_for_s):
                found = await self.objects.get(name)
        except TimeoutError:
            raise ArchiveError(f"{name}: no answer from the store in {self.good_for_s:.0f} s") from None
        if found is not None:
            # Whoever wrote it: by the store's clock that was in the past.
            self.observer.note_store_time(found.modified_ts, self.now())
        return found

    def age_s(self, found: Found) -> float:
        """Say how long ago something was written, by the store's clock as far as we know it."""
        return (self.observer.store_ts(self.now()) or found.modified_ts) - found.modified_ts

    async def claim(self, look: Look, *, on_lost: Callable[[], None] = lambda: None) -> "Claim | None":
        """Claim what is free or stale, in one try.

        Args:
            on_lost: Called when it is ours no more, before anybody else can begin: stop at once.
        Returns:
            None when somebody else was quicker.
        Raises:
            ArchiveError: The store cannot be asked.
        """
        lease = claim_of(
            look.lease, holder=self.holder, token=secrets.token_hex(8), good_for_s=self.good_for_s,
            claimed_at=datetime.now(UTC).isoformat(timespec="seconds"), modified_ts=look.modified_ts,
        )  # fmt: skip
        claim = Claim(self, look.name, Hold(lease=lease, version=look.version or "", sent_at_s=self.now()), on_lost)
        return claim if await claim.begin(over=look.version) else None


class Claim:
    """A lease of ours: renewed until it is released or lost."""

    def __init__(self, claims: Claims, name: str, hold: Hold, on_lost: Callable[[], None]) -> None:
        self.name = name
        self.is_lost = False
        self._claims = claims
        self._hold = hold
        self._on_lost = on_lost
        self._beating: asyncio.Task[None] | None = None
        self._ending = asyncio.Event()

    @property
    def is_good(self) -> bool:
        """Whether work may go on under it at this very moment."""
        return not self.is_lost and self._hold.left_s(self._claims.now()) > 0

    async def begin(self, *, over: str | None) -> bool:
        """Write the claim, and begin to renew it; False when somebody else was quicker."""
        if not await self._write(self._hold.lease, over):
            return False
        self._beating = asyncio.create_task(self._beat(), name=f"lease {self.name}")
        self._beating.add_done_callback(self._beat_ended)
        return True

    def _beat_ended(self, beating: asyncio.Task[None]) -> None:
        """Whatever renewed no more, work must stop: a bug is no reason to go on without a lease."""
        if not beating.cancelled() and (self.is_lost or beating.exception() is not None):
            self.is_lost = True
            log.warning("%s: the lease is lost; work under it stops", self.name, exc_info=beating.exception())
            self._on_lost()

    async def release(self, done: Done | None = None) -> None:
        """Let go of it, with news of what was done under it; what the store does not take runs out by itself."""
        if self._beating is None:
            return
        # A renewal on its way is waited for: cancelled, nobody would know which version stands there.
        self._ending.set()
        await asyncio.wait({self._beating}, timeout=_LAST_WORDS_S)
        self._beating.cancel()
        self._beating = None
        if self.is_lost:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_S):
                if self.is_good and await self._write(self._hold.lease.released(done), self._hold.version):
                    self.is_lost = True
                    return
        log.warning("%s: could not be released; it runs out by itself", self.name)

    async def _beat(self) -> None:
        while not await self._is_ending_before(self._hold.sent_at_s + self._claims.beat_s):
            if not await self._write(self._hold.lease.renewed(), self._hold.version):
                self.is_lost = True
                return

    async def _is_ending_before(self, until_s: float) -> bool:
        """Wait for the end; the event loop's clock stands still while the machine sleeps, ours does not."""
        while not self._ending.is_set() and (left_s := until_s - self._claims.now()) > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left_s, _GLANCE_S)):
                    await self._ending.wait()
        return self._ending.is_set()

    async def _write(self, lease: Lease, over: str | None) -> bool:
        """Write the next version, trying again while the present one holds; False when it is ours no more."""
        now, body, objects = self._claims.now, lease_bytes(lease), self._claims.objects
        sent_at_s = now()
        while (left_s := self._hold.left_s(now())) > 0:
            try:
                async with asyncio.timeout(left_s):
                    version = await objects.put(self.name, body, over=over) or await self._written(body)
            except (ArchiveError, TimeoutError) as error:
                log.warning("%s: trying again: %s", self.name, error or "no answer from the store")
                await asyncio.sleep(min(_RETRY_S, self._claims.beat_s))
                continue
            if version is not None:
                self._hold = Hold(lease=lease, version=version, sent_at_s=sent_at_s)
            return version is not None
        return False

    async def _written(self, body: bytes) -> str | None:
        """The version of what we wrote, where an earlier try arrived though its answer did not."""
        found = await self._claims.objects.get(self.name)
        return found.version if found is not None and found.body == body else None
