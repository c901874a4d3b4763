"""Which job comes next: each wanted asset once a run, host by host, and nobody waits for a host that is held."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from mirror.model import Job

_BATCH = 500


class Hosts(Protocol):
    """What the feed needs to know of hosts; `mirror.transport.Transport` knows it."""

    def held_s(self, host: str) -> float:
        """Seconds for which the host asked us to wait; 0 if it did not."""
        ...

    def is_closed(self, host: str) -> bool:
        """Whether the host is asked no more in this run."""
        ...

    def limit(self, host: str) -> int:
        """How many requests the host gets at once."""
        ...


@dataclass(slots=True)
class _Lane:
    """The jobs of one host: those put back, those read ahead, and where to read on."""

    put_back: deque[Job] = field(default_factory=deque)
    ahead: deque[Job] = field(default_factory=deque)
    after_no: int = 0
    is_exhausted: bool = False
    """Whether the manifest had nothing more beyond ``after_no``."""
    out: int = 0

    @property
    def is_empty(self) -> bool:
        return self.is_exhausted and not (self.put_back or self.ahead)

    def next(self, busy: set[int]) -> Job | None:
        """Take the next job whose asset is not out already."""
        for queue in (self.put_back, self.ahead):
            for _ in range(len(queue)):
                job = queue.popleft()
                if job.asset_id not in busy:
                    return job
                queue.append(job)
        return None


@dataclass(slots=True, kw_only=True)
class Feed:
    """Jobs out of the manifest while it is still being filled.

    It ends when the listing has ended, nothing is out any more, and every host that is asked at all is at its end.

    Args:
        find_hosts: Hosts with wanted assets.
        find_jobs: Jobs of a host with a ``wanted_no`` above a number, in order, at most so many.
    """

    find_hosts: Callable[[], Awaitable[list[str]]]
    find_jobs: Callable[[str, int, int], Awaitable[list[Job]]]
    hosts: Hosts
    _lanes: dict[str, _Lane] = field(default_factory=dict)
    _busy: set[int] = field(default_factory=set)
    """Asset ids that are out, or whose outcome is not recorded yet: two drafts of an asset may bear one name."""
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _is_stale: bool = True
    """Whether the manifest may want more than the lanes have read."""
    _reading: asyncio.Future[None] | None = None
    """Reads ahead beside the handing out: a page or a group that the manifest writes down must hold up nobody."""
    _is_listed: bool = False
    _is_stopped: bool = False

    def wake(self) -> None:
        """Say that something new is wanted."""
        self._is_stale = True
        self._news.set()

    def end_listing(self) -> None:
        """Say that nothing more will be planned in this run."""
        self._is_listed = True
        self.wake()

    def stop(self) -> None:
        """Hand out nothing more."""
        self._is_stopped = True
        self._news.set()

    def finish(self, job: Job, *, again: Job | None = None) -> None:
        """Say that a job is no longer out; one that met a held host comes again, uncounted."""
        lane = self._lanes[job.host]
        lane.out -= 1
        if again is not None:
            self._busy.discard(job.asset_id)
            lane.put_back.append(again)
        self._news.set()

    def recorded(self, asset_ids: Iterable[int]) -> None:
        """Say that what became of some jobs is written down: what is wanted of their assets again may be fetched."""
        self._busy.difference_update(asset_ids)
        self._news.set()

    async def jobs(self) -> AsyncGenerator[Job, None]:
        """Hand out jobs, in turn over the hosts that may be asked."""
        try:
            while not self._is_stopped:
                self._news.clear()
                self._begin_reading()
                is_idle = True
                for job in self._ready():
                    is_idle = False
                    yield job
                if is_idle:
                    if self._is_at_end():
                        return
                    await self._wait()
        finally:
            await self._end_reading()

    def _begin_reading(self) -> None:
        """Take what was read, and read on where lanes run low or the manifest has more."""
        if self._reading is not None and self._reading.done():
            reading, self._reading = self._reading, None
            reading.result()  # what the manifest raised ends the run
        is_due = self._is_stale or any(self._is_low(host, lane) for host, lane in self._lanes.items())
        if self._reading is None and is_due:
            self._reading = asyncio.ensure_future(self._read_ahead())
            self._reading.add_done_callback(lambda _: self._news.set())

    async def _end_reading(self) -> None:
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.cancel()
            # Its failure, if it had one, is told by whatever ended us.
            await asyncio.gather(reading, return_exceptions=True)
            # Whoever asks for jobs again reads what this one did not.
            self._is_stale = True

    def _is_low(self, host: str, lane: _Lane) -> bool:
        return not lane.is_exhausted and len(lane.ahead) < _BATCH // 2 and not self.hosts.is_closed(host)

    async def _read_ahead(self) -> None:
        if self._is_stale:
            self._is_stale = False
            for host in await self.find_hosts():
                self._lanes.setdefault(host, _Lane())
            for lane in self._lanes.values():
                lane.is_exhausted = False
        for host, lane in self._lanes.items():
            if self._is_low(host, lane):
                found = await self.find_jobs(host, lane.after_no, _BATCH)
                lane.ahead.extend(found)
                lane.after_no = found[-1].wanted_no if found else lane.after_no
                lane.is_exhausted = len(found) < _BATCH

    def _ready(self) -> Iterator[Job]:
        """At most one job of each host, so that a long lane does not keep the others waiting."""
        # A copy: while a job is taken, a new host may be read.
        for host, lane in tuple(self._lanes.items()):
            if self._is_stopped or self.hosts.is_closed(host) or self.hosts.held_s(host) > 0:
                continue
            # Some more than the host takes at once: those that pause before a retry hold no place there.
            if lane.out < 2 * self.hosts.limit(host) and (job := lane.next(self._busy)) is not None:
                lane.out += 1
                self._busy.add(job.asset_id)
                yield job

    def _is_at_end(self) -> bool:
        return (
            self._is_listed
            and not self._is_stale
            and self._reading is None
            and not any(lane.out for lane in self._lanes.values())
            and all(lane.is_empty or self.hosts.is_closed(host) for host, lane in self._lanes.items())
        )

    async def _wait(self) -> None:
        """Until something changes, or the first held host may be asked again."""
        held = [self.hosts.held_s(host) for host, lane in self._lanes.items() if not lane.is_empty]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min((s for s in held if s > 0), default=None)):
                await self._news.wait()
