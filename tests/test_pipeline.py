"""Every job reaches its recorded outcome, however the run ends."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

import pytest

from mirror.feed import Feed
from mirror.model import Content, Failed, Fetched, Job
from mirror.pipeline import GroupLimits, run

LIMITS = GroupLimits(outcomes=10, wait_s=0.01)


def job(number: int, host: str = "a") -> Job:
    """One job; its number is its asset and its place in the order."""
    return Job(
        asset_id=number, wanted_no=number, race_id=1, race_day_id=1, photo_id=number, variant="large",
        url=f"https://{host}/{number}", host=host,
    )  # fmt: skip


def fetched(each: Job) -> Fetched:
    """A finished draft of a job."""
    return Fetched(job=each, content=Content(size_bytes=1, sha256=b"", extension="jpg"), draft=str(each.asset_id))


async def some_jobs(count: int) -> AsyncGenerator[Job, None]:
    """So many jobs."""
    for number in range(1, count + 1):
        yield job(number)


class Ledger:
    """Remembers what was committed, group by group."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []

    async def commit(self, group: Sequence[Fetched | Failed]) -> None:
        """Record a group."""
        await asyncio.sleep(0)
        self.groups.append([each.job.asset_id for each in group])

    @property
    def recorded(self) -> list[int]:
        """All that was recorded."""
        return [each for group in self.groups for each in group]


async def download(each: Job) -> Fetched:
    """Fetch at once."""
    await asyncio.sleep(0)
    return fetched(each)


async def test_every_job_is_recorded_once() -> None:
    """A thousand jobs through five workers come out as a thousand records in bounded groups."""
    ledger = Ledger()
    await run(some_jobs(1000), download, ledger.commit, workers=5, limits=LIMITS, stop=asyncio.Event())
    assert sorted(ledger.recorded) == list(range(1, 1001))
    assert max(map(len, ledger.groups)) <= 10


async def test_never_more_downloads_at_once_than_workers() -> None:
    """The pool is the bound."""
    now = most = 0

    async def slow(each: Job) -> Fetched:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        now -= 1
        return fetched(each)

    await run(some_jobs(100), slow, Ledger().commit, workers=4, limits=LIMITS, stop=asyncio.Event())
    assert most == 4


async def test_feeder_waits_for_the_workers() -> None:
    """Jobs are taken as they can be worked on, not all at once."""
    taken = 0
    gate = asyncio.Event()

    async def jobs() -> AsyncGenerator[Job, None]:
        nonlocal taken
        for number in range(1, 101):
            taken = number
            yield job(number)

    async def blocked(each: Job) -> Fetched:
        await gate.wait()
        return fetched(each)

    running = asyncio.create_task(run(jobs(), blocked, Ledger().commit, workers=3, limits=LIMITS, stop=asyncio.Event()))
    for _ in range(50):
        await asyncio.sleep(0)
    assert taken <= 7
    gate.set()
    await running


async def test_stop_commits_what_is_finished() -> None:
    """A stop cancels transfers and records everything that was done before."""
    ledger, stop, done = Ledger(), asyncio.Event(), []

    async def some_finish(each: Job) -> Fetched:
        if each.asset_id > 25:
            stop.set()
            await asyncio.Event().wait()
        done.append(each.asset_id)
        return fetched(each)

    await run(some_jobs(100), some_finish, ledger.commit, workers=3, limits=LIMITS, stop=stop)
    assert sorted(ledger.recorded) == sorted(done)


async def test_failed_download_ends_the_run_after_the_commit() -> None:
    """An error that is no asset's failure ends the run; what was finished is still recorded."""
    ledger, done = Ledger(), []

    async def breaks(each: Job) -> Fetched:
        if each.asset_id == 20:
            raise RuntimeError("a bug")
        done.append(each.asset_id)
        return fetched(each)

    with pytest.raises(ExceptionGroup):
        await run(some_jobs(100), breaks, ledger.commit, workers=3, limits=LIMITS, stop=asyncio.Event())
    assert set(done) >= set(ledger.recorded) >= set(range(1, 18))


async def test_failed_commit_ends_the_run() -> None:
    """A disk that takes no more ends the run, even when workers wait for room."""

    async def full(group: Sequence[Fetched | Failed]) -> None:
        raise OSError("disk full")

    with pytest.raises(ExceptionGroup, match="unhandled"):
        await run(some_jobs(1000), download, full, workers=3, limits=LIMITS, stop=asyncio.Event())


class Hosts:
    """Hosts whose state the test decides."""

    def __init__(self) -> None:
        self.held: dict[str, float] = {}
        self.closed: set[str] = set()

    def held_s(self, host: str) -> float:
        """Seconds to wait."""
        return self.held.get(host, 0.0)

    def is_closed(self, host: str) -> bool:
        """Whether asked no more."""
        return host in self.closed

    def limit(self, host: str) -> int:
        """Requests at once."""
        return 2


