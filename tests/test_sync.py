"""The main job: what a run leaves on disk, what it costs, and what it says of itself."""

import asyncio
import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from mirror import load_config, run_sync
from mirror.config import Config
from mirror.errors import AccessError, ArchiveError, ManifestError
from tests.simulator import SourceSimulator


def tree(root: Path) -> dict[str, str]:
    """Every asset of an archive by its key, with its hash."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file() and ".mirror" not in path.relative_to(root).parts
    }


def rows(root: Path, sql: str) -> list[tuple[object, ...]]:
    """Ask the manifest."""
    with sqlite3.connect(f"file:{root / '.mirror/manifest.sqlite'}?mode=ro", uri=True) as connection:
        found = connection.execute(sql).fetchall()
    connection.close()
    return found


def assert_agrees(root: Path) -> None:
    """Tree and manifest say the same, file by file, and no draft is left."""
    stored = {key: digest.hex() for key, digest in rows(root, "SELECT key, sha256 FROM asset WHERE state = 'stored'")}  # type: ignore[attr-defined]
    assert stored == tree(root)
    assert list((root / ".mirror/drafts").iterdir()) == []


async def test_first_run_archives_everything_listed(tmp_path: Path) -> None:
    """Every offered variant of every photo lies under its name, whole, and tree and manifest agree."""
    async with SourceSimulator(photos=60) as source:
        report = await run_sync(source.config(tmp_path))
        offered = sum(len(p.offered) for p in source.race.photos.values() if p.race_day_id == 34168)
        assert report.exit_code == 0
        assert report.stored == offered == len(tree(tmp_path / "photos"))
        assert source.most_api_calls <= 2
    assert_agrees(tmp_path / "photos")


async def test_stored_files_are_read_only(tmp_path: Path) -> None:
    """Nobody edits an original by accident."""
    async with SourceSimulator() as source:
        await run_sync(source.config(tmp_path))
    modes = {path.stat().st_mode & 0o222 for path in (tmp_path / "photos").rglob("*.jpg")}
    assert modes == {0}


async def test_second_run_costs_two_calls_and_touches_nothing(tmp_path: Path) -> None:
    """With nothing new: the albums, one page, no picture, no changed inode."""
    async with SourceSimulator() as source:
        config = source.config(tmp_path)
        await run_sync(config)
        before = {path: path.stat() for path in (tmp_path / "photos").rglob("*.jpg")}
        source.requests.clear()
        report = await run_sync(config)
        assert report.exit_code == 0
        assert (source.api_requests(), source.pictures_asked()) == (2, 0)
    for path, stat in before.items():
        now = path.stat()
        assert (now.st_ino, now.st_mtime_ns, now.st_ctime_ns) == (stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns)


async def test_new_uploads_are_fetched_and_nothing_else(tmp_path: Path) -> None:
    """A later run asks for the new photos' pictures only."""
    async with SourceSimulator() as source:
        config = source.config(tmp_path)
        await run_sync(config)
        source.requests.clear()
        new = source.race.gain_uploads(3)
        report = await run_sync(config)
        assert report.new_photos == 3
        assert source.pictures_asked() == sum(len(photo.offered) for photo in new) == report.stored
    assert_agrees(tmp_path / "photos")


async def test_corrected_bibs_are_found_by_a_full_pass_without_any_picture(tmp_path: Path) -> None:
    """Bibs change after upload; the history keeps both."""
    async with SourceSimulator() as source:
        config = source.config(tmp_path)
        await run_sync(config)
        photo = next(p for p in source.race.photos.values() if p.race_day_id == 34168)
        photo.bibs = [7]
        await run_sync(config)
        photo.bibs = ["0815", 7]
        source.requests.clear()
        report = await run_sync(config, is_full=True)
        assert report.bib_changes[0].after == ("0815", "7")
        assert source.pictures_asked() == 0
    found = rows(tmp_path / "photos", "SELECT after FROM history WHERE what = 'bib added'")
    assert ("0815",) in found


async def test_refused_key_fetches_nothing(tmp_path: Path) -> None:
    """An error under HTTP 200 is no empty race: refused after at most two requests, and no picture asked for."""
    async with SourceSimulator() as source:
        config = source.config(tmp_path, API__SECRET="wrong-secret")
        with pytest.raises(AccessError, match="check the API key") as caught:
            await run_sync(config)
        assert "wrong-secret" not in str(caught.value)
        assert len(source.requests) <= 2


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 500}, {"status": 522, "body": b"<html>"}, {"body": b"<html>sorry</html>"}, {"body": b'{"photos": [{'},
        {"body": b'{"error": {"error_code": 14, "error_msg": "Throttled"}}'}, {"status": 429},
    ],
)  # fmt: skip
async def test_passing_trouble_of_the_api_is_mended_by_retries(tmp_path: Path, fault: dict[str, object]) -> None:
    """One bad answer costs one more call, never a photo."""
    async with SourceSimulator() as source:
        source.fault("get-race-photos.json", times=1, **fault)
        report = await run_sync(source.config(tmp_path))
        assert report.exit_code == 0
    assert_agrees(tmp_path / "photos")


