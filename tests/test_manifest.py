"""A manifest as a file: opened, refused, closed, copied."""

import contextlib
import os
import shutil
import sqlite3
from importlib import resources
from pathlib import Path

import pytest

from mirror.errors import ArchiveError, ManifestError
from mirror.manifest import Manifest, ManifestReader
from mirror.manifest.migrations import MIGRATIONS, VERSION
from mirror.manifest.open import APPLICATION_ID, migrate
from tests.test_manifest_desk import bytes_of, desk_at, names_in, photo


async def refused(path: Path) -> str:
    """The refusal to open a manifest, which must leave the file alone."""
    before = bytes_of(path)
    with pytest.raises(ManifestError) as caught:
        await Manifest.open(path, create=True)
    assert bytes_of(path) == before
    with pytest.raises(ManifestError):
        ManifestReader(path)
    assert bytes_of(path) == before
    return str(caught.value)


# -- opening --------------------------------------------------------------------------------------------------------


async def test_manifest_keeps_its_id_when_opened_again(tmp_path: Path) -> None:
    """A new manifest says that it is new, once, and has one id for ever."""
    path = tmp_path / "deep" / "manifest.sqlite"
    first = await Manifest.open(path, create=True)
    await first.aclose()
    second = await Manifest.open(path, create=False)
    await second.aclose()
    assert (first.is_new, second.is_new) == (True, False)
    assert first.archive_id == second.archive_id


async def test_manifest_is_not_made_when_only_asked_for(tmp_path: Path) -> None:
    """Opening what is not there is an error and leaves nothing behind."""
    with pytest.raises(ManifestError, match="no manifest here"):
        await Manifest.open(tmp_path / "manifest.sqlite", create=False)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("garbage", [b"", b"no database", b"SQLite format 3\0" + b"\xff" * 84, os.urandom(9000)])
async def test_garbage_is_refused_byte_for_byte(tmp_path: Path, garbage: bytes) -> None:
    """What is no manifest is neither used nor touched, and the way out is named."""
    path = tmp_path / "manifest.sqlite"
    path.write_bytes(garbage)
    assert "mirror rebuild" in await refused(path)


async def test_foreign_database_is_refused_byte_for_byte(tmp_path: Path) -> None:
    """Another program's SQLite file is not a manifest."""
    path = tmp_path / "manifest.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE asset (a)")
    assert f"application id 0, expected {APPLICATION_ID}" in await refused(path)


@pytest.mark.parametrize("journal", ["DELETE", "WAL"])
async def test_newer_manifest_is_refused_byte_for_byte(tmp_path: Path, journal: str) -> None:
    """A newer program's manifest is refused with both version numbers."""
    async with desk_at(tmp_path) as desk:
        path = desk.path
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode = {journal}")
        connection.execute(f"PRAGMA user_version = {VERSION + 6}")
    assert f"version {VERSION + 6}, but this program knows versions up to {VERSION}" in await refused(path)


async def test_transaction_that_was_cut_off_without_a_wal_is_taken_back(tmp_path: Path) -> None:
    """A kill while the WAL was being brought, or on a disk that has none, leaves a journal: the next opening uses it."""
    async with desk_at(tmp_path) as desk:
        path = desk.path
    left = tmp_path / "left" / path.name
    left.parent.mkdir()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in ("PRAGMA journal_mode = DELETE", "PRAGMA cache_size = 1", "BEGIN"):
            connection.execute(statement)
        connection.execute("DELETE FROM archive")
        connection.executemany("INSERT INTO photo_json VALUES (?, ?)", [(number, "x" * 3000) for number in range(50)])
        for side in ("", "-journal"):
            shutil.copy(f"{path}{side}", f"{left}{side}")
        connection.execute("ROLLBACK")
    manifest = await Manifest.open(left, create=True)
    await manifest.aclose()
    with ManifestReader(left) as reader:
        assert reader.archive_id() == manifest.archive_id
    assert "manifest.sqlite-journal" not in names_in(left.parent)


async def test_manifest_cut_short_is_refused_byte_for_byte(tmp_path: Path) -> None:
    """A file that lost its end is damaged, however sound its beginning looks."""
    async with desk_at(tmp_path) as desk:
        path = desk.path
    path.write_bytes(path.read_bytes()[:-4096])
    assert "cut short" in await refused(path)


