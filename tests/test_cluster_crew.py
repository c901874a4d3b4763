"""The crew and its stations, without an engine of others: shares, news of hosts, lost workers, stops."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from mirror import __version__
from mirror.archive import LocalArchive
from mirror.cluster import Crew
from mirror.cluster.host_table import HostTable
from mirror.cluster.outbox import Outbox
from mirror.cluster.parcels import HostNews, pack_jobs, pack_outcomes, unpack_failed, unpack_fetched, unpack_jobs
from mirror.config import Config
from mirror.fetching import Fetching
from mirror.manifest import Manifest
from mirror.model import Content, Failed, Fetched, Job, Postponed, RunReport
from mirror.opening import open_archive, open_manifest, open_transport, retry_policy, setup_of
from mirror.pace import HostPace
from mirror.pipeline import GroupLimits
from mirror.sync import run_sync
from mirror.tally import Tally
from tests.judge import Judge
from tests.loop_engine import LoopEngine
from tests.simulator import ALWAYS, SourceSimulator

JOB = Job(
    asset_id=7, wanted_no=9, race_id=1, race_day_id=2, photo_id=3, variant="large", url="https://h/a?s=1", host="h"
)
CONTENT = Content(size_bytes=5, sha256=b"x" * 32, extension="jpg", width_px=1, height_px=2, etag='"e"')


def test_what_travels_comes_out_as_it_went_in() -> None:
    """Jobs and outcomes lose nothing on their way; the job itself travels one way only."""
    assert unpack_jobs(pack_jobs([JOB, replace(JOB, tries=2)])) == [JOB, replace(JOB, tries=2)]
    fetched = Fetched(job=JOB, content=CONTENT, draft="7.a.5.x.m")
    failed = Failed(job=JOB, reason="not found", message="m", status=404, has_answered=True)
    results = pack_outcomes([fetched, failed, Postponed(job=replace(JOB, tries=3))])
    assert unpack_fetched(results.fetched[0], JOB) == fetched
    assert unpack_failed(results.failed[0], JOB) == failed
    assert results.postponed == ((7, 3),)


def test_outbox_repeats_what_was_not_heard() -> None:
    """News stay until an order says that they arrived, and are not told a second time then."""
    outbox = Outbox()
    outbox.put(Postponed(job=JOB))
    outbox.put_logged(30, "mirror.download", "m")
    first = outbox.everything()
    assert first == (2, [Postponed(job=JOB)], ((30, "mirror.download", "m"),))
    assert outbox.everything() == first
    outbox.forget(2)
    assert outbox.everything() == (2, [], ())


# -- hosts ------------------------------------------------------------------------------------------------------------


def test_hold_of_one_worker_holds_all_and_does_not_grow() -> None:
    """What one worker was told holds for the others; heard again with the delay of its way, it stays the same hold."""
    now = 100.0
    table = HostTable(lambda: now)
    assert table.hear("a", [HostNews(host="h", held_s=5.0)]).is_urgent
    assert table.held_s("h") == 5.0
    assert table.news_for("b") == (HostNews(host="h", held_s=5.0),)
    now = 101.0
    assert not table.hear("b", [HostNews(host="h", held_s=4.1)]).is_urgent
    assert table.held_s("h") == 4.0


def test_throttled_answer_is_told_to_the_others_alone() -> None:
    """Who was throttled has slowed down by itself."""
    table = HostTable(lambda: 0.0)
    assert table.hear("a", [HostNews(host="h", throttles=2)]).is_urgent
    assert table.news_for("a") == (HostNews(host="h"),)
    assert table.news_for("b") == (HostNews(host="h", throttles=2),)
    table.forget_worker("a")
    assert table.news_for("b") == (HostNews(host="h", throttles=2),)


def test_worker_with_trouble_of_its_own_does_not_close_a_host() -> None:
    """A host that gives others pictures stays open; whoever fails there rests, and is sent home when it gives up."""
    table = HostTable(lambda: 0.0)
    table.hear("good", [HostNews(host="h", done=1)])
    table.hear("good", [HostNews(host="h", done=2)])
    verdict = table.hear("bad", [HostNews(host="h", held_s=2.0, is_doubtful=True)])
    assert (verdict.rest_s, table.held_s("h")) == (2.0, 0.0)
    verdict = table.hear("bad", [HostNews(host="h", why_closed="fails", is_doubtful=True)])
    assert (verdict.dismissed, table.is_closed("h")) == ("h fails", False)
    alone = HostTable(lambda: 0.0)
    alone.hear("bad", [HostNews(host="h", why_closed="fails", is_doubtful=True)])
    assert alone.closed_hosts() == [("h", "fails")]


def test_pace_takes_its_share_and_halves_for_others() -> None:
    """A smaller share holds at once; another process's throttle halves, and not twice for the same one."""
    pace = HostPace(start=16, least=1, most=32)
    pace.share(0.0, 8)
    assert pace.limit == 8
    for _ in range(8):
        pace.started(0.0)
    pace.failed(0.1, throttled=True, answered=True)
    assert (pace.limit, pace.throttles) == (4, 1)
    pace.slow(0.1)
    assert pace.limit == 4
    fixed = HostPace(start=16, least=16, most=16)
    fixed.share(0.0, 5)
    fixed.slow(0.0)
    assert fixed.limit == 5


