"""What failed, grouped, with what to do; and trying just that once more."""

import json
from pathlib import Path

from mirror.config import Config
from mirror.failures import advice, retry
from mirror.manifest import FailureReader, Missed, Trouble
from mirror.manifest.text import at_text
from mirror.sync import run_sync
from tests.simulator import SourceSimulator
from tests.test_cli import assert_calm, mirror
from tests.test_sync import assert_agrees, rows
from tests.test_sync_fetch import change, ids


async def troubled(source: SourceSimulator, folder: Path) -> Config:
    """An archive whose thumbnails are refused, whose large ones are no longer there, and one of them gone."""
    source.fault("thumbs", times=10_000, status=403)
    source.fault("large", times=10_000, status=404)
    config = source.config(folder, DOWNLOAD__ATTEMPTS="1")
    await run_sync(config)
    source.faults.clear()
    source.requests.clear()
    change(config, "UPDATE photo SET unlisted_at = '2026-01-01T00:00:00Z' WHERE photo_no = 1")
    change(config, "UPDATE asset SET state = 'gone', wanted_no = NULL WHERE photo_no = 1 AND variant = 'large'")
    return config


def troubles(config: Config, **missed: object) -> list[Trouble]:
    """What failed."""
    with FailureReader(config.archive.root.path / ".mirror/manifest.sqlite") as reader:
        return reader.troubles(Missed(**missed))  # type: ignore[arg-type]


def failed(config: Config, **missed: object) -> list[int]:
    """The assets that failed."""
    with FailureReader(config.archive.root.path / ".mirror/manifest.sqlite") as reader:
        return reader.asset_ids(Missed(**missed))  # type: ignore[arg-type]


async def test_failures_are_grouped_by_reason_host_and_race(tmp_path: Path) -> None:
    """Counts, an example with its message, when it failed last, set aside or not; what is gone stands apart."""
    async with SourceSimulator() as source:
        config = await troubled(source, tmp_path)
        forbidden, missing, gone = troubles(config)
        now = rows(config.archive.root.path, "SELECT max(failed_at) FROM asset")[0][0]
    assert {forbidden.reason, missing.reason} == {"forbidden", "not found"}
    assert forbidden.count + missing.count + gone.count == len(ids(config, "wanted")) + 1
    assert (gone.state, gone.count, gone.race_name) == ("gone", 1, "Harbour 10K")
    refused = next(each for each in (forbidden, missing) if each.reason == "forbidden")
    assert refused.host.startswith("127.0.0.1:")
    assert refused.example.endswith("HTTP 403")
    assert refused.last_at is not None
    assert at_text(refused.last_at) == now
    change(
        config,
        "UPDATE asset SET failure = NULL WHERE asset_id = (SELECT max(asset_id) FROM asset WHERE state = 'wanted')",
    )
    with FailureReader(config.archive.root.path / ".mirror/manifest.sqlite") as reader:
        assert reader.count_not_tried() == 1
    assert sum(each.count for each in troubles(config)) == len(ids(config, "wanted"))
    change(config, "UPDATE asset SET failed_days = 5 WHERE failure = 'forbidden'")
    refused = next(each for each in troubles(config) if each.reason == "forbidden")
    assert refused.set_aside == refused.count


async def test_failures_are_filtered(tmp_path: Path) -> None:
    """By a part of the reason, by host, by race and race day; gone is a reason too."""
    async with SourceSimulator() as source:
        config = await troubled(source, tmp_path)
    host = troubles(config)[0].host
    assert {each.reason for each in troubles(config, reason="FORB")} == {"forbidden"}
    assert [each.state for each in troubles(config, reason="gone")] == ["gone"]
    assert len(troubles(config, host=host)) == 3
    assert troubles(config, host="other.example") == []
    assert len(troubles(config, days=((48211, 34168),), host=host)) == 3
    assert troubles(config, days=((48211, 1), (7, None))) == []


async def test_record_that_cannot_be_used_is_a_failure_too(tmp_path: Path) -> None:
    """A sync names it and ends with 1; so it stands here as well, and no retry is promised."""
    async with SourceSimulator() as source:
        list(source.race.photos.values())[-1].extra = {"photo_id": None}
        config = source.config(tmp_path)
        await run_sync(config)
    (trouble,) = troubles(config)
    assert (trouble.state, trouble.reason, trouble.count) == ("unusable", "record without a photo_id", 1)
    assert "record is broken" in advice(trouble)


async def test_retry_tries_just_what_failed(tmp_path: Path) -> None:
    """One reason alone; then all of it, what is gone too; then nothing is left."""
    async with SourceSimulator() as source:
        config = await troubled(source, tmp_path)
        refused = next(each for each in troubles(config) if each.reason == "forbidden")
        report = await retry(config, failed(config, reason="forbidden"))
        assert (report.stored, report.exit_code) == (refused.count, 0)
        assert source.pictures_asked() == source.pictures_asked("thumbs") == refused.count
        assert [each.reason for each in troubles(config)] == ["not found", "not found"]
        report = await retry(config, failed(config))
        assert report.exit_code == 0
        assert troubles(config) == []
        assert source.api_requests() == 0
        assert failed(config) == []
    assert_agrees(config.archive.root.path)
    assert len(rows(config.archive.root.path, "SELECT 1 FROM run")) == 3


async def test_commands_say_what_failed_and_what_became_of_it(tmp_path: Path) -> None:
    """Failures end with 1 and advice, retry with a count; without a configuration and without a key."""
    async with SourceSimulator() as source:
        await troubled(source, tmp_path)
        (tmp_path / "mirror.toml").unlink()
        done = await mirror(tmp_path / "photos", "failures")
        assert_calm(done, 1)
        assert "files forbidden" in done.stdout
        assert "'mirror sync' looks for a new one" in " ".join(done.stdout.split())
        env = {
            "MIRROR_DOWNLOAD__ALLOWED_HOSTS": "127.0.0.1", "MIRROR_DOWNLOAD__ALLOW_HTTP": "true",
            "MIRROR_DOWNLOAD__ALLOW_PRIVATE": "true", "MIRROR_ARCHIVE__MIN_FREE": "1MB",
        }  # fmt: skip
        source.fault("large", times=1, status=404)
        done = await mirror(tmp_path / "photos", "retry", **env)
        assert_calm(done, 1)
        assert "files stored" in done.stdout
        assert "not found" in done.stderr
        done = await mirror(tmp_path / "photos", "retry", "--json", **env)
        assert_calm(done, 0)
        assert json.loads(done.stdout)["stored"] == 1
    done = await mirror(tmp_path / "photos", "failures", "--json")
    assert_calm(done, 0)
    assert json.loads(done.stdout) == {"troubles": [], "not_tried": 0}
