"""A sync into a bucket of a real S3 server: the same tree and the same manifest as on a disk."""

import asyncio
import contextlib
import hashlib
import os
import random
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest

from mirror import run_sync
from mirror.archive.objects import open_bucket
from mirror.check import check_setup
from mirror.config import Config
from mirror.dryrun import try_sync
from mirror.errors import ArchiveError, ManifestError
from mirror.opening import open_objects
from mirror.rebuild import run_rebuild
from mirror.root import ArchiveRoot, parse_root
from tests.azure_server import AzureServer
from tests.judge import Judge, account_of
from tests.s3_server import S3Server
from tests.simulator import SourceSimulator


@dataclass(slots=True)
class Club:
    """One archive in a bucket, and the folder of this machine that belongs to it."""

    server: S3Server
    bucket: str
    folder: Path

    @property
    def root(self) -> ArchiveRoot:
        """Where it lies."""
        return parse_root(f"s3://{self.bucket}/club/photos")

    @property
    def state(self) -> Path:
        """Its folder on this machine."""
        return self.folder / "state"

    def config(self, source: SourceSimulator, **more: str) -> Config:
        """Settings that lead into the bucket."""
        self.folder.mkdir(exist_ok=True)
        given = {"ARCHIVE__ROOT": str(self.root), "ARCHIVE__STATE_DIR": str(self.state)}
        return source.config(self.folder, **{**given, **more})

    def environ(self) -> dict[str, str]:
        """The same for a process of its own."""
        place = {"MIRROR_ARCHIVE__ROOT": str(self.root), "MIRROR_ARCHIVE__STATE_DIR": str(self.state)}
        return {**os.environ, **self.server.environ, **place}

    async def keys(self) -> list[str]:
        """All objects."""
        return [each.key async for page in open_bucket(self.root).list_below() for each in page]

    async def fetched(self) -> Path:
        """Bring the whole place into a folder."""
        return await fetch_all(self.root, self.folder / "copy")

    def requests(self) -> list[str]:
        """What was asked of the bucket so far, without the place and the query: ``PUT .mirror/archive-id``."""
        found = [re.fullmatch(r"(\S+) /([^/?]+)/?([^?]*)(\?.*)?", each) for each in self.server.requests()]
        return [
            f"{each[1]} {each[3].removeprefix('club/photos/')}" for each in found if each and each[2] == self.bucket
        ]


async def fetch_all(root: ArchiveRoot, copy: Path) -> Path:
    """Bring a whole place into a folder, to be looked at like any archive."""
    bucket = open_bucket(root)
    shutil.rmtree(copy, ignore_errors=True)
    (copy / ".mirror/drafts").mkdir(parents=True)
    async for page in bucket.list_below():
        for each in page:
            (copy / each.key).parent.mkdir(parents=True, exist_ok=True)
            (copy / each.key).write_bytes((await bucket.get(each.key))[0])
    return copy


@pytest.fixture
def club(s3: S3Server, tmp_path: Path) -> Club:
    """An archive in a bucket, not begun yet."""
    return Club(server=s3, bucket=s3.new_bucket(), folder=tmp_path / "club")


async def test_bucket_holds_what_a_folder_holds(club: Club, tmp_path: Path) -> None:
    """Keys, bytes and manifest are those of an archive on a disk, and the snapshot lies beside them."""
    (tmp_path / "local").mkdir()
    async with SourceSimulator(photos=40) as source:
        local = source.config(tmp_path / "local")
        here, there = await run_sync(local), await run_sync(club.config(source))
        copy, judge = await club.fetched(), Judge.of(source.race)
    assert (there.exit_code, there.stored, there.stored_bytes) == (0, here.stored, here.stored_bytes)
    judge.check_ended(copy, state=club.state)
    assert account_of(copy, state=club.state) == account_of(local.archive.root.path)
    assert account_of(copy, state=copy / ".mirror") == account_of(copy, state=club.state)
    assert [*(club.state / "spool/.mirror/drafts").iterdir()] == []


async def test_object_says_what_it_is(club: Club) -> None:
    """Beside the bytes stand digest, photo, bibs and the type that a browser needs."""
    async with SourceSimulator() as source:
        await run_sync(club.config(source))
        photo = next(each for each in source.race.photos.values() if each.bibs and each.race_day_id == 34168)
    key = next(each for each in await club.keys() if f"original/{photo.photo_id}_" in each)
    body, facts = await open_bucket(club.root).get(key)
    assert facts.labels["Content-Type"] == "image/jpeg"
    assert (facts.labels["photo"], facts.labels["bibs"]) == (str(photo.photo_id), ",".join(map(str, photo.bibs)))
    assert facts.labels["sha256"] == hashlib.sha256(body).hexdigest()