class Wanted:
    """The manifest's wanted assets."""

    def __init__(self, *jobs: Job) -> None:
        self.jobs = list(jobs)

    async def find_hosts(self) -> list[str]:
        """Their hosts."""
        return sorted({each.host for each in self.jobs})

    async def find_jobs(self, host: str, after_no: int, limit: int) -> list[Job]:
        """The next of a host."""
        return [each for each in self.jobs if each.host == host and each.wanted_no > after_no][:limit]


def feed_of(wanted: Wanted, hosts: Hosts | None = None) -> Feed:
    """A feed over the wanted assets."""
    return Feed(find_hosts=wanted.find_hosts, find_jobs=wanted.find_jobs, hosts=hosts or Hosts())


async def test_feed_goes_on_while_the_manifest_is_busy() -> None:
    """What was read ahead is handed out though the next reading waits for the manifest, as it does in a commit."""
    wanted, is_busy = Wanted(*(job(number, "a") for number in range(1, 2001))), asyncio.Event()

    class Busy(Wanted):
        async def find_jobs(self, host: str, after_no: int, limit: int) -> list[Job]:
            if after_no:
                await is_busy.wait()
            return await super().find_jobs(host, after_no, limit)

    feed = feed_of(Busy(*wanted.jobs))
    seen = []
    async for each in feed.jobs():
        seen.append(each.asset_id)
        feed.finish(each)
        if len(seen) == 500:
            is_busy.set()
            feed.end_listing()
    assert seen == list(range(1, 2001))


async def test_feed_raises_what_the_manifest_raised() -> None:
    """A manifest that fails while it is read ahead ends the run."""

    class Broken(Wanted):
        async def find_jobs(self, host: str, after_no: int, limit: int) -> list[Job]:
            raise OSError("disk on fire")

    feed = feed_of(Broken(job(1, "a")))
    with pytest.raises(OSError, match="disk on fire"):
        async for _ in feed.jobs():
            pass


async def test_feed_hands_out_each_job_once_and_ends() -> None:
    """Two thousand assets at two hosts come once each."""
    feed = feed_of(Wanted(*(job(number, "ab"[number % 2]) for number in range(1, 2001))))
    feed.end_listing()
    seen = []
    async for each in feed.jobs():
        seen.append(each.asset_id)
        feed.finish(each)
    assert sorted(seen) == list(range(1, 2001))


async def test_feed_waits_for_the_listing() -> None:
    """What is planned later in the run is handed out in the same run."""
    wanted = Wanted(job(1))
    feed = feed_of(wanted)
    seen = []
    async for each in feed.jobs():
        seen.append(each.asset_id)
        feed.finish(each)
        if len(seen) == 1:
            wanted.jobs.append(job(2))
            feed.wake()
        else:
            feed.end_listing()
    assert seen == [1, 2]


async def test_feed_goes_round_a_held_host() -> None:
    """While one host asks us to wait, the jobs of the others go on; its own come afterwards."""
    hosts = Hosts()
    hosts.held["a"] = 0.01
    feed = feed_of(Wanted(job(1, "a"), job(2, "b"), job(3, "b")), hosts)
    feed.end_listing()
    seen = []
    async for each in feed.jobs():
        seen.append(each.asset_id)
        feed.finish(each)
        if len(seen) == 2:
            hosts.held.clear()
    assert seen == [2, 3, 1]


async def test_feed_leaves_the_rows_of_a_closed_host() -> None:
    """A host that is asked no more does not keep the run from ending."""
    hosts = Hosts()
    hosts.closed.add("a")
    feed = feed_of(Wanted(job(1, "a"), job(2, "b")), hosts)
    feed.end_listing()
    seen = []
    async for each in feed.jobs():
        seen.append(each.asset_id)
        feed.finish(each)
    assert seen == [2]


async def test_job_that_met_a_held_host_comes_again() -> None:
    """A job that was put back is handed out again, with the tries it had."""
    feed = feed_of(Wanted(job(1)))
    feed.end_listing()
    seen = []
    async for each in feed.jobs():
        seen.append(each)
        feed.finish(each, again=each if len(seen) == 1 else None)
    assert [each.asset_id for each in seen] == [1, 1]


async def test_asset_has_one_job_in_flight() -> None:
    """An asset that is wanted anew while its old job is out waits for that to end, and to be recorded.

    The drafts of both may bear one name, and what is being given its key must not be written anew.
    """
    anew = Job(
        asset_id=1, wanted_no=2, race_id=1, race_day_id=1, photo_id=1, variant="large", url="https://a/new", host="a"
    )
    feed = feed_of(Wanted(job(1), anew, job(3)))
    feed.end_listing()
    jobs = feed.jobs()
    first, second = await anext(jobs), await anext(jobs)
    assert (first.wanted_no, second.wanted_no) == (1, 3)
    feed.finish(first)
    feed.finish(second)
    following = asyncio.ensure_future(anext(jobs))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not following.done()
    feed.recorded([first.asset_id, second.asset_id])
    assert (await following).wanted_no == 2
    await jobs.aclose()
