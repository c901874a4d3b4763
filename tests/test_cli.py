"""What a person types and sees: one clear message for each cause, the right exit code, never a traceback."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulator import SourceSimulator


async def mirror(folder: Path, *words: str, **env: str) -> "subprocess.CompletedProcess[str]":
    """Run a command in a folder, as a person would."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MIRROR_")} | env
    return await asyncio.to_thread(
        subprocess.run, [sys.executable, "-m", "mirror", *words], cwd=folder, text=True, capture_output=True,
        check=False, env=environ,
    )  # fmt: skip


def assert_calm(done: "subprocess.CompletedProcess[str]", code: int) -> None:
    """The expected exit code, and no traceback anywhere."""
    assert done.returncode == code, done.stderr + done.stdout
    assert "Traceback" not in done.stderr + done.stdout


async def test_sync_status_and_json_agree(tmp_path: Path) -> None:
    """Sync stores, status counts it, both as JSON too."""
    async with SourceSimulator() as source:
        source.config(tmp_path)
        done = await mirror(tmp_path, "sync", "--json")
        assert_calm(done, 0)
        stored = json.loads(done.stdout)["stored"]
    done = await mirror(tmp_path, "status", "--json")
    assert_calm(done, 0)
    assert sum(day["stored"] for day in json.loads(done.stdout)["race_days"]) == stored > 0
    done = await mirror(tmp_path / "photos", "status")
    assert_calm(done, 0)
    assert "Harbour 10K" in done.stdout


async def test_first_archive_is_one_line_away(tmp_path: Path) -> None:
    """A race's address, a folder, credentials in the environment: no configuration needed."""
    async with SourceSimulator() as source:
        env = {
            "MIRROR_API__BASE_URL": source.base_url, "MIRROR_API__KEY": source.api_key,
            "MIRROR_API__SECRET": source.api_secret, "MIRROR_DOWNLOAD__ALLOWED_HOSTS": "127.0.0.1",
            "MIRROR_DOWNLOAD__ALLOW_HTTP": "true", "MIRROR_DOWNLOAD__ALLOW_PRIVATE": "true",
            "MIRROR_ARCHIVE__MIN_FREE": "1MB",
        }  # fmt: skip
        done = await mirror(tmp_path, "sync", source.race_url, "--to", "here", **env)
        assert_calm(done, 0)
        assert "Complete." in done.stdout
    assert list((tmp_path / "here").rglob("*.jpg"))


async def test_wrong_key_is_refused(tmp_path: Path) -> None:
    """Exit 3, what to check, and not the secret."""
    async with SourceSimulator() as source:
        source.config(tmp_path)
        done = await mirror(tmp_path, "sync", MIRROR_API__SECRET="not-the-secret")
    assert_calm(done, 3)
    assert "check the API key" in done.stderr
    assert "not-the-secret" not in done.stdout + done.stderr


async def test_wrong_race_is_refused(tmp_path: Path) -> None:
    """Exit 3 with the race's id."""
    async with SourceSimulator() as source:
        file = tmp_path / "mirror.toml"
        file.write_text(source.config_text().replace("48211", "999"))
        file.chmod(0o600)
        done = await mirror(tmp_path, "sync")
    assert_calm(done, 3)
    assert "999" in done.stdout + done.stderr


async def test_unreachable_host_is_named(tmp_path: Path) -> None:
    """Exit 3 after bounded tries."""
    source = SourceSimulator()
    source.base_url = "http://127.0.0.1:9/rest"
    source.config(tmp_path)
    done = await mirror(tmp_path, "sync", MIRROR_DOWNLOAD__ATTEMPTS="2")
    assert_calm(done, 3)
    assert "127.0.0.1" in done.stdout + done.stderr


async def test_typo_in_the_configuration_is_named(tmp_path: Path) -> None:
    """Exit 2 with file, line, key and the nearest valid name."""
    (tmp_path / "mirror.toml").write_text('[download]\nstall_timout = "30s"\n')
    done = await mirror(tmp_path, "sync")
    assert_calm(done, 2)
    assert "mirror.toml:2" in done.stderr
    assert "stall_timeout" in done.stderr