async def test_photo_costs_one_request_and_a_full_pass_a_few(club: Club) -> None:
    """A new file is one put; a run with nothing new, and the look for vanished files, do not grow with the files."""
    async with SourceSimulator(photos=60) as source:
        config = club.config(source)
        report = await run_sync(config)
        first = club.requests()
        await run_sync(config, is_full=True)
    keys = [each for each in await club.keys() if not each.startswith(".mirror/")]
    assert len(keys) == report.stored
    assert sorted(each for each in first if each.removeprefix("PUT ") in keys) == sorted(f"PUT {key}" for key in keys)
    assert len([each for each in first if each.removeprefix("PUT ") not in keys]) < 20
    assert len(club.requests()) - len(first) < 25


async def test_bytes_that_changed_at_the_source_are_kept(club: Club) -> None:
    """A picture rendered anew takes the key, and the earlier one lies among the versions, on record."""
    async with SourceSimulator() as source:
        config = club.config(source)
        judge = Judge.of(source.race)
        await run_sync(config)
        source.race.render_again(
            next(each.photo_id for each in source.race.photos.values() if each.race_day_id == 34168)
        )
        judge.learn(source.race)
        report = await run_sync(config, is_recheck=True)
        copy = await club.fetched()
    assert (report.exit_code, report.changed > 0) == (0, True)
    judge.check_ended(copy, state=club.state)
    account = account_of(copy, state=club.state)
    versions = account["versions"]
    assert isinstance(versions, list)
    assert {key: digest.hex().upper() for key, digest in account["earlier"].items()} == {each[0]: each[1] for each in versions}  # type: ignore[attr-defined]  # fmt: skip
    assert len(versions) == report.changed


async def test_vanished_and_foreign_objects_are_mended(club: Club) -> None:
    """What somebody deleted is fetched again, what somebody wrote over it is moved to the versions first."""
    async with SourceSimulator() as source:
        config = club.config(source)
        await run_sync(config)
        bucket = open_bucket(club.root)
        gone, spoilt = [each for each in await club.keys() if "/original/" in each][:2]
        await bucket.delete([gone])
        await bucket.put(spoilt, b"somebody else's")
        report = await run_sync(config, is_full=True)
        copy = await club.fetched()
        Judge.of(source.race).check_ended(copy, state=club.state)
    assert (report.exit_code, report.vanished) == (0, 2)
    foreign = [each for each in copy.glob(".mirror/versions/foreign/**/*") if each.is_file()]
    assert [each.read_bytes() for each in foreign] == [b"somebody else's"]


async def test_two_machines_do_not_write_one_archive(club: Club) -> None:
    """A machine whose manifest is no longer the one beside the photos is refused before it asks for anything."""
    async with SourceSimulator() as source:
        config = club.config(source)
        await run_sync(config)
        other = Club(server=club.server, bucket=club.bucket, folder=club.folder.with_name("other"))
        with pytest.raises(ManifestError, match="mirror rebuild"):
            await run_sync(other.config(source))
        shutil.copytree(club.state, other.state, dirs_exist_ok=True)
        source.race.gain_uploads(2)
        await run_sync(other.config(source))
        source.requests.clear()
        with pytest.raises(ManifestError, match="another machine has written this archive"):
            await run_sync(config)
        assert source.requests == []


async def test_lost_manifest_is_made_again_from_the_bucket(club: Club) -> None:
    """Another machine, or one that lost its disk, begins from the snapshot, and the next run fetches nothing again."""
    async with SourceSimulator() as source:
        config = club.config(source)
        await run_sync(config)
        account = account_of(await club.fetched(), state=club.state)
        shutil.rmtree(club.state)
        with pytest.raises(ManifestError, match="mirror rebuild"):
            await run_sync(config)
        report = await run_rebuild(config, is_offline=True)
        assert (report.exit_code, report.known, report.unmatched) == (0, report.files, 0)
        assert account_of(await club.fetched(), state=club.state) == account
        source.requests.clear()
        assert (await run_sync(config)).exit_code == 0
        assert source.pictures_asked() == 0


async def test_manifest_is_made_again_from_the_objects_alone(club: Club) -> None:
    """Without a snapshot too: listings and what lies in the bucket give all that is held."""
    async with SourceSimulator() as source:
        config = club.config(source)
        stored = (await run_sync(config)).stored
        shutil.rmtree(club.state)
        await open_bucket(club.root).delete([".mirror/manifest.sqlite", ".mirror/archive-id"])
        report = await run_rebuild(config)
        assert (report.exit_code, report.adopted) == (0, stored)
        source.requests.clear()
        assert (await run_sync(config)).exit_code == 0
        assert source.pictures_asked() == 0