# -- runs -------------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def planned(source: SourceSimulator, folder: Path, **settings: str) -> AsyncIterator[Config]:
    """An archive in which everything is planned, and nothing is fetched."""
    config = source.config(folder, **settings)
    source.fault("demo-photos", times=ALWAYS, status=404)
    await run_sync(config)
    source.faults.clear()
    source.requests.clear()
    yield config


async def fetch_with(
    config: Config, engine: LoopEngine, *, stop: asyncio.Event | None = None, places: int = 0,
    device: str = "",
) -> tuple[RunReport, Crew]:  # fmt: skip
    """Fetch what is planned with workers of a loop engine."""
    archive = await open_archive(config, create=False)
    manifest: Manifest = await open_manifest(config, archive)
    transport = open_transport(config)
    await archive.leave_token("token")
    setup = replace(setup_of(config, archive), run_key="run", token="token")
    setup = replace(setup, device=device or setup.device)
    crew = Crew(engine, setup, places=places or setup.line.most_requests)
    fetching = Fetching(
        archive=archive, manifest=manifest, transport=transport, retry=retry_policy(config),
        limits=GroupLimits(wait_s=0.05), tally=Tally(), stop=stop or asyncio.Event(), crew=crew,
    )  # fmt: skip
    try:
        await fetching.begin("retry")
        await manifest.choose(range(1, 1000))
        await fetching.adopt()
        fetching.end_listing()
        await fetching.fetch_all()
        return await fetching.finish(), crew
    finally:
        await crew.aclose()
        await transport.aclose()
        await manifest.aclose()
        await archive.aclose()


async def test_lost_worker_leaves_its_jobs_to_others(tmp_path: Path) -> None:
    """Two of three workers die in the middle; everything is stored in the same run."""
    async with SourceSimulator(photos=60) as source, planned(source, tmp_path) as config:
        engine = LoopEngine(tmp_path / "own", "a", "b", "c", version=__version__)

        def on_request(_: object) -> None:
            for victim, asked in (("a", 20), ("b", 60)):
                if victim in engine.workers and source.pictures_asked() > asked:
                    engine.kill(victim)

        source.on_request = on_request
        report, _ = await fetch_with(config, engine)
        assert report.is_everything_stored
        assert engine.workers == ["c"]
        Judge.of(source.race).check_ended(tmp_path / "photos")


async def test_workers_of_another_machine_flush_their_own_drafts(tmp_path: Path) -> None:
    """Where the client's flush does not reach what a worker wrote, the worker flushes, and the run completes."""
    async with SourceSimulator(photos=30) as source, planned(source, tmp_path) as config:
        engine = LoopEngine(tmp_path / "own", "a", "b", version=__version__)
        report, _ = await fetch_with(config, engine, device="another machine")
        assert report.is_everything_stored
        Judge.of(source.race).check_ended(tmp_path / "photos")


