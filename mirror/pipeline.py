"""The pipeline: a feeder, bounded queues, workers, one committer. Plain coroutines in, nothing of the outside world."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from mirror.model import Failed, Fetched, Job

Result = Fetched | Failed
Download = Callable[[Job], Awaitable[Result | None]]
"""Fetches one asset; None when there is nothing to record: the job was put back."""
Commit = Callable[[Sequence[Result]], Awaitable[None]]
"""Gives a group its final names and records it; raises what ends the run."""
Put = Callable[[Result], Awaitable[None]]
"""Takes an outcome, in its turn."""
Work = Callable[[Put], Awaitable[None]]
"""Takes jobs to their outcomes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLimits:
    """When a group is full: so many outcomes, so many bytes, or so many seconds after its first one."""

    outcomes: int = 500
    bytes: int = 64 * 1024 * 1024
    wait_s: float = 1.0


async def run(
    jobs: AsyncGenerator[Job, None],
    download: Download,
    commit: Commit,
    *,
    workers: int,
    limits: GroupLimits,
    stop: asyncio.Event,
) -> None:
    """Take every job to its recorded outcome, with workers in this process; see `drive`."""
    await drive(lambda put: _work(jobs, download, put, workers), commit, limits=limits, stop=stop)


async def drive(work: Work, commit: Commit, *, limits: GroupLimits, stop: asyncio.Event) -> None:
    """Commit in groups what some work brings, until it ends.

    All queues are bounded: the slowest step sets the pace, and memory does not grow with the race. However the
    work ends, what it finished is committed before this returns or raises; only a cancellation, or a commit
    that fails, leaves finished drafts to the next run.

    Args:
        work: Is cancelled when it is to end early; until it has ended it may bring more.
        stop: Ends the run early: transfers are cancelled, what is finished is committed.
    Raises:
        ExceptionGroup: Whatever a job source, a download or a commit raised.
    """
    results: asyncio.Queue[Result | None] = asyncio.Queue(limits.outcomes)
    async with asyncio.TaskGroup() as tasks:
        committer = tasks.create_task(_commit_groups(results, commit, limits))
        # Not a child of the group: a worker's error must not cancel the committer before it has drained.
        working = asyncio.ensure_future(work(results.put))
        stopped = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait({working, stopped, committer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            working.cancel()
            await asyncio.wait({working})
        await results.put(None)
    if not working.cancelled():
        working.result()


async def _work(jobs: AsyncGenerator[Job, None], download: Download, put: Put, workers: int) -> None:
    queue: asyncio.Queue[Job | None] = asyncio.Queue(workers)  # maxsize 0 would mean endless

    async def feed() -> None:
        async with contextlib.aclosing(jobs):
            async for job in jobs:
                await queue.put(job)
        for _ in range(workers):
            await queue.put(None)

    async def work() -> None:
        while (job := await queue.get()) is not None:
            if (result := await download(job)) is not None:
                await put(result)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(feed())
        for _ in range(workers):
            tasks.create_task(work())


async def _commit_groups(results: asyncio.Queue[Result | None], commit: Commit, limits: GroupLimits) -> None:
    is_open = True
    while is_open:
        group, is_open = await _next_group(results, limits)
        if group:
            await commit(group)


async def _next_group(results: asyncio.Queue[Result | None], limits: GroupLimits) -> tuple[list[Result], bool]:
    """What has come until the group is full or has waited long enough; false when nothing more will come."""
    group: list[Result] = []
    size = 0
    first = await results.get()
    if first is None:
        return group, False
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limits.wait_s):
            result: Result | None = first
            while result is not None:
                group.append(result)
                size += result.content.size_bytes if isinstance(result, Fetched) else 0
                if len(group) >= limits.outcomes or size >= limits.bytes:
                    return group, True
                result = await results.get()
            return group, False
    return group, True