async def test_snapshot_is_left_during_a_run(club: Club) -> None:
    """A machine that is lost in a long run has left a snapshot that is not older than the setting."""
    async with SourceSimulator(photos=60) as source:
        config = club.config(source, ARCHIVE__SNAPSHOT_EVERY="30ms", DOWNLOAD__GROUP_DRAFTS="5")
        assert (await run_sync(config)).exit_code == 0
    assert club.requests().count("PUT .mirror/manifest.sqlite") > 1


async def test_dry_run_and_check_leave_nothing(club: Club) -> None:
    """Both look at the bucket, say what would be, and leave no object and no folder."""
    async with SourceSimulator() as source:
        config = club.config(source)
        estimate = await try_sync(config)
        findings = [each async for each in check_setup(config)]
        assert (estimate.files > 0, estimate.free_bytes, estimate.has_room) == (True, None, True)
        assert [(each.what, each.verdict) for each in findings][1] == ("bucket", "ok")
        assert (await club.keys(), club.state.exists()) == ([], False)
        await run_sync(config)
        await open_bucket(club.root).delete([next(each for each in await club.keys() if "/large/" in each)])
        assert (await try_sync(config, is_full=True)).vanished == 1


async def test_worker_leaves_checked_drafts_in_the_bucket(club: Club, tmp_path: Path) -> None:
    """A draft that a worker on another machine has checked gets its key without its bytes coming here."""
    async with SourceSimulator() as source:
        config = club.config(source)
        worker = await open_objects(config, create=True, stage=True, folder=tmp_path / "worker")
        draft = await worker.open_draft(1, address="00ff")
        await draft.write_whole(b"bytes", len)
        client = await open_objects(config, create=True)
        assert [each.name for each in await client.kept_drafts()] == [draft.name]
        assert await client.check_draft(draft.name, len) == 5
        assert await client.clean_drafts([draft.name]) == 0
        await client.discard_drafts([draft.name])
        assert [each for each in await club.keys() if "drafts" in each] == []
        await asyncio.gather(worker.aclose(), client.aclose())


async def test_bucket_that_is_not_there_ends_a_run_before_the_first_call(club: Club) -> None:
    """A wrong bucket is named, and neither the API nor a picture is asked for."""
    async with SourceSimulator() as source:
        config = club.config(source, ARCHIVE__ROOT="s3://no-such-club/photos")
        with pytest.raises(ArchiveError, match="s3://no-such-club/photos: there is no bucket of that name"):
            await run_sync(config)
        assert source.requests == []


# -- a store in trouble, and runs that are killed ---------------------------------------------------------------------


