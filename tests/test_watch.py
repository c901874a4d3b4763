"""A watch fetches what comes, tells of it, outlives what passes, and ends when it is told to."""

import asyncio
import json
import signal
import sys
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web

from mirror.cli.watch import parse_end, parse_until
from mirror.config import Config
from mirror.errors import AccessError, ConfigError, RefusedError
from mirror.hooks import CommandHook, WebHook
from mirror.hosts import webhook_fault
from mirror.manifest import BibNews, Manifest, NewPhoto, RunNews
from mirror.metrics import Metrics
from mirror.model import RunReport
from mirror.news import News, next_wait_s
from mirror.retry import RetryPolicy
from mirror.transport import Post
from mirror.watch import Watching, watch
from tests.simulator import SourceSimulator
from tests.test_cli import assert_calm, everything_in, mirror
from tests.test_cli_signals import started
from tests.test_sync import assert_agrees

NOW = datetime(2026, 5, 17, 14, 0, tzinfo=UTC)


class Day:
    """A race day in no time: what happens after each poll, and what the watch said."""

    def __init__(self, *steps: Callable[[], object]) -> None:
        self.steps = list(steps)
        self.waits: list[float] = []
        self.lines: list[str] = []
        self.news: list[News] = []
        self.clock = NOW

    async def pause(self, seconds: float, stop: asyncio.Event) -> None:
        """Let the time pass at once, and the next thing happen; after the last one the watch is told to stop."""
        self.waits.append(seconds)
        self.clock += timedelta(seconds=seconds)
        if not self.steps:
            stop.set()
            return
        done = self.steps.pop(0)()
        if isinstance(done, Awaited):
            await done.work

    async def run(self, config: Config, **more: object) -> RunReport | None:
        """Watch until everything has happened."""
        watching = Watching(
            pause=self.pause, tell=self.lines.append, on_news=self.news.append, now=lambda: self.clock, every_s=60.0,
            quiet_every_s=900.0,
        )  # fmt: skip
        return await watch(config, replace(watching, **more), stop=asyncio.Event())  # type: ignore[arg-type]


class Awaited:
    """A step that takes a moment."""

    def __init__(self, work: "asyncio.Future[object]") -> None:
        self.work = work


def nothing() -> None:
    """Nothing happens."""


async def test_new_photos_are_fetched_and_told_of(tmp_path: Path) -> None:
    """What is uploaded between two polls is stored by the next, and named with its bibs."""
    async with SourceSimulator() as source:
        config = source.config(tmp_path)
        day = Day(nothing, lambda: source.race.gain_uploads(3), nothing)
        await day.run(config)
        first, second = day.news
        assert second.report.stored > 0
        assert len(second.brought.photos) == 3
        assert "3 new photos" in second.text
        assert all(photo.keys for photo in second.brought.photos)
        assert len(first.brought.photos) == sum(p.race_day_id == 34168 for p in source.race.photos.values()) - 3
        assert source.most_api_calls <= 2
    assert_agrees(tmp_path / "photos")


async def test_quiet_polls_cost_one_call_each(tmp_path: Path) -> None:
    """The albums alone, for each race day; a run follows when they move, and now and then anyway."""
    async with SourceSimulator() as source:
        config = source.config(tmp_path)
        seen: list[int] = []
        steps = [nothing, source.requests.clear, *[lambda: seen.append(source.api_requests())] * 5]
        await Day(*steps).run(config)
        calls = [after - before for before, after in zip([0, *seen], seen, strict=False)]
    assert calls == [1, 1, 1, 1, 3]


async def test_corrected_bib_is_found_although_no_stamp_moved(tmp_path: Path) -> None:
    """A run comes every few polls whatever the albums say; what it sees goes into the news."""
    async with SourceSimulator() as source:
        config = source.config(tmp_path, LISTING__FULL_EVERY="0s")
        photo = max(source.race.photos.values(), key=lambda each: each.photo_id)
        photo.bibs = [7]

        def correct() -> None:
            photo.bibs = [7, 4711]

        day = Day(nothing, correct, *[nothing] * 5)
        await day.run(config)
    assert day.news[-1].text == "bibs changed on 1 photo, bibs 4711"