async def test_shares_never_exceed_the_places(tmp_path: Path) -> None:
    """However many workers there are, all of them together ask for no more at once than one process may."""
    async with SourceSimulator(photos=60) as source, planned(source, tmp_path, DOWNLOAD__CONCURRENCY="5") as config:
        engine = LoopEngine(tmp_path / "own", "a", "b", "c", version=__version__)
        engine.are_together = True
        report, _ = await fetch_with(config, engine)
        assert report.is_everything_stored
        assert sorted(engine.shares.values()) == [1, 2, 2]
        assert source.most_image_requests <= 5


async def test_unfit_worker_that_comes_later_gets_nothing(tmp_path: Path) -> None:
    """A worker of another version among others is told of, and no job goes there."""
    async with SourceSimulator() as source, planned(source, tmp_path) as config:
        engine = LoopEngine(tmp_path / "own", "a", "b", version=__version__)
        engine.versions["b"] = "0.0.9"
        report, _ = await fetch_with(config, engine)
        assert report.is_everything_stored
        assert {address for address, _ in engine.shards} == {"a"}


async def test_throttled_host_slows_all_workers_and_completes(tmp_path: Path) -> None:
    """A 429 with Retry-After at one worker holds the host for all of them; nothing is counted as a failure."""
    async with SourceSimulator(photos=30) as source, planned(source, tmp_path) as config:
        source.fault("demo-photos", times=1, status=429, headers={"Retry-After": "1"})
        engine = LoopEngine(tmp_path / "own", "a", "b", version=__version__)
        report, _ = await fetch_with(config, engine)
        assert report.is_everything_stored
        told = [news for orders in engine.orders.values() for order in orders for news in order.hosts]
        assert any(news.held_s > 0.5 for news in told)
        assert any(news.throttles for news in told)


async def test_host_that_asks_for_too_long_a_pause_is_closed_for_all(tmp_path: Path) -> None:
    """It is asked no more, what it has stays wanted, and the run ends and names it."""
    async with SourceSimulator(photos=30) as source, planned(source, tmp_path) as config:
        source.fault("demo-photos", times=ALWAYS, status=429, headers={"Retry-After": "9999"})
        engine = LoopEngine(tmp_path / "own", "a", "b", version=__version__)
        report, _ = await fetch_with(config, engine)
        assert report.missing
        assert [host for host, _ in report.closed_hosts] == [source.image_origin.removeprefix("http://")]
        assert source.pictures_asked() < 70


async def test_stop_records_what_is_finished_and_ends_soon(tmp_path: Path) -> None:
    """Transfers that stall are cancelled, what came is stored, and no draft of the stopped run is lost or doubled."""
    async with SourceSimulator(photos=30) as source, planned(source, tmp_path) as config:
        source.fault("customOriginal", times=ALWAYS, stalls=True)
        stop = asyncio.Event()
        engine = LoopEngine(tmp_path / "own", "a", "b", version=__version__)
        source.on_request = lambda _: stop.set() if source.pictures_asked("customOriginal") > 3 else None
        report, _ = await fetch_with(config, engine, stop=stop)
        assert report.is_stopped
        assert engine.stations == {}
        Judge.of(source.race).check(tmp_path / "photos")
        source.faults.clear()
        assert (await run_sync(config)).is_everything_stored
        Judge.of(source.race).check_ended(tmp_path / "photos")


async def test_drafts_of_two_processes_never_share_a_name(tmp_path: Path) -> None:
    """The same bytes of one asset lie in two drafts; one is adopted, the other is swept."""
    async with SourceSimulator(photos=3) as source, planned(source, tmp_path) as config:
        first = await LocalArchive.open(tmp_path / "photos", create=False, is_shared=True)
        second = await LocalArchive.open(tmp_path / "photos", create=False, is_shared=True)
        names = set()
        for archive in (first, second, first):
            draft = await archive.open_draft(1, address="ab")
            await draft.write_whole(b"the same", lambda _: None)
            names.add(draft.name)
            await archive.flush_drafts([draft.name])
        assert len(names) == 3
        assert {each.asset_id for each in await first.kept_drafts()} == {1}
        await first.aclose()
        await second.aclose()
        assert (await run_sync(config)).is_everything_stored
        Judge.of(source.race).check_ended(tmp_path / "photos")