def command(club: Club, *words: str, **download: str) -> "subprocess.Popen[str]":
    """Start the command line in the club's folder, with the bucket as its archive."""
    more = {f"MIRROR_DOWNLOAD__{name}": value for name, value in download.items()}
    return subprocess.Popen(
        [sys.executable, "-m", "mirror", *words], cwd=club.folder, env=club.environ() | more, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


async def finished(process: "subprocess.Popen[str]") -> tuple[int, str]:
    """Wait for a command; returns its exit code and what it said of errors."""
    _, errors = await asyncio.to_thread(process.communicate)
    assert "Traceback" not in errors, errors
    assert "hush" not in errors
    return process.returncode, errors


async def test_stopped_server_is_waited_for(club: Club) -> None:
    """A store that hangs in the middle of a run is waited for, and the run ends as if nothing had been."""
    async with SourceSimulator(photos=40) as source:
        config = club.config(source, DOWNLOAD__STALL_TIMEOUT="500ms")
        paused: list[asyncio.TimerHandle] = []

        def pause(_: object) -> None:
            if source.pictures_asked() > 30 and not paused:
                club.server.pause()
                paused.append(asyncio.get_running_loop().call_later(2.0, club.server.go_on))

        source.on_request = pause
        report = await run_sync(config)
        copy = await club.fetched()
        Judge.of(source.race).check_ended(copy, state=club.state)
    assert (report.exit_code, report.missing, len(paused)) == (0, 0, 1)


async def test_server_that_never_comes_back_ends_the_run(club: Club) -> None:
    """A store that hangs for good ends the run with exit code 4 and its address; the next run asks for no picture again."""
    async with SourceSimulator(photos=20) as source:
        config = club.config(source)
        source.on_request = lambda _: club.server.pause() if source.pictures_asked() == 1 else None
        try:
            code, errors = await finished(command(club, "sync", "--quiet", STALL_TIMEOUT="300ms", HOST_PATIENCE="1s"))
        finally:
            club.server.go_on()
        assert (code, str(club.root) in errors, "did not answer in time" in errors) == (4, True, True)
        source.on_request = lambda _: None
        Judge.of(source.race).check(await club.fetched(), state=club.state)
        assert (await run_sync(config)).exit_code == 0
        Judge.of(source.race).check_ended(await club.fetched(), state=club.state)


class Cutting:
    """A way to the server that cuts connections: after what was sent, or before the answer comes back.

    Args:
        every: Each so many connections, one is cut.
    """

    def __init__(self, port: int, *, every: int) -> None:
        self.port = port
        self.every = every
        self.count = 0
        self.cut = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._serving: set[asyncio.Task[None]] = set()
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        self.count += 1
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.port)
        ways = [
            asyncio.create_task(_pour(reader, far_writer)),
            asyncio.create_task(self._answer(far_reader, writer, is_cut=self.count % self.every == 0)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for each in (writer, far_writer):
                each.transport.abort()
                with contextlib.suppress(OSError):
                    await each.wait_closed()
            self._serving.discard(task)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_cut: bool) -> None:
        if is_cut and await reader.read(1):
            self.cut += 1  # the server has done what it was asked to, and nobody is told
            return
        await _pour(reader, writer)


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()


async def test_lost_answers_are_settled(club: Club, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests that were done and never answered are asked again, and nothing is written twice or moved away."""
    async with SourceSimulator(photos=40) as source, Cutting(club.server.port, every=4) as way:
        monkeypatch.setenv("AWS_ENDPOINT_URL", way.url)
        report = await run_sync(club.config(source))
        cut = way.cut
        monkeypatch.setenv("AWS_ENDPOINT_URL", club.server.environ["AWS_ENDPOINT_URL"])
        copy = await club.fetched()
        Judge.of(source.race).check_ended(copy, state=club.state)
    assert (report.exit_code, report.missing, cut > 5) == (0, 0, True)
    assert [each for each in await club.keys() if "versions" in each] == []


@pytest.mark.slow
async def test_killed_runs_go_on_to_the_same_bucket(club: Club, tmp_path: Path) -> None:
    """SIGKILL at random moments, then once to the end: the objects and the manifest of an undisturbed run."""
    async with SourceSimulator(photos=120) as source:
        (tmp_path / "calm").mkdir()
        calm = source.config(tmp_path / "calm")
        await run_sync(calm)
        judge, config, chance = Judge.of(source.race), club.config(source), random.Random(7)
        for _ in range(12):
            process = command(club, "sync", "--quiet")
            goal = len(source.requests) + chance.randrange(1, 60)
            killing = chance.random() * 0.3

            def kill_at_goal(_: object, process: "subprocess.Popen[str]" = process, goal: int = goal, killing: float = killing) -> None:  # fmt: skip
                if len(source.requests) == goal:
                    asyncio.get_running_loop().call_later(killing, process.kill)

            source.on_request = kill_at_goal
            code, errors = await finished(process)
            assert code in {0, -9}, errors
            judge.check(await club.fetched(), state=club.state)
        source.on_request = lambda _: None
        assert (await run_sync(config)).exit_code == 0
        copy = await club.fetched()
        judge.check_ended(copy, state=club.state)
    assert account_of(copy, state=club.state) == account_of(calm.archive.root.path)


async def test_command_shows_a_bucket(club: Club) -> None:
    """What asks the manifest alone needs no store; by its address an archive is found without a configuration too."""
    async with SourceSimulator() as source:
        club.config(source)
        assert await finished(command(club, "sync", "--quiet")) == (0, "")
    for words in (["status"], ["status", "--archive", str(club.root)], ["log"], ["failures"]):
        process = command(club, *words)
        shown, errors = await asyncio.to_thread(process.communicate)
        assert (process.returncode, errors) == (0, ""), words
        assert words[0] != "status" or str(club.root) in shown


@pytest.mark.slow
async def test_store_that_is_started_anew_is_waited_for(azure: AzureServer, tmp_path: Path) -> None:
    """A store that goes away in the middle of a run and comes back with what it had: the run waits, and ends whole."""
    state = tmp_path / "state"
    root = f"az://{azure.new_container()}/club/photos"
    async with SourceSimulator(photos=60) as source:
        config = source.config(tmp_path, ARCHIVE__ROOT=root, ARCHIVE__STATE_DIR=str(state))
        falls: list[asyncio.TimerHandle] = []

        def fall(_: object) -> None:
            if source.pictures_asked() >= 40 * (len(falls) + 1) and len(falls) < 2:
                falls.append(asyncio.get_running_loop().call_later(0.5, azure.start))
                azure.stop()

        source.on_request = fall
        report = await run_sync(config)
        copy = await fetch_all(config.archive.root, tmp_path / "copy")
        Judge.of(source.race).check_ended(copy, state=state)
    assert (report.exit_code, report.missing, len(falls)) == (0, 0, 2)