async def test_api_that_asks_for_too_long_a_pause_is_asked_no_more(tmp_path: Path) -> None:
    """Whichever call was told to wait for a day, the others neither wait for it nor are made; the next run is."""
    async with SourceSimulator() as source:
        source.fault("albums.json", times=1, status=429, headers={"Retry-After": "86400"})
        config = source.config(tmp_path)
        async with asyncio.timeout(60):
            report = await run_sync(config)
        assert report.exit_code == 3
        assert source.api_requests() == 2
        assert "longer than download.longest_retry_after" in report.passes[0].reason
        assert (await run_sync(config)).exit_code == 0
    assert_agrees(tmp_path / "photos")


async def test_page_that_keeps_failing_leaves_the_watermark(tmp_path: Path) -> None:
    """The run says that it did not see everything; the next one completes."""
    async with SourceSimulator(photos=400) as source:
        config = source.config(tmp_path)

        def break_page_two(seen: object) -> None:
            query = getattr(seen, "query", {})
            if query.get("page") == "2" and not source.faults:
                source.fault("get-race-photos.json", times=100, status=500)

        source.on_request = break_page_two
        report = await run_sync(config)
        assert report.exit_code == 3
        assert report.stored > 0
        assert rows(tmp_path / "photos", "SELECT count(*) FROM pass WHERE watermark_ts NOT NULL") == [(0,)]
        source.faults[0].times = 0
        assert (await run_sync(config)).exit_code == 0
    assert_agrees(tmp_path / "photos")


@pytest.mark.parametrize(("status", "reason"), [(403, "forbidden"), (404, "not found")])
async def test_refused_picture_is_named_and_asked_once(tmp_path: Path, status: int, reason: str) -> None:
    """One picture that cannot be had costs that picture only; nothing of the error page is stored."""
    async with SourceSimulator() as source:
        source.fault("thumbs_v2", times=1, status=status, body=b"<Error><Code>AccessDenied</Code></Error>")
        config = source.config(tmp_path)
        report = await run_sync(config)
        assert report.exit_code == 1
        assert [(group.reason, group.count) for group in report.failures] == [(reason, 1)]
        assert_agrees(tmp_path / "photos")
        assert (await run_sync(config)).exit_code == 0
    assert_agrees(tmp_path / "photos")


@pytest.mark.parametrize(
    "fault", [{"cut_after": 100}, {"body": b"<html>login</html>"}, {"body": b""}, {"status": 503}, {"status": 500}]
)
async def test_bad_bytes_never_get_a_final_name(tmp_path: Path, fault: dict[str, object]) -> None:
    """Cut, replaced, empty or refused: tried again, and only whole pictures are stored."""
    async with SourceSimulator() as source:
        source.fault("customOriginal", times=3, **fault)
        report = await run_sync(source.config(tmp_path))
        assert report.exit_code == 0
        assert report.retries >= 3
    assert_agrees(tmp_path / "photos")


async def test_picture_cut_short_at_the_source_is_never_stored(tmp_path: Path) -> None:
    """Its length agrees and still it has no end: bounded tries, named, nothing published."""
    async with SourceSimulator(photos=1) as source:
        source.race.gain_uploads(1)
        whole = source.race.picture(f"/b/thumbs_v2/{next(iter(source.race.photos.values())).name}.jpg")
        assert whole is not None
        source.fault("thumbs_v2", times=100, body=whole[:-2])
        report = await run_sync(source.config(tmp_path, DOWNLOAD__ATTEMPTS="3"))
        assert report.exit_code == 1
        assert report.failures[0].reason == "incomplete at the source"
        assert source.pictures_asked("thumbs_v2") == 3 * report.missing
    assert_agrees(tmp_path / "photos")


async def test_vanished_file_is_fetched_again_by_a_full_pass(tmp_path: Path) -> None:
    """Only what is missing or has another size comes again."""
    async with SourceSimulator(photos=40) as source:
        config = source.config(tmp_path)
        await run_sync(config)
        before = tree(tmp_path / "photos")
        next((tmp_path / "photos").rglob("*.jpg")).unlink()
        source.requests.clear()
        report = await run_sync(config, is_full=True)
        assert (report.vanished, report.stored, source.pictures_asked()) == (1, 1, 1)
    assert tree(tmp_path / "photos") == before


