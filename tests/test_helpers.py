"""Helpers of `mirror sync`: what they bring is what one process brings, by the same manners, and nobody sees them."""

import asyncio
import json
import os
import pickle
import sys
from pathlib import Path

import pytest

from mirror import run_sync
from mirror.archive import LocalArchive
from mirror.cli.sync import report_json
from mirror.cluster.shares import Shares
from mirror.demo import Request
from mirror.model import RunReport
from mirror.opening import setup_of
from mirror.sync import run_fetch
from tests.helping import TWO, helpers_of, linux_only, made_by_one, scene
from tests.judge import account_of, manifest_of
from tests.simulator import ALWAYS, PICTURES, SourceSimulator
from tests.test_archive_disks import mount, unmount
from tests.test_cli import assert_calm, mirror
from tests.test_cli_signals import python, started
from tests.test_resume import LargeRace

pytestmark = linux_only

_OF_THE_RUN = {"run_id", "started_at", "ended_at", "exit_code", "new_photos", "is_listing_complete"}


def told(text: str) -> dict[str, object]:
    """A report in JSON, but for its times."""
    return {name: value for name, value in json.loads(text).items() if name not in _OF_THE_RUN}


def as_told(report: RunReport) -> dict[str, object]:
    """A report of this process in the same form."""
    return told(report_json(report))


# -- the same as one process ----------------------------------------------------------------------------------------


def troubled(source: SourceSimulator) -> None:
    """Have one picture moved, one gone, one damaged, and two that come with the second try."""
    first, second, third, *_ = [each for each in source.race.photos.values() if each.race_day_id == 34168]
    place = f"{source.image_origin}/b/thumbs_v2/{first.name}.jpg"
    source.fault(f"thumbs_v2/{first.name}", status=302, headers={"Location": f"{place}?moved=1"})
    source.fault(f"thumbs_v2/{second.name}", times=ALWAYS, status=404)
    source.fault(f"thumbs_v2/{third.name}", times=ALWAYS, body=b"\xff\xd8 no picture")
    source.fault(f"large_watermarked_v3/{first.name}", status=500)
    source.fault(f"large_watermarked_v3/{second.name}", cut_after=20)


async def test_archive_and_report_are_those_of_one_process(tmp_path: Path) -> None:
    """Whatever meets the pictures: sync, retry, and a recheck of pictures that were rendered anew."""
    few = {"DOWNLOAD__ATTEMPTS": "2"}
    environ = TWO | {f"MIRROR_{name}": value for name, value in few.items()}
    async with SourceSimulator(photos=30) as source:
        troubled(source)
        report = await made_by_one(source, tmp_path / "one", **few)
        source.faults.clear()
        troubled(source)
        source.config(tmp_path)
        done = await mirror(tmp_path, "sync", "--json", **environ)
        assert_calm(done, 1)
        assert report.retries > 1
        assert told(done.stdout) == as_told(report)
        assert account_of(tmp_path / "photos") == account_of(tmp_path / "one/photos")

        source.faults.clear()
        done = await mirror(tmp_path, "retry", "--json", **environ)
        assert_calm(done, 0)
        one = source.config(tmp_path / "one", **few)
        report = await run_fetch(one, command="retry", choose=lambda _: wanted_in(tmp_path / "one/photos"))
        assert told(done.stdout) == as_told(report)

        for photo in list(source.race.photos.values())[-3:]:
            photo.version += 1
        done = await mirror(tmp_path, "sync", "--recheck", "--json", **environ)
        assert_calm(done, 0)
        report = await run_sync(one, is_recheck=True)
        assert told(done.stdout) == as_told(report)
        assert report.changed > 1
        assert account_of(tmp_path / "photos") == account_of(tmp_path / "one/photos")


async def wanted_in(root: Path) -> list[int]:
    """The assets that an archive still wants."""
    with manifest_of(root / ".mirror") as manifest:
        return [number for (number,) in manifest.execute("SELECT asset_id FROM asset WHERE state = 'wanted'")]


