"""What commands ask of a manifest: without a lock, during a run, and where nothing can be written."""

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from mirror.errors import ManifestError
from mirror.manifest import ManifestReader
from mirror.model import RaceDay
from tests.test_manifest_desk import DAY, HOST, RACE, Desk, desk, desk_at, names_in, photo

__all__ = ["desk"]

RECOUNT = """
SELECT race_id, race_day_id, '' AS variant, count(*), total(unlisted_at IS NOT NULL), 0, 0, 0, 0
FROM photo GROUP BY 1, 2
UNION ALL
SELECT race_id, race_day_id, variant, 0, 0, total(state = 'wanted'), total(state = 'stored'), total(state = 'gone'),
    total(iif(state = 'stored', size_bytes, 0))
FROM photo JOIN asset USING (photo_no) GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
"""
TALLY = "SELECT * FROM tally WHERE photos + wanted + stored + gone > 0 ORDER BY race_id, race_day_id, variant"


def test_reader_says_that_there_is_nothing(tmp_path: Path) -> None:
    """No manifest is a plain message, and none is made."""
    with pytest.raises(ManifestError, match="nothing was mirrored yet"):
        ManifestReader(tmp_path / "manifest.sqlite")
    assert list(tmp_path.iterdir()) == []


async def test_status_names_every_race_day(desk: Desk) -> None:
    """A race day that was never listed is there too; one that was says what is held and when."""
    await desk.read_listing(photo(1), photo(2), photo(3, race_day_id=9), watermark_ts=77)
    jobs = await desk.jobs()
    await desk.fetch(jobs[0])
    with ManifestReader(desk.path) as reader:
        other, this = sorted(reader.status(), key=lambda each: each.race_day_id)
        assert reader.counts().photos == 3
        assert reader.counts().races == 1
        (race,) = reader.races()
    assert race.days == (RaceDay(race_id=RACE, race_day_id=DAY, starts_on=date(2025, 5, 17), events=("10K", "5K")),)
    assert (this.race_name, this.race_day_id, this.starts_on) == ("Harbour 10K", DAY, date(2025, 5, 17))
    assert (this.photos, this.stored, this.wanted, this.gone, this.unlisted) == (2, 1, 1, 0, 0)
    assert (this.bytes, this.watermark_ts) == (len("bytes of 1"), 77)
    assert this.last_pass_at is not None
    assert this.last_pass_at == this.last_full_at
    assert (other.race_day_id, other.photos, other.wanted, other.last_pass_at) == (9, 1, 1, None)


async def test_tally_agrees_with_a_count_after_every_kind_of_change(desk: Desk) -> None:
    """Photos that move, vanish and come back, assets stored, lost, gone, deleted: the sums stay true."""
    photos = [photo(number) for number in range(1, 16)]
    steps = [
        (photos, ()),
        ([photo(1, race_day_id=9), *photos[1:]], (1, 2, 3)),
        (photos[:13], ()),
        (photos[:13], (4,)),
        (photos, ()),
    ]
    for listed, fetched in steps:
        await desk.run()
        await desk.read_listing(*listed)
        jobs = {job.photo_id: job for job in await desk.manifest.wanted(HOST, 0, 100)}
        await desk.fetch(*(jobs[each] for each in fetched if each in jobs))
        assert desk.ask(TALLY) == desk.ask(RECOUNT)
    await desk.manifest.want_again([1, 2], "vanished")
    assert desk.ask(TALLY) == desk.ask(RECOUNT)
    desk.ask("UPDATE asset SET state = 'gone' WHERE photo_no > 12 RETURNING 1")
    desk.ask("UPDATE photo SET race_day_id = 7, unlisted_at = 'x' WHERE photo_no > 12 RETURNING 1")
    assert desk.ask(TALLY) == desk.ask(RECOUNT)
    desk.ask("DELETE FROM asset WHERE photo_no > 10 RETURNING 1")
    desk.ask("DELETE FROM photo WHERE photo_no > 10 RETURNING 1")
    assert desk.ask(TALLY) == desk.ask(RECOUNT)


async def test_runs_come_newest_first(desk: Desk) -> None:
    """The last run is the one on now; earlier ones follow."""
    await desk.manifest.end_run(exit_code=0, new_photos=1, stored=2, stored_bytes=3, failed=4)
    await desk.run()
    with ManifestReader(desk.path) as reader:
        last, before = reader.runs(5)
        assert reader.last_run() == last
    assert (last.run_id, last.ended_at, last.exit_code) == (2, None, None)
    assert (before.exit_code, before.new_photos, before.stored, before.stored_bytes, before.failed) == (0, 1, 2, 3, 4)
    assert before.ended_at is not None


async def test_reader_writes_nothing_and_holds_nobody_up(desk: Desk) -> None:
    """A reader during a run sees what was written last, cannot write, and the run goes on."""
    with ManifestReader(desk.path) as reader:
        await desk.read_listing(photo(1))
        assert reader.counts().photos == 1
        with pytest.raises(sqlite3.OperationalError):
            reader._connection.execute("DELETE FROM photo")
        await desk.read_listing(photo(2))
        assert reader.counts().photos == 2


@contextlib.contextmanager
def nothing_can_be_written(folder: Path) -> Iterator[None]:
    """A folder as it would lie on read-only media."""
    folder.chmod(0o555)
    try:
        yield
    finally:
        folder.chmod(0o755)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
async def test_reader_needs_no_right_to_write(tmp_path: Path) -> None:
    """On read-only media a cleanly closed manifest is read as it is."""
    async with desk_at(tmp_path) as desk:
        await desk.run()
        await desk.read_listing(photo(1))
    with nothing_can_be_written(tmp_path), ManifestReader(desk.path) as reader:
        assert reader.counts().photos == 1


async def test_reader_leaves_nothing_beside_a_file_it_may_not_write(tmp_path: Path) -> None:
    """Where only the file is protected, SQLite's own files must not stay behind."""
    async with desk_at(tmp_path) as desk:
        await desk.run()
    desk.path.chmod(0o444)
    with ManifestReader(desk.path) as reader:
        assert reader.counts().photos == 0
    assert names_in(tmp_path) == ["lock", "manifest.sqlite"]


async def test_killed_runs_changes_are_seen(tmp_path: Path) -> None:
    """What a killed run left in the WAL belongs to the manifest."""
    copy = tmp_path / "copy"
    copy.mkdir()
    async with desk_at(tmp_path / "state") as desk:
        await desk.run()
        await desk.read_listing(photo(1))
        for suffix in ("", "-wal"):
            shutil.copy(f"{desk.path}{suffix}", copy / f"manifest.sqlite{suffix}")
    with ManifestReader(copy / "manifest.sqlite") as reader:
        assert reader.counts().photos == 1


async def test_version_of_a_killed_newer_run_is_found_in_its_wal(tmp_path: Path) -> None:
    """A newer version that stands only in the WAL is refused all the same, file and WAL untouched."""
    async with desk_at(tmp_path / "state") as desk:
        path = desk.path
    copy = tmp_path / "copy"
    copy.mkdir()
    with contextlib.closing(sqlite3.connect(path)) as newer:
        newer.execute("PRAGMA user_version = 9")
        for suffix in ("", "-wal"):
            shutil.copy(f"{path}{suffix}", copy / f"manifest.sqlite{suffix}")
    before = {each.name: each.read_bytes() for each in copy.iterdir() if not each.name.endswith("-shm")}
    with pytest.raises(ManifestError, match="version 9"):
        ManifestReader(copy / "manifest.sqlite")
    assert {each.name: each.read_bytes() for each in copy.iterdir() if not each.name.endswith("-shm")} == before
