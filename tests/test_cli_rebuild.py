"""`mirror rebuild` as a person types it: its words, its exit codes, and its death at any moment."""

import asyncio
import contextlib
import json
import random
import shutil
import signal
import sqlite3
import subprocess
from pathlib import Path

import pytest

from mirror import run_sync
from tests.rebuilding import held, manifest_of, other_source, stats
from tests.simulator import SourceSimulator
from tests.test_cli import assert_calm, mirror
from tests.test_cli_signals import started
from tests.test_sync import assert_agrees, run_command


async def test_way_out_of_a_lost_manifest_is_walked(tmp_path: Path) -> None:
    """Sync refuses and names the command; the command says what it did; sync goes on."""
    async with SourceSimulator() as source:
        source.config(tmp_path)
        assert_calm(await mirror(tmp_path, "sync", "-q"), 0)
        manifest_of(tmp_path / "photos").write_bytes(b"garbage")
        refused = await mirror(tmp_path, "sync")
        assert_calm(refused, 5)
        assert "mirror rebuild" in refused.stderr
        done = await mirror(tmp_path, "rebuild")
        assert_calm(done, 0)
        for words in ("made again", "begun from nothing", "0 files to be fetched", "kept as", "is damaged"):
            assert words in done.stdout
        assert "mirror sync" in done.stdout.splitlines()[-1]
        assert_calm(await mirror(tmp_path, "sync"), 0)
        done = await mirror(tmp_path, "status")
        assert "complete" in done.stdout


async def test_what_is_left_alone_is_named_and_counted(tmp_path: Path) -> None:
    """Exit 1, one line for each reason, each file in the JSON and with --verbose."""
    async with SourceSimulator() as source, other_source() as other:
        await run_sync(other.config(tmp_path))
        await run_sync(source.config(tmp_path))
        (tmp_path / "photos/bell\x07.txt").write_text("x")
        manifest_of(tmp_path / "photos").unlink()
        done = await mirror(tmp_path, "rebuild", "--json")
        assert_calm(done, 1)
        report = json.loads(done.stdout)
        assert report["unmatched"] == len(report["oddities"]) > 1
        assert report["exit_code"] == 1
        assert "(such as Lake-Half-50001/" in done.stderr
        assert "no photos of race 50001 are known: is it configured?" in done.stderr
        assert "bell?.txt" in done.stderr
        done = await mirror(tmp_path, "rebuild", "--verbose")
        assert_calm(done, 1)
        for each in report["oddities"]:
            assert each["key"] in done.stderr


async def test_archive_without_a_configuration_is_rebuilt_by_its_race(tmp_path: Path) -> None:
    """As it was made, by one line: the race and the folder."""
    async with SourceSimulator() as source:
        env = {
            "MIRROR_API__BASE_URL": source.base_url, "MIRROR_API__KEY": source.api_key,
            "MIRROR_API__SECRET": source.api_secret, "MIRROR_DOWNLOAD__ALLOWED_HOSTS": "127.0.0.1",
            "MIRROR_DOWNLOAD__ALLOW_HTTP": "true", "MIRROR_DOWNLOAD__ALLOW_PRIVATE": "true",
            "MIRROR_ARCHIVE__MIN_FREE": "1MB",
        }  # fmt: skip
        assert_calm(await mirror(tmp_path, "sync", "48211", "--to", "here", **env), 0)
        before = held(tmp_path / "here")
        manifest_of(tmp_path / "here").unlink()
        assert_calm(await mirror(tmp_path, "rebuild", "48211", "--to", "here", **env), 0)
        assert held(tmp_path / "here") == before


async def test_refusals_have_their_codes(tmp_path: Path) -> None:
    """3 when the listing fails, 5 without anything to go by or with a newer manifest, 2 without a configuration."""
    assert_calm(await mirror(tmp_path, "rebuild"), 2)
    async with SourceSimulator() as source:
        source.config(tmp_path)
        assert_calm(await mirror(tmp_path, "sync", "-q"), 0)
        manifest_of(tmp_path / "photos").unlink()
        done = await mirror(tmp_path, "rebuild", "--offline")
        assert_calm(done, 5)
        assert "--from FILE" in done.stderr
        done = await mirror(tmp_path, "rebuild", "--from", "nowhere.sqlite")
        assert_calm(done, 5)
        assert "nowhere.sqlite" in done.stderr
    done = await mirror(tmp_path, "rebuild", MIRROR_DOWNLOAD__ATTEMPTS="1")
    assert_calm(done, 3)
    assert not manifest_of(tmp_path / "photos").exists()