async def test_unwritable_folder_is_named(tmp_path: Path) -> None:
    """Exit 4 before any request."""
    (tmp_path / "photos").write_text("a file in the way")
    async with SourceSimulator() as source:
        source.config(tmp_path)
        done = await mirror(tmp_path, "sync")
        assert_calm(done, 4)
        assert source.requests == []
    assert "photos" in done.stderr


async def test_no_configuration_says_the_way_out(tmp_path: Path) -> None:
    """Exit 2 and the command to type."""
    done = await mirror(tmp_path, "sync")
    assert_calm(done, 2)
    assert "mirror init" in done.stderr


async def test_init_writes_a_private_file_once(tmp_path: Path) -> None:
    """A complete file for its owner's eyes; a second time it is left alone."""
    assert_calm(await mirror(tmp_path, "init"), 0)
    assert (tmp_path / "mirror.toml").stat().st_mode & 0o077 == 0
    done = await mirror(tmp_path, "init")
    assert_calm(done, 2)
    assert "--force" in done.stderr


async def test_check_tries_everything(tmp_path: Path) -> None:
    """Each part of the setup has its line."""
    async with SourceSimulator() as source:
        source.config(tmp_path)
        done = await mirror(tmp_path, "check")
        assert_calm(done, 0)
        for part in ("configuration", "disk", "credentials", "race 48211", "image host"):
            assert part in done.stdout
        done = await mirror(tmp_path, "check", "--json", MIRROR_API__SECRET="wrong")
        assert_calm(done, 3)
        assert any(each["verdict"] == "fail" for each in json.loads(done.stdout))


async def test_races_lists_race_days(tmp_path: Path) -> None:
    """By name, by id and by address."""
    async with SourceSimulator() as source:
        source.config(tmp_path)
        for what in ("harbour", "48211", source.race_url):
            done = await mirror(tmp_path, "races", what)
            assert_calm(done, 0)
            assert "34168" in done.stdout
        assert_calm(await mirror(tmp_path, "races", "nobody knows"), 1)


async def test_dry_run_stores_nothing(tmp_path: Path) -> None:
    """Photos, files, bytes and disk are named before the first byte; the archive stays as it is."""
    async with SourceSimulator() as source:
        source.config(tmp_path)
        done = await mirror(tmp_path, "sync", "--dry-run", "--json")
        assert_calm(done, 0)
        estimate = json.loads(done.stdout)
        assert sum(each["files"] for each in estimate["variants"]) > 0
        assert source.pictures_asked() <= 15  # lengths of a few, for the estimate
    assert not (tmp_path / "photos").exists()


async def test_log_holds_no_secret(tmp_path: Path) -> None:
    """JSON lines with everything in them but the credentials."""
    async with SourceSimulator() as source:
        source.config(tmp_path)
        source.fault("thumbs_v2", times=1, status=500)
        done = await mirror(tmp_path, "sync", "-vv", "--log-json", "log.jsonl")
        assert_calm(done, 0)
        text = (tmp_path / "log.jsonl").read_text()
        assert [json.loads(line) for line in text.splitlines()]
        for secret in (source.api_key, source.api_secret):
            assert secret not in text + done.stdout + done.stderr


async def test_help_names_commands_and_exit_codes(tmp_path: Path) -> None:
    """The first page tells what there is and what the codes mean."""
    done = await mirror(tmp_path, "--help")
    assert_calm(done, 0)
    for word in ("sync", "demo", "init", "check", "races", "status", "130", "143"):
        assert word in done.stdout


@pytest.mark.parametrize("words", [["sync", "--nonsense"], ["nonsense"], ["sync", "48211"], ["sync", "--to", "x"]])
async def test_wrong_usage_ends_with_two(tmp_path: Path, words: list[str]) -> None:
    """What cannot be understood is said, and nothing is done."""
    assert_calm(await mirror(tmp_path, *words), 2)


async def test_demo_shows_two_runs(tmp_path: Path) -> None:
    """The demo archives its race, and its second run fetches only what is new."""
    done = await mirror(tmp_path, "demo")
    assert_calm(done, 0)
    assert done.stdout.count("Complete.") == 2
    assert "25 new photos, 74 files stored" in done.stdout
    assert "asked for 74 pictures" in done.stdout
    assert "bibs changed on 6 photos" in done.stdout