async def test_large_pictures_come_in_pieces_as_with_one_process(tmp_path: Path) -> None:
    """No memory to hold them whole, and one that is cut in its middle."""
    environ = {"DOWNLOAD__MEMORY": "0"}
    async with SourceSimulator(photos=0) as source:
        source.race = LargeRace(photos=0)
        source.race.gain_uploads(2)
        reports = []
        for folder in (tmp_path / "one", tmp_path):
            source.faults.clear()
            source.fault("large_watermarked", cut_after=1_500_000, headers={"ETag": '"one"'})
            if folder != tmp_path:
                reports.append(as_told(await made_by_one(source, folder, **environ)))
                continue
            source.config(folder)
            done = await mirror(folder, "sync", "--json", MIRROR_DOWNLOAD__MEMORY="0", **TWO)
            assert_calm(done, 0)
            reports.append(told(done.stdout))
        assert reports[0] == reports[1]
        assert account_of(tmp_path / "photos") == account_of(tmp_path / "one/photos")
        assert any("Range" in each.headers for each in source.requests)


# -- manners --------------------------------------------------------------------------------------------------------


async def test_helpers_together_ask_no_more_at_once_than_is_set(tmp_path: Path) -> None:
    """``download.concurrency`` holds over both, from the first request to the last."""
    async with scene(tmp_path) as scene_:
        scene_.source.most_image_requests = 0
        async with scene_.running(asked=1, environ={"MIRROR_DOWNLOAD__CONCURRENCY": "5"}) as running:
            code, text = await running.ended()
        assert code == 0, text
        assert scene_.source.most_image_requests == 5
        scene_.check_ended()


def test_shares_are_never_more_than_the_whole() -> None:
    """Places and speed, for any number of workers."""
    for workers in range(1, 8):
        shares = Shares(7, 1000.0)
        shares.sharers = {str(number) for number in range(workers)}
        assert sum(shares.places_of(each) for each in shares.sharers) == 7
        assert workers * shares.rate_bytes_s == pytest.approx(1000)


async def test_host_that_wants_to_be_left_alone_is_left_alone_by_both(tmp_path: Path) -> None:
    """One picture is answered 429, with a pause longer than anybody waits: both stop at once."""
    async with scene(tmp_path) as scene_:
        scene_.source.fault(PICTURES, status=429, headers={"Retry-After": "9999"})
        scene_.source.faults.reverse()
        async with scene_.running("--json", asked=1) as running:
            code, text = await running.ended()
        assert code == 1, text
        assert scene_.source.pictures_asked() < 60
        scene_.check()
        await scene_.finish()


async def test_no_secret_leaves_the_program(tmp_path: Path) -> None:
    """What a helper is told holds no credential, and neither does what it sends to the photo host."""
    async with scene(tmp_path, photos=12) as scene_:
        source, config = scene_.source, scene_.source.config(tmp_path)
        async with scene_.running(asked=1) as running:
            assert (await running.ended())[0] == 0
        sent = repr([(each.path, each.query, dict(each.headers)) for each in source.requests if not each.is_api])
        archive = await LocalArchive.open(tmp_path / "photos", create=False, min_free_bytes=0)
        sent += repr(pickle.dumps(setup_of(config, archive)))
        await archive.aclose()
        assert "User-Agent" in sent
        assert [secret for secret in (source.api_key, source.api_secret) if secret in sent] == []


# -- when there are none --------------------------------------------------------------------------------------------