async def test_earlier_bytes_that_vanished_are_not_called_stored(tmp_path: Path) -> None:
    """A replaced picture that cannot be had, whose earlier file is lost too: gone, and not stored without a file."""
    async with SourceSimulator() as source:
        config = source.config(tmp_path)
        await run_sync(config)
        photo = max(source.race.photos.values(), key=lambda each: each.photo_id)
        photo.name, url = f"{photo.name[:-4]}ffff", "thumbs_v2"
        source.fault(url, times=1, status=404)
        assert (await run_sync(config, is_full=True)).exit_code == 1
        next((tmp_path / "photos").rglob(f"thumbnail/{photo.photo_id}_*")).unlink()
        photo.offered = ("original", "large")
        source.fault(url, times=1, status=404)
        report = await run_sync(config, is_full=True)
        assert (report.exit_code, report.gone) == (1, 1)
    assert_agrees(tmp_path / "photos")


async def test_newly_configured_variant_comes_without_a_new_listing(tmp_path: Path) -> None:
    """Widening the options brings what earlier passes left out."""
    async with SourceSimulator() as source:
        config = source.config(tmp_path, DOWNLOAD__VARIANTS="thumbnail")
        first = await run_sync(config)
        source.requests.clear()
        report = await run_sync(source.config(tmp_path))
        assert first.stored == sum(p.race_day_id == 34168 for p in source.race.photos.values())
        assert report.stored > first.stored
        assert source.api_requests() == 2
    assert_agrees(tmp_path / "photos")


async def test_participant_uploads_can_be_left_out_and_come_later(tmp_path: Path) -> None:
    """A wider scope brings what the narrower one left out, and nobody became unlisted by it."""
    async with SourceSimulator(photos=60) as source:
        config = source.config(tmp_path, RACES__0__PARTICIPANT_UPLOADS="false")
        narrow = await run_sync(config)
        wide = await run_sync(source.config(tmp_path))
        assert narrow.stored > 0
        assert wide.new_photos > 0
        assert wide.exit_code == 0
    assert rows(tmp_path / "photos", "SELECT count(*) FROM photo WHERE unlisted_at NOT NULL") == [(0,)]


async def test_photo_deleted_at_the_source_keeps_its_files(tmp_path: Path) -> None:
    """Two complete full passes mark it; nothing is removed."""
    async with SourceSimulator(photos=40) as source:
        config = source.config(tmp_path)
        await run_sync(config)
        before = tree(tmp_path / "photos")
        source.race.remove(max(source.race.photos))
        await run_sync(config, is_full=True)
        report = await run_sync(config, is_full=True)
        assert sum(each.unlisted for each in report.passes) == 1
        assert report.exit_code == 0
    assert tree(tmp_path / "photos") == before


async def test_changed_picture_takes_the_name_and_the_old_one_is_kept(tmp_path: Path) -> None:
    """A new URL brings new bytes under the old name; the earlier bytes lie among the versions."""
    async with SourceSimulator() as source:
        config = source.config(tmp_path)
        await run_sync(config)
        before = tree(tmp_path / "photos")
        photo = max(source.race.photos.values(), key=lambda each: each.photo_id)
        photo.name, photo.version = f"{photo.name[:-4]}ffff", 1
        report = await run_sync(config, is_full=True)
        after = tree(tmp_path / "photos")
        assert report.stored == len(photo.offered)
        assert after.keys() == before.keys()
        kept = [p for p in (tmp_path / "photos/.mirror/versions").rglob("*") if p.is_file()]
        changed = {before[key] for key in before if before[key] != after[key]}
        assert {hashlib.sha256(path.read_bytes()).hexdigest() for path in kept} == changed


async def test_stop_leaves_an_archive_that_goes_on(tmp_path: Path) -> None:
    """What is finished when the stop comes is recorded; the next run fetches only the rest."""
    async with SourceSimulator(photos=100) as source:
        config = source.config(tmp_path)
        stop = asyncio.Event()
        source.on_request = lambda _: stop.set() if source.pictures_asked() > 50 else None
        report = await run_sync(config, stop=stop)
        assert report.is_stopped
        assert_agrees(tmp_path / "photos")
        source.on_request = lambda _: None
        assert (await run_sync(config)).exit_code == 0
    assert_agrees(tmp_path / "photos")


async def test_credentials_never_reach_the_photo_host(tmp_path: Path) -> None:
    """Picture requests are bare; the secret is in no file of the archive."""
    async with SourceSimulator() as source:
        await run_sync(source.config(tmp_path))
        pictures = [each for each in source.requests if not each.is_api]
        assert pictures
        for each in pictures:
            sent = " ".join([*each.headers, *each.headers.values(), *each.query.values()])
            assert source.api_secret not in sent
            assert source.api_key not in sent
            assert each.headers["Accept-Encoding"] == "identity"
        secret = source.api_secret.encode()
    for path in (tmp_path / "photos").rglob("*"):
        assert not path.is_file() or secret not in path.read_bytes()


