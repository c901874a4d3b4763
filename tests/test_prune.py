"""Pruning takes what it was asked for and no more, with a brake and a quarantine, and what it took stays away."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from mirror import run_sync
from mirror.config import Config
from mirror.errors import ConfigError
from mirror.manifest import KeepingReader
from mirror.prune import Pruned, PruneWish, prune
from mirror.root import ArchiveRoot
from tests.simulator import SourceSimulator
from tests.test_cli import assert_calm, mirror
from tests.test_manifest_reader import RECOUNT, TALLY
from tests.test_sync import assert_agrees, rows, tree

UNLISTED = PruneWish(unlisted_for_s=0.0)


async def taken_down(source: SourceSimulator, folder: Path) -> tuple[Config, int]:
    """Archive a race, then let one photo vanish from its listing."""
    config = source.config(folder)
    await run_sync(config)
    photo = next(each for each in source.race.photos.values() if each.race_day_id == 34168 and len(each.offered) == 3)
    source.race.remove(photo.photo_id)
    for _ in range(2):
        await run_sync(config, is_full=True)
    return config, photo.photo_id


async def take(folder: Path, wish: PruneWish, *, most: float = 0.1, quarantine: Path | None = None) -> Pruned:
    """Prune the archive below a folder."""
    root = folder / "photos"
    return await prune(ArchiveRoot(root), root / ".mirror/manifest.sqlite", wish, most=most, quarantine=quarantine)


async def test_photo_unlisted_for_long_goes_and_no_other(tmp_path: Path) -> None:
    """Its files are gone, its rows say so, the tally is right, and neither a run nor a retry fetches it again."""
    async with SourceSimulator(photos=40) as source:
        config, photo_id = await taken_down(source, tmp_path)
        root = tmp_path / "photos"
        before = tree(root)
        done = await take(tmp_path, UNLISTED)
        assert (done.photos, done.files) == (1, 3)
        assert tree(root) == {key: digest for key, digest in before.items() if f"/{photo_id}_" not in key}
        assert rows(root, TALLY) == rows(root, RECOUNT)
        assert rows(root, "SELECT count(*) FROM history WHERE what = 'pruned'") == [(3,)]
        source.requests.clear()
        report = await run_sync(config, is_full=True)
        assert (report.exit_code, source.pictures_asked()) == (0, 0)
        assert_calm(await mirror(tmp_path, "retry"), 0)
        assert source.pictures_asked() == 0
    assert_agrees(root)


async def test_pruned_photo_that_is_listed_again_comes_back(tmp_path: Path) -> None:
    """Under its old names."""
    async with SourceSimulator(photos=40) as source:
        config = source.config(tmp_path)
        await run_sync(config)
        before = tree(tmp_path / "photos")
        photo = max(source.race.photos.values(), key=lambda each: each.photo_id)
        source.race.remove(photo.photo_id)
        for _ in range(2):
            await run_sync(config, is_full=True)
        await take(tmp_path, UNLISTED)
        source.race.photos[photo.photo_id] = photo
        assert (await run_sync(config, is_full=True)).exit_code == 0
    assert tree(tmp_path / "photos") == before
    assert_agrees(tmp_path / "photos")


async def test_photo_that_was_just_taken_down_stays(tmp_path: Path) -> None:
    """Not listed for a moment is not for thirty days."""
    async with SourceSimulator(photos=40) as source:
        await taken_down(source, tmp_path)
        before = tree(tmp_path / "photos")
        assert (await take(tmp_path, PruneWish(unlisted_for_s=30 * 86_400.0))).files == 0
    assert tree(tmp_path / "photos") == before


async def test_brake_refuses_to_take_much_of_a_race_day(tmp_path: Path) -> None:
    """More than the share of the stored photos: nothing goes, and the race day is named."""
    async with SourceSimulator(photos=8) as source:
        await taken_down(source, tmp_path)
        before = tree(tmp_path / "photos")
        with pytest.raises(ConfigError, match="day 34168"):
            await take(tmp_path, UNLISTED)
        assert tree(tmp_path / "photos") == before
        assert (await take(tmp_path, UNLISTED, most=1.0)).files == 3


async def test_quarantine_keeps_the_files_with_a_list(tmp_path: Path) -> None:
    """Moved under the same names, byte for byte; the list says whose they are, and the register knows the place."""
    async with SourceSimulator(photos=40) as source:
        _, photo_id = await taken_down(source, tmp_path)
    before, place = tree(tmp_path / "photos"), tmp_path / "aside/here"
    done = await take(tmp_path, UNLISTED, quarantine=place)
    moved = {key: digest for key, digest in tree(place).items() if key != "pruned.jsonl"}
    assert moved == {key: digest for key, digest in before.items() if key not in tree(tmp_path / "photos")}
    assert len(moved) == done.files == 3
    listed = [json.loads(line) for line in (place / "pruned.jsonl").read_text().splitlines()]
    assert {each["photo_id"] for each in listed} == {photo_id}
    assert {each["key"]: each["sha256"] for each in listed} == moved
    with KeepingReader(tmp_path / "photos/.mirror/manifest.sqlite") as reader:
        assert [(each.path, each.kind) for each in reader.exports()] == [(str(place), "quarantine")]


async def test_quarantine_inside_the_archive_is_refused(tmp_path: Path) -> None:
    """The tree holds assets and nothing else."""
    async with SourceSimulator(photos=40) as source:
        await taken_down(source, tmp_path)
    with pytest.raises(ConfigError, match="lies in the archive"):
        await take(tmp_path, UNLISTED, quarantine=tmp_path / "photos/aside")


async def test_old_versions_go_and_foreign_things_only_by_name(tmp_path: Path) -> None:
    """Earlier bytes go when asked for; what was not ours stays until it is asked for itself."""
    async with SourceSimulator(photos=40) as source:
        config = source.config(tmp_path)
        await run_sync(config)
        photo = max(source.race.photos.values(), key=lambda each: each.photo_id)
        photo.name, photo.version = f"{photo.name[:-4]}ffff", 1
        await run_sync(config, is_full=True)
    root = tmp_path / "photos"
    foreign = root / ".mirror/versions/foreign/mine.jpg"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("mine")
    with closing(sqlite3.connect(root / ".mirror/manifest.sqlite")) as manifest, manifest:
        manifest.execute(
            "INSERT INTO version (asset_id, run_id, key, replaced_at, why) "
            "VALUES (1, 1, '.mirror/versions/foreign/mine.jpg', '2020-01-01T00:00:00Z', 'foreign')"
        )
    assert (await take(tmp_path, PruneWish(versions_older_s=3600.0))).versions == 0
    before = tree(root)
    assert (await take(tmp_path, PruneWish(versions_older_s=0.0))).versions == len(photo.offered)
    kept = [path for path in (root / ".mirror/versions").rglob("*") if path.is_file()]
    assert kept == [foreign]
    assert (await take(tmp_path, PruneWish(foreign_older_s=0.0))).versions == 1
    assert not foreign.exists()
    assert tree(root) == before
    assert rows(root, "SELECT count(*) FROM version") == [(0,)]


async def test_what_went_before_a_kill_is_noted_by_the_next(tmp_path: Path) -> None:
    """Files deleted and rows not written: the same command writes them."""
    async with SourceSimulator(photos=40) as source:
        _, photo_id = await taken_down(source, tmp_path)
    for path in (tmp_path / "photos").rglob(f"{photo_id}_*"):
        path.unlink()
    done = await take(tmp_path, UNLISTED)
    assert (done.files, done.absent) == (0, 3)
    assert_agrees(tmp_path / "photos")


async def test_command_says_what_would_go_and_asks(tmp_path: Path) -> None:
    """A dry run changes nothing, nobody to ask is refused, --yes does it."""
    async with SourceSimulator(photos=40) as source:
        _, photo_id = await taken_down(source, tmp_path)
    before = tree(tmp_path / "photos")
    assert_calm(await mirror(tmp_path, "prune"), 2)
    assert_calm(await mirror(tmp_path, "prune", "--unlisted-for", "30"), 2)
    done = await mirror(tmp_path, "prune", "--unlisted-for", "0s", "--dry-run")
    assert_calm(done, 0)
    assert f"{photo_id}_" in done.stdout
    assert_calm(await mirror(tmp_path, "prune", "--unlisted-for", "0s"), 2)
    assert tree(tmp_path / "photos") == before
    done = await mirror(tmp_path, "prune", "--unlisted-for", "0s", "--yes", "--json")
    assert_calm(done, 0)
    assert json.loads(done.stdout)["files"] == 3