async def test_helper_without_work_opens_nothing(tmp_path: Path) -> None:
    """With nothing new it holds its end of the pipe, and neither a file of the archive nor a way to the network."""
    async with scene(tmp_path, photos=12) as scene_:
        await scene_.finish()
        opened: list[str] = []
        async with started(tmp_path, "sync", "--full", environ=TWO) as process:

            def on_request(_: Request) -> None:
                for each in helpers_of(process):
                    opened.extend(file.path for file in each.open_files())
                    opened.extend(str(line) for line in each.net_connections(kind="inet"))
                    calls.append(each.pid)

            calls: list[int] = []
            scene_.source.on_request = on_request
            await asyncio.wait_for(process.communicate(), 60)
        assert (len(set(calls)), opened) == (2, [])


_WHO_FETCHES = """
import logging, sys, threading
from pathlib import Path
from mirror.cli.fetchers import fetchers
from mirror.config import load_config
def count(root="photos", helpers="2"):
    environ = {"MIRROR_ARCHIVE__ROOT": root, "MIRROR_DOWNLOAD__HELPERS": helpers}
    with fetchers(load_config(Path("mirror.toml"), environ=environ), None, None, is_quiet=True) as wish:
        return len(wish.helpers) if wish else 0
said = {"2": count(), "3": count(helpers="3"), "none": count(helpers="0"), "bucket": count(root="s3://bucket/place")}
logging.getLogger("mirror").setLevel(logging.DEBUG)
said["-vv"] = count()
logging.getLogger("mirror").setLevel(logging.INFO)
is_over = threading.Event()
threading.Thread(target=is_over.wait).start()
said["thread"] = count()
is_over.set()
sys.stderr.write(repr(said))
"""


async def test_one_process_does_it_where_helpers_are_no_good(tmp_path: Path) -> None:
    """Into a bucket, with a log of all requests, beside another thread, and where somebody wants none."""
    async with SourceSimulator(photos=0) as source:
        source.config(tmp_path)
    expected = {"2": 2, "3": 3, "none": 0, "bucket": 0, "-vv": 0, "thread": 0}
    assert await python(tmp_path, _WHO_FETCHES) == (0, repr(expected).encode())


_ONE_FORK_ONLY = """
import os, sys
forks = []
def on_event(event, _):
    if event == "os.fork":
        forks.append(event)
        if len(forks) > {granted}:
            raise BlockingIOError(11, "Resource temporarily unavailable")
sys.addaudithook(on_event)
os.environ["MIRROR_DOWNLOAD__HELPERS"] = "2"
from mirror.cli import main
sys.exit(main(["sync", "--quiet"]))
"""


@pytest.mark.parametrize("granted", [0, 1])
async def test_fewer_processes_do_when_the_system_grants_no_more(tmp_path: Path, granted: int) -> None:
    """A fork that fails is no failure."""
    async with scene(tmp_path, photos=12) as scene_:
        assert await python(tmp_path, _ONE_FORK_ONLY.format(granted=granted)) == (0, b"")
        scene_.check_ended()


# -- what a helper meets --------------------------------------------------------------------------------------------

_RAISING_IN_HELPERS = """
import os, re, sys
program = os.getpid()
def on_event(event, details):
    if event == "open" and (os.getpid() != program or {is_everywhere}) and re.match(r"\\d+[.][0-9a-f]", str(details[0])):
        raise LookupError("boom")
sys.addaudithook(on_event)
os.environ["MIRROR_DOWNLOAD__HELPERS"] = "2"
from mirror.cli import main
sys.exit(main(["sync", "--quiet", *sys.argv[1:]]))
"""


async def test_bug_in_a_helper_is_named_and_the_program_goes_on(tmp_path: Path) -> None:
    """It gets nothing more to do; without any the program brings all by itself."""
    async with scene(tmp_path, photos=12) as scene_:
        program = _RAISING_IN_HELPERS.format(is_everywhere=False).replace('"--quiet", ', "")
        code, said = await python(tmp_path, program)
        assert code == 0, said
        assert b"it met a bug: LookupError: boom" in said
        assert b"Traceback" not in said
        scene_.check_ended()