async def test_second_run_at_the_same_time_is_refused(tmp_path: Path) -> None:
    """Two runs on one archive: the second leaves at once and says who holds it."""
    async with SourceSimulator(photos=60) as source:
        config = source.config(tmp_path)
        first = asyncio.create_task(run_sync(config))
        while not source.requests:
            await asyncio.sleep(0)
        with pytest.raises(ManifestError, match=str(os.getpid())):
            await run_sync(config)
        assert (await first).exit_code == 0


async def test_full_disk_reserve_refuses_before_any_request(tmp_path: Path) -> None:
    """Less room than the reserve: nothing is asked for."""
    async with SourceSimulator() as source:
        with pytest.raises(ArchiveError):
            await run_sync(source.config(tmp_path, ARCHIVE__MIN_FREE="100000TB"))
        assert source.requests == []


async def test_lost_manifest_is_refused_with_the_way_out(tmp_path: Path) -> None:
    """A tree without its manifest is not filled a second time."""
    async with SourceSimulator() as source:
        config = source.config(tmp_path)
        await run_sync(config)
        (tmp_path / "photos/.mirror/manifest.sqlite").unlink()
        source.requests.clear()
        with pytest.raises(ManifestError, match="manifest"):
            await run_sync(config)
        assert source.requests == []


async def test_empty_race_day_is_complete(tmp_path: Path) -> None:
    """A race day without photos is no failure."""
    async with SourceSimulator(photos=0) as source:
        report = await run_sync(source.config(tmp_path))
        assert (report.exit_code, report.stored) == (0, 0)


async def test_one_malformed_record_does_not_stop_the_others(tmp_path: Path) -> None:
    """It is named and the run ends with 1; every other photo is stored."""
    async with SourceSimulator() as source:
        list(source.race.photos.values())[-1].extra = {"photo_id": None}
        report = await run_sync(source.config(tmp_path))
        assert report.exit_code == 1
        assert len(report.rejects) == 1
        assert report.missing == 0
    assert_agrees(tmp_path / "photos")


def run_command(folder: Path, *words: str) -> "subprocess.Popen[str]":
    """Start the command line in a folder."""
    return subprocess.Popen(
        [sys.executable, "-m", "mirror", *words], cwd=folder, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_signal_ends_cleanly_with_its_code(tmp_path: Path, number: signal.Signals) -> None:
    """130 or 143, no traceback, tree and manifest agree, and the next run completes."""
    async with SourceSimulator(photos=200) as source:
        config = source.config(tmp_path)
        process = run_command(tmp_path, "sync")
        source.on_request = lambda _: process.send_signal(number) if source.pictures_asked() == 60 else None
        _, errors = await asyncio.to_thread(process.communicate)
        assert process.returncode == 128 + number
        assert "Traceback" not in errors
        assert_agrees(tmp_path / "photos")
        assert (await run_sync(config)).exit_code == 0
    assert_agrees(tmp_path / "photos")


async def kill_and_finish(folder: Path, source: SourceSimulator, config: Config, kills: list[int]) -> None:
    """Kill runs after so many more requests each, then finish undisturbed."""
    for after in kills:
        process = run_command(folder, "sync")
        goal = len(source.requests) + after

        def kill_at_goal(_: object, process: "subprocess.Popen[str]" = process, goal: int = goal) -> None:
            if len(source.requests) >= goal:
                process.kill()

        source.on_request = kill_at_goal
        await asyncio.to_thread(process.communicate)
        for path, digest in tree(folder / "photos").items():
            assert digest, path
    source.on_request = lambda _: None
    assert (await run_sync(config)).exit_code == 0


async def test_killed_runs_go_on_to_the_same_tree(tmp_path: Path) -> None:
    """SIGKILL five times at different moments, then once to the end: as if nothing had happened."""
    async with SourceSimulator(photos=150) as source:
        (tmp_path / "calm").mkdir()
        (tmp_path / "killed").mkdir()
        await run_sync(source.config(tmp_path / "calm"))
        config = source.config(tmp_path / "killed")
        await kill_and_finish(tmp_path / "killed", source, config, [3, 40, 90, 150, 120])
    assert tree(tmp_path / "killed/photos") == tree(tmp_path / "calm/photos")
    assert_agrees(tmp_path / "killed/photos")


async def test_python_example_of_the_readme_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The documented Python API does what the command does."""
    async with SourceSimulator() as source:
        source.config(tmp_path)
        monkeypatch.chdir(tmp_path)
        report = await run_sync(load_config("mirror.toml"))
        assert report.is_everything_stored