async def test_network_that_is_away_for_hours_is_outlived(tmp_path: Path) -> None:
    """The service goes and comes back: said once each, and what came meanwhile is fetched."""
    async with SourceSimulator() as source:
        config = source.config(tmp_path, DOWNLOAD__ATTEMPTS="1")
        port = int(source.base_url.split(":")[2].split("/")[0])

        def leave() -> Awaited:
            return Awaited(asyncio.ensure_future(source.__aexit__()))

        async def back() -> None:
            source.race.gain_uploads(2)
            source._runners.clear()
            source._port = port
            await source.__aenter__()

        day = Day(nothing, leave, *[nothing] * 20, lambda: Awaited(asyncio.ensure_future(back())), nothing, nothing)
        await day.run(config, every_s=600.0)
    assert sum(day.waits[2:23]) >= 3 * 3600
    assert [line.partition(",")[0] for line in day.lines] == ["trouble", "the service answers again"]
    assert len(day.news[-1].brought.photos) == 2
    assert_agrees(tmp_path / "photos")


async def test_stop_does_not_wait_for_a_service_that_is_away(tmp_path: Path) -> None:
    """A poll that would be tried again for minutes ends when the watch does."""
    async with SourceSimulator() as source:
        config = source.config(tmp_path, DOWNLOAD__FIRST_WAIT="1h", DOWNLOAD__LONGEST_WAIT="1h")
        stop = asyncio.Event()
        source.on_request = lambda _: stop.set() if source.faults else None
        day = Day(lambda: source.fault("albums", times=100, status=500))
        watching = Watching(pause=day.pause, tell=day.lines.append)
        await asyncio.wait_for(watch(config, watching, stop=stop), 60)
    assert day.lines == []


@pytest.mark.parametrize(("code", "ends"), [(6, True), (17, True), (7, False)])
async def test_refused_caller_ends_the_watch(tmp_path: Path, code: int, ends: bool) -> None:
    """A key that the service takes no more ends it with the reason; a refusal of one race does not."""
    async with SourceSimulator() as source:
        config = source.config(tmp_path)
        body = json.dumps({"error": {"error_code": code, "error_msg": "no"}}).encode()
        day = Day(nothing, lambda: source.fault("/rest", times=100, body=body), nothing)
        if ends:
            with pytest.raises(AccessError, match=f"code {code}"):
                await day.run(config)
        else:
            await day.run(config)
            assert "trouble" in day.lines[0]


async def test_login_page_of_a_foreign_network_is_outlived(tmp_path: Path) -> None:
    """A redirect in between is no refusal by the service."""
    async with SourceSimulator() as source:
        config = source.config(tmp_path)
        day = Day(
            nothing,
            lambda: source.fault("/rest", times=2, status=302, headers={"Location": "https://login.example/"}),
            nothing, source.faults.clear, lambda: source.race.gain_uploads(1), nothing,
        )  # fmt: skip
        await day.run(config)
    assert len(day.news[-1].brought.photos) == 1


async def test_busy_archive_is_waited_for(tmp_path: Path) -> None:
    """Another command holds the archive: the watch says so and tries again."""
    async with SourceSimulator() as source:
        config = source.config(tmp_path)
        await Day().run(config)
        held = await Manifest.open(tmp_path / "photos/.mirror/manifest.sqlite", create=False)
        day = Day(lambda: Awaited(asyncio.ensure_future(held.aclose())), nothing)
        source.race.gain_uploads(1)
        await day.run(config)
    assert "in use by another run" in day.lines[0]
    assert len(day.news) == 1


async def test_watch_ends_at_its_time(tmp_path: Path) -> None:
    """The last pause is cut to what is left, and the last report is handed over."""
    async with SourceSimulator() as source:
        day = Day(*[nothing] * 50)
        report = await day.run(source.config(tmp_path), until=NOW + timedelta(seconds=150))
    assert day.waits == [60.0, 60.0, 30.0]
    assert report is not None
    assert report.exit_code == 0


def test_pauses_grow_when_nothing_comes() -> None:
    """Brief while news are fresh, then ever longer, up to the limit; the first news make them brief again."""
    pauses = [next_wait_s(quiet, every_s=60, quiet_every_s=900) for quiet in (0, 10, 11, 12, 13, 14, 15, 10_000)]
    assert pauses == [60, 60, 120, 240, 480, 900, 900, 900]


# -- telling ----------------------------------------------------------------------------------------------------------