async def test_ctrl_c_changes_nothing(tmp_path: Path) -> None:
    """130 at once, and everything is as before."""
    async with SourceSimulator() as source:
        await run_sync(source.config(tmp_path))
        before, manifest = stats(tmp_path / "photos"), manifest_of(tmp_path / "photos").read_bytes()
        source.fault("get-race-photos.json", times=100, stalls=True)
        asked = asyncio.Event()
        source.on_request = lambda seen: asked.set() if "get-race-photos" in seen.path else None
        async with started(tmp_path, "rebuild") as process:
            await asyncio.wait_for(asked.wait(), 30)
            process.send_signal(signal.SIGINT)
            _, errors = await process.communicate()
        assert process.returncode == 130
        assert b"Traceback" not in errors
        assert b"not finished is thrown away" in errors
    assert stats(tmp_path / "photos") == before
    assert manifest_of(tmp_path / "photos").read_bytes() == manifest
    assert not (tmp_path / "photos/.mirror/rebuild").exists()


@pytest.mark.slow
async def test_killed_rebuild_is_run_again_to_the_same_manifest(tmp_path: Path) -> None:
    """SIGKILL while it lists, and while it reads files: nothing has changed, and the next one ends as if undisturbed."""
    async with SourceSimulator(photos=900) as source:
        config = source.config(tmp_path)
        await run_sync(config)
        expected = held(tmp_path / "photos")
        manifest_of(tmp_path / "photos").unlink()
        before = stats(tmp_path / "photos")
        for after in (2, 5):
            process = run_command(tmp_path, "rebuild")
            goal = len(source.requests) + after

            def kill_at_goal(_: object, process: "subprocess.Popen[str]" = process, goal: int = goal) -> None:
                if len(source.requests) >= goal:
                    process.kill()

            source.on_request = kill_at_goal
            await asyncio.to_thread(process.communicate)
            assert process.returncode == -signal.SIGKILL
        source.on_request = lambda _: None
        draft = tmp_path / "photos/.mirror/rebuild/manifest.sqlite"
        for _ in range(5):
            shutil.rmtree(draft.parent, ignore_errors=True)  # we look at what the next one makes, not at what was left
            process = run_command(tmp_path, "rebuild")
            await asyncio.to_thread(_wait_for_adopted, draft, process)
            process.kill()
            said = await asyncio.to_thread(process.communicate)
            if process.returncode == -signal.SIGKILL:
                break
            assert process.returncode == 0, said
            manifest_of(tmp_path / "photos").unlink()  # it was quicker than we are
        assert process.returncode == -signal.SIGKILL
        assert not manifest_of(tmp_path / "photos").exists()
        assert stats(tmp_path / "photos") == before
        source.requests.clear()
        assert_calm(await mirror(tmp_path, "rebuild", "-q"), 0)
        assert source.pictures_asked() == 0
        assert held(tmp_path / "photos") == expected
        assert stats(tmp_path / "photos") == before
        assert (await run_sync(config)).exit_code == 0
        assert source.pictures_asked() == 0
    assert_agrees(tmp_path / "photos")


def _wait_for_adopted(draft: Path, process: "subprocess.Popen[str]") -> None:
    """Return as soon as the manifest that is being made holds a first file, or is made."""
    while process.poll() is None:
        # It is only being made: anything may go wrong with reading it, and nothing may be made by it.
        with (
            contextlib.suppress(sqlite3.Error),
            contextlib.closing(sqlite3.connect(f"file:{draft}?mode=ro", uri=True)) as connection,
        ):
            if connection.execute("SELECT EXISTS (SELECT 1 FROM tally WHERE stored > 0)").fetchone() == (1,):
                return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.002)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
async def test_killed_anywhere_ends_in_the_same_manifest(tmp_path: Path, seed: int) -> None:
    """Many kills after random times, from nothing and from an earlier manifest: always the same in the end."""
    rng = random.Random(seed)
    async with SourceSimulator(photos=300) as source:
        config = source.config(tmp_path)
        await run_sync(config)
        expected, before = held(tmp_path / "photos"), stats(tmp_path / "photos")
        if seed % 2:
            manifest_of(tmp_path / "photos").unlink()
        for _ in range(12):
            process = run_command(tmp_path, "rebuild")
            await asyncio.sleep(rng.uniform(0.2, 1.6))
            process.kill()
            await asyncio.to_thread(process.communicate)
            assert stats(tmp_path / "photos") == before
            if manifest_of(tmp_path / "photos").exists():
                assert held(tmp_path / "photos") == expected
        source.requests.clear()
        assert_calm(await mirror(tmp_path, "rebuild", "-q"), 0)
        assert source.pictures_asked() == 0
    assert held(tmp_path / "photos") == expected
    assert stats(tmp_path / "photos") == before
