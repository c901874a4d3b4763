"""What a person types and sees: one clear message for each cause, the right exit code, never a traceback."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.secret_watch import secrets_in
from tests.simulator import SourceSimulator


async def mirror(folder: Path, *words: str, **env: str) -> "subprocess.CompletedProcess[str]":
    """Run a command in a folder, as a person would; it tells no secret."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MIRROR_")} | env
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-m", "mirror", *words], cwd=folder, text=True, capture_output=True,
        check=False, env=environ,
    )  # fmt: skip
    assert secrets_in(done.stdout + done.stderr) == []
    return done


def assert_calm(done: "subprocess.CompletedProcess[str]", code: int) -> None:
    """The expected exit code, and no traceback anywhere."""
    assert done.returncode == code, done.stderr + done.stdout
    assert "Traceback" not in done.stderr + done.stdout


def everything_in(folder: Path) -> list[str]:
    """Names of all that lies below a folder."""
    return sorted(str(each.relative_to(folder)) for each in folder.rglob("*"))


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
        assert sum(each["files"] for each in estimate["variants"]) == estimate["files"] > 0
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


async def test_every_cause_of_a_partial_run_is_one_line(tmp_path: Path) -> None:
    """Exit 1, JSON alone on standard output, each cause with its prefix on standard error."""
    async with SourceSimulator() as source:
        source.config(tmp_path)
        source.fault("large_watermarked", times=10**6, status=403)
        done = await mirror(tmp_path, "sync", "--json")
    assert_calm(done, 1)
    report = json.loads(done.stdout)
    assert report["exit_code"] == 1
    assert report["missing"] > 0
    causes = [line for line in done.stderr.splitlines() if line.startswith("mirror: ")]
    assert len(causes) == 1
    assert "forbidden" in causes[0]


async def test_quiet_says_nothing_when_all_is_well(tmp_path: Path) -> None:
    """A timer's mail stays empty."""
    async with SourceSimulator() as source:
        source.config(tmp_path)
        done = await mirror(tmp_path, "sync", "--quiet")
    assert_calm(done, 0)
    assert done.stdout + done.stderr == ""


async def test_dry_run_leaves_an_archive_as_it_is(tmp_path: Path) -> None:
    """Not a byte of the manifest changes, and what is stored already is not counted again."""
    async with SourceSimulator() as source:
        source.config(tmp_path)
        assert_calm(await mirror(tmp_path, "sync"), 0)
        manifest = tmp_path / "photos" / ".mirror" / "manifest.sqlite"
        before = manifest.read_bytes(), everything_in(tmp_path)
        done = await mirror(tmp_path, "sync", "--dry-run", "--full")
        assert_calm(done, 0)
    assert "nothing to fetch" in done.stdout
    assert before == (manifest.read_bytes(), everything_in(tmp_path))


async def test_dry_run_says_when_the_disk_is_too_small(tmp_path: Path) -> None:
    """Exit 4 before the first byte, with what is needed and what is free."""
    async with SourceSimulator() as source:
        source.config(tmp_path)
        done = await mirror(tmp_path, "sync", "--dry-run", MIRROR_ARCHIVE__MIN_FREE="9000TB")
    assert_calm(done, 4)
    assert "min_free" in done.stderr


async def test_check_leaves_nothing_behind(tmp_path: Path) -> None:
    """It tries to write, and takes back what it wrote."""
    async with SourceSimulator() as source:
        source.config(tmp_path)
        assert_calm(await mirror(tmp_path, "check"), 0)
    assert everything_in(tmp_path) == ["mirror.toml"]


async def test_archive_is_found_from_anywhere(tmp_path: Path) -> None:
    """By its own folder or by the one with the configuration."""
    (tmp_path / "here").mkdir()
    (tmp_path / "elsewhere").mkdir()
    async with SourceSimulator() as source:
        source.config(tmp_path / "here")
        for option in (["--archive", "../here"], ["--config", "../here/mirror.toml"], ["--archive", "../here/photos"]):
            assert_calm(await mirror(tmp_path / "elsewhere", "sync", *option), 0)
            assert_calm(await mirror(tmp_path / "elsewhere", "status", *option), 0)
    assert everything_in(tmp_path / "elsewhere") == []
    assert_calm(await mirror(tmp_path / "elsewhere", "status"), 2)


async def test_races_needs_no_configuration(tmp_path: Path) -> None:
    """A race is looked for before there is a file: credentials from the environment are enough."""
    async with SourceSimulator() as source:
        env = {"MIRROR_API__BASE_URL": source.base_url, "MIRROR_API__KEY": source.api_key}
        done = await mirror(tmp_path, "races", "harbour", "--json", MIRROR_API__SECRET=source.api_secret, **env)
    assert_calm(done, 0)
    assert json.loads(done.stdout)[0]["days"][-1] == {
        "race_id": 48211, "race_day_id": 34168, "starts_on": "2026-05-17", "events": ["10K", "5K"],
    }  # fmt: skip


async def test_demo_touches_no_foreign_folder(tmp_path: Path) -> None:
    """What is no earlier demo is left alone."""
    (tmp_path / "mirror-demo").mkdir()
    (tmp_path / "mirror-demo" / "mine.txt").write_text("mine")
    assert_calm(await mirror(tmp_path, "demo"), 2)
    assert (tmp_path / "mirror-demo" / "mine.txt").read_text() == "mine"


async def test_log_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """Exit 4, and nothing is done without the log that was asked for."""
    async with SourceSimulator() as source:
        source.config(tmp_path)
        done = await mirror(tmp_path, "sync", "--log-json", "no/such/folder/log.jsonl")
        assert_calm(done, 4)
        assert source.requests == []
    assert "--log-json" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_output_that_cannot_be_written_is_said_and_no_success(tmp_path: Path) -> None:
    """A list that was redirected to a full disk must not look complete."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "mirror", "--version"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (4, "mirror: the output could not be written: No space left on device\n")