def some_news() -> News:
    """News with a bib that would do harm if anybody took it for more than text."""
    report = RunReport(run_id=3, started_at=NOW, ended_at=NOW, stored=2, missing=1)
    photos = (NewPhoto(race_id=1, race_day_id=2, photo_id=5, bibs=("$(touch harm)", "12"), keys=("a/5.jpg",)),)
    bibs = (BibNews(race_id=1, photo_id=4, added="3", removed=None),)
    return News(archive="/photos", at=NOW, report=report, brought=RunNews(photos=photos, bibs=bibs))


def test_news_are_a_line() -> None:
    """Photos, changes, bibs, and what is missing."""
    text = "1 new photo, bibs changed on 1 photo, bibs 3, 12, $(touch harm), 1 file missing"
    assert some_news().text == text


async def test_command_gets_the_news_and_no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON on its input, brief variables, no shell between, and no secret of ours in its environment."""
    monkeypatch.setenv("MIRROR_API__SECRET", "not-for-you")
    script = "import json, os, sys; json.dump([json.load(sys.stdin), dict(os.environ)], open(sys.argv[1], 'w'))"
    await CommandHook(words=[sys.executable, "-c", script, str(tmp_path / "a b; touch harm")])(some_news())
    heard, environ = json.loads((tmp_path / "a b; touch harm").read_text())
    assert heard["photos"][0]["bibs"] == ["$(touch harm)", "12"]
    assert (environ["WATCH_NEW_PHOTOS"], environ["WATCH_BIBS"]) == ("1", "3,12,$(touch harm)")
    assert "not-for-you" not in environ.values()
    assert everything_in(tmp_path) == ["a b; touch harm"]


@pytest.mark.parametrize(
    "words",
    [
        ["/no/such/command"], [sys.executable, "-c", "raise SystemExit(3)"],
        [sys.executable, "-c", "import time; time.sleep(60)"],
    ],
)  # fmt: skip
async def test_failing_command_ends_nothing(words: list[str], caplog: pytest.LogCaptureFixture) -> None:
    """Not there, failing, or endless: said, and nothing else."""
    await CommandHook(words=words, longest_s=0.5)(some_news())
    assert "the command" in caplog.text


@asynccontextmanager
async def listener(*statuses: int) -> AsyncIterator[tuple[str, list[bytes]]]:
    """An address of this machine that answers with these statuses, then with 200; and what it was sent."""
    got: list[bytes] = []
    answers = list(statuses)

    async def answer(request: web.Request) -> web.Response:
        got.append(await request.read())
        return web.Response(status=answers.pop(0) if answers else 200, headers={"Location": "http://127.0.0.1:1/"})

    app = web.Application()
    app.router.add_post("/hook", answer)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/hook?token=secret", got
    finally:
        await runner.cleanup()


QUICK = RetryPolicy(attempts=3, first_wait_s=0.001, longest_wait_s=0.002)


@pytest.mark.parametrize(("statuses", "sent", "failed"), [([], 1, False), ([500, 503], 3, False), ([500] * 9, 3, True),
                                                           ([404], 1, True), ([302], 1, True)])  # fmt: skip
async def test_webhook_is_tried_a_little(
    statuses: list[int], sent: int, failed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Trouble is tried again, a refusal is not; what is said names the host and never the rest."""
    async with listener(*statuses) as (url, got):
        await WebHook(post=Post(url=url, user_agent="mirror"), policy=QUICK)(some_news())
    assert len(got) == sent
    assert json.loads(got[0])["text"] == some_news().text
    assert ("webhook failed" in caplog.text) == failed
    assert "secret" not in caplog.text
    assert "/hook" not in caplog.text


async def test_webhook_goes_encrypted_or_nowhere() -> None:
    """https, or this machine."""
    assert webhook_fault("https://hooks.example/x?y=1") == ""
    assert webhook_fault("http://localhost:8080/x") == ""
    for url in ("http://hooks.example/x", "ftp://hooks.example", "https://me@hooks.example/", "hooks", "http://[::1"):
        assert webhook_fault(url)
        with pytest.raises(RefusedError):
            await Post(url=url, user_agent="mirror").send(b"{}")


async def test_failing_hooks_do_not_end_the_watch(tmp_path: Path) -> None:
    """The next news are told all the same."""
    async with SourceSimulator() as source:
        told: list[News] = []

        async def note(news: News) -> None:
            told.append(news)

        day = Day(lambda: source.race.gain_uploads(1), nothing)
        await day.run(source.config(tmp_path), hooks=[CommandHook(words=["/no/such"]), note])
    assert len(told) == 2