async def test_damage_inside_is_refused_when_opened(tmp_path: Path) -> None:
    """A schema that cannot be read is damage, told without a traceback's worth of text."""
    async with desk_at(tmp_path) as desk:
        path = desk.path
    body = bytearray(path.read_bytes())
    body[100:4096] = os.urandom(3996)
    path.write_bytes(body)
    assert "mirror rebuild" in await refused(path)


async def test_lost_manifest_is_not_made_anew_beside_its_wal(tmp_path: Path) -> None:
    """Changes of a lost manifest must not leak into a new one."""
    (tmp_path / "manifest.sqlite-wal").write_bytes(b"changes")
    with pytest.raises(ManifestError, match="mirror rebuild"):
        await Manifest.open(tmp_path / "manifest.sqlite", create=True)


async def test_folder_that_cannot_be_made_is_an_archive_error(tmp_path: Path) -> None:
    """A file where the folder should be is told as what it is."""
    (tmp_path / "here").write_text("a file")
    with pytest.raises(ArchiveError):
        await Manifest.open(tmp_path / "here" / "manifest.sqlite", create=True)


def test_older_manifest_is_lifted_step_by_step(tmp_path: Path) -> None:
    """Each migration takes the file from one version to the next; a missing step is refused."""
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection, tmp_path, {0: "CREATE TABLE added (a)", 1: "INSERT INTO added VALUES (1)"})
        assert connection.execute("SELECT count(*) FROM added").fetchone() == (1,)
        assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)
        connection.execute("PRAGMA user_version = 0")
        with pytest.raises(ManifestError, match="manifest version 0, this program needs 2"):
            migrate(connection, tmp_path, {})


@pytest.mark.parametrize("version", range(1, VERSION))
def test_lifted_manifest_is_like_a_new_one(tmp_path: Path, version: int) -> None:
    """Whatever version a manifest began with, it ends with the same tables, columns, indexes and triggers."""
    old = (Path(__file__).parent / "schemas" / f"v{version}.sql").read_text("utf-8")
    new = resources.files("mirror.manifest").joinpath("schema.sql").read_text("utf-8")
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as lifted:
        lifted.executescript(f"{old};PRAGMA user_version = {version}")
        migrate(lifted, tmp_path, MIGRATIONS)
        with contextlib.closing(sqlite3.connect(":memory:")) as fresh:
            fresh.executescript(new)
            assert shape_of(lifted) == shape_of(fresh)


def shape_of(connection: sqlite3.Connection) -> dict[str, list[object]]:
    """Every table with its columns, and the names of all else."""
    rows = connection.execute("SELECT type || ' ' || name, name FROM sqlite_master").fetchall()
    return {kind: connection.execute(f"PRAGMA table_xinfo({name})").fetchall() for kind, name in rows}


# -- closing and copying --------------------------------------------------------------------------------------------


async def test_clean_close_leaves_one_file(tmp_path: Path) -> None:
    """After closing everything lies in the one file, so that it can be read where nothing can be written."""
    async with desk_at(tmp_path) as desk:
        await desk.run()
        await desk.read_listing(photo(1))
        assert "manifest.sqlite-wal" in names_in(tmp_path)
    await desk.manifest.aclose()
    assert names_in(tmp_path) == ["lock", "manifest.sqlite"]


async def test_opening_and_closing_changes_nothing(tmp_path: Path) -> None:
    """A look at the manifest, by a run with nothing to say or by a reader, leaves it byte for byte."""
    async with desk_at(tmp_path) as desk:
        await desk.run()
        await desk.read_listing(photo(1))
    before = bytes_of(desk.path)
    await (await Manifest.open(desk.path, create=False)).aclose()
    with ManifestReader(desk.path) as reader:
        assert reader.counts().photos == 1
    assert bytes_of(desk.path) == before
    assert names_in(tmp_path) == ["lock", "manifest.sqlite"]


async def test_snapshot_is_whole_and_stands_alone(tmp_path: Path) -> None:
    """A copy made during a run can be opened as a manifest, needs no side file, and replaces an older copy."""
    copy = tmp_path / "copy" / "manifest.sqlite"
    copy.parent.mkdir()
    copy.write_text("an older one")
    async with desk_at(tmp_path / "state") as desk:
        await desk.run()
        await desk.read_listing(photo(1), photo(2))
        await desk.manifest.snapshot(copy)
    assert names_in(copy.parent) == ["manifest.sqlite"]
    with ManifestReader(copy) as reader:
        assert reader.counts().photos == 2
        assert reader.archive_id() == desk.manifest.archive_id
    assert names_in(copy.parent) == ["manifest.sqlite"]