async def test_bug_that_comes_with_a_picture_ends_the_run_as_ever(tmp_path: Path) -> None:
    """The program meets it too, when it goes on alone: nothing goes round for ever."""
    async with scene(tmp_path, photos=12) as scene_:
        code, said = await python(tmp_path, _RAISING_IN_HELPERS.format(is_everywhere=True))
        assert code == 70, said
        assert b"Traceback" not in said
        scene_.check()
        await scene_.finish()


async def test_full_disk_that_a_helper_meets_is_said_once(tmp_path: Path) -> None:
    """Exit 4 and one line; room mends it."""
    (tmp_path / "photos").mkdir()
    mount("-t", "tmpfs", "-o", "size=3m", "tmpfs", tmp_path / "photos")
    try:
        async with SourceSimulator(photos=0) as source:
            source.race = LargeRace(photos=0)
            source.race.gain_uploads(3)
            source.config(tmp_path)
            done = await mirror(tmp_path, "sync", "--quiet", MIRROR_ARCHIVE__MIN_FREE="0", **TWO)
            assert_calm(done, 4)
            assert "the disk is full" in done.stderr
            assert done.stderr.count("\n") == 1
            mount("-o", "remount,size=100m", tmp_path / "photos")
            assert_calm(await mirror(tmp_path, "sync", MIRROR_ARCHIVE__MIN_FREE="0", **TWO), 0)
    finally:
        unmount(tmp_path / "photos")


# -- the streams of the program -------------------------------------------------------------------------------------


@pytest.mark.parametrize("closed", ["<&-", "<&- >&- 2>&-", ">&-"])
async def test_closed_streams_are_no_matter(tmp_path: Path, closed: str) -> None:
    """Started without standard streams, as some services are, it fetches as ever: the pipe may have their numbers."""
    async with scene(tmp_path, photos=12) as scene_:
        command = f'exec "{sys.executable}" -m mirror sync --quiet --log-json log.jsonl {closed}'
        process = await asyncio.create_subprocess_exec(
            "/bin/sh", "-c", command, cwd=tmp_path, env={**os.environ, **TWO}
        )
        assert await asyncio.wait_for(process.wait(), 60) == 0
        assert "mirror.cluster" not in (tmp_path / "log.jsonl").read_text()
        scene_.check_ended()


async def test_reader_that_has_seen_enough_leaves_nobody_behind(tmp_path: Path) -> None:
    """As with ``mirror sync | head -1``."""
    async with scene(tmp_path, photos=12) as scene_, scene_.running(asked=1) as running:
        running.close_stdout()
        await running.ended()
        scene_.check_ended()


_SILENT = """
import asyncio, os, signal, sys
from mirror.cluster.helpers import forked_helpers
from mirror.cluster.pipes import PipeEngine
from mirror.errors import AloneError, WorkerLostError
async def main(helpers):
    os.kill(helpers[0].pid, signal.SIGSTOP)
    async with PipeEngine.connected(helpers, look_s=0.01, looks=3) as engine:
        first, second = await engine.members()
        try:
            await engine.close(first)
        except WorkerLostError as error:
            print(error)
        await engine.close(second)
        print(await engine.members() == [second])
        os.kill(helpers[1].pid, signal.SIGKILL)
        try:
            while True:
                await engine.members()
                await asyncio.sleep(0.001)
        except AloneError as error:
            print(str(error).replace(first, "one").replace(second, "two"))
with forked_helpers(2) as helpers:
    asyncio.run(main(helpers))
print(all(each.ended for each in helpers))
"""


async def test_helper_that_stands_still_for_long_is_killed(tmp_path: Path) -> None:
    """So it can do no harm later, and its work goes to others; those who have nothing to answer may be silent."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _SILENT, cwd=tmp_path, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await asyncio.wait_for(process.communicate(), 60)
    assert said.decode().splitlines() == [
        "it stood still for 0 s", "True",
        "one: it stood still for 0 s; two: it was killed by SIGKILL", "True",
    ]  # fmt: skip