# -- measuring --------------------------------------------------------------------------------------------------------


async def test_metrics_are_written_to_a_file(tmp_path: Path) -> None:
    """Photos, files by state, the last success, and whether the service answers."""
    file = tmp_path / "mirror.prom"
    async with SourceSimulator() as source:
        config = source.config(tmp_path, DOWNLOAD__ATTEMPTS="1")
        metrics = Metrics(str(file))
        await Day().run(config, metrics=metrics)
        text = file.read_text()
        photos = sum(p.race_day_id == 34168 for p in source.race.photos.values())
        assert f'mirror_photos{{race_day_id="34168",race_id="48211"}} {photos}.0' in text
        assert 'state="wanted"} 0.0' in text
        assert "mirror_up 1.0" in text
        assert "mirror_last_success_timestamp_seconds 1" in text
        source.fault("/rest", times=100, status=500)
        await Day().run(config, metrics=metrics)
        metrics.close()
    assert "mirror_up 0.0" in file.read_text()
    assert [name for name in everything_in(tmp_path) if ".prom" in name] == ["mirror.prom"]


async def test_metrics_are_served_on_a_port() -> None:
    """Whoever asks this machine gets them; a port that is taken is named."""
    metrics = Metrics("0")
    try:
        port = metrics.port
        metrics.note_answer(is_up=True)
        with await asyncio.to_thread(urllib.request.urlopen, f"http://127.0.0.1:{port}/metrics") as answer:
            assert b"mirror_up 1.0" in answer.read()
        with pytest.raises(ConfigError, match="cannot be used"):
            Metrics(f"127.0.0.1:{port}")
    finally:
        metrics.close()
    with pytest.raises(ConfigError, match="expected a port"):
        Metrics("somewhere")


# -- the command ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("18:00", "2026-05-17T18:00:00+00:00"), ("09:30", "2026-05-18T09:30:00+00:00"),
        ("2026-05-17T16:00+00:00", "2026-05-17T16:00:00+00:00"),
    ],
)  # fmt: skip
def test_end_is_the_next_such_time(text: str, end: str) -> None:
    """A time of day is today's or tomorrow's."""
    assert parse_until(text, now=NOW) == datetime.fromisoformat(end)


@pytest.mark.parametrize("text", ["25:00", "soon", "2020-01-01T00:00"])
def test_wrong_end_is_refused(text: str) -> None:
    """No time, or one that has passed."""
    with pytest.raises(ConfigError):
        parse_until(text, now=NOW)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_signal_ends_the_watch_well(tmp_path: Path, number: signal.Signals) -> None:
    """Being told to stop is how a watch ends: 0, news as JSON lines, and a sound archive."""
    async with SourceSimulator() as source:
        source.config(tmp_path)
        async with started(tmp_path, "watch", "--json") as process:
            assert process.stdout is not None
            line = await asyncio.wait_for(process.stdout.readline(), 30)
            process.send_signal(number)
            _, errors = await asyncio.wait_for(process.communicate(), 30)
            assert process.returncode == 0, errors
            assert b"Traceback" not in errors
    assert json.loads(line)["new_photos"] > 0
    assert_agrees(tmp_path / "photos")


async def test_command_names_what_is_wrong(tmp_path: Path) -> None:
    """Settings and metrics are judged before anything is asked."""
    async with SourceSimulator(photos=4) as source:
        source.config(tmp_path)
        for words in (
            ["--every", "1s"],
            ["--until", "x"],
            ["--metrics", "x"],
            ["--webhook", "http://x.example/"],
            ["5"],
        ):
            assert_calm(await mirror(tmp_path, "watch", *words), 2)
        assert source.requests == []
    assert not (tmp_path / "photos").exists()


def test_end_is_a_time_or_a_duration() -> None:
    """``--for`` counts from now, ``--until`` names a moment; both at once are a contradiction."""
    now = datetime.fromisoformat("2026-05-17T12:00:00-04:00")
    assert parse_end(None, None, now=now) is None
    assert parse_end(None, "1h30m", now=now) == now + timedelta(minutes=90)
    with pytest.raises(ConfigError, match="give one of them"):
        parse_end("18:00", "6h", now=now)
    with pytest.raises(ConfigError, match="--for: found 'soon', expected a duration"):
        parse_end(None, "soon", now=now)
