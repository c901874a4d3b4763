"""One writer: who holds the archive, what another program's lock costs, what a failing disk leaves."""

import contextlib
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from mirror.errors import ArchiveError, InUseError, ManifestError
from mirror.manifest import Manifest, ManifestReader
from mirror.manifest.ledger import translate
from mirror.model import Race, Scope
from tests.test_manifest_desk import DAY, RACE, Desk, desk, names_in, page_of, photo

__all__ = ["desk"]

HOLDER = textwrap.dedent("""
    import asyncio, pathlib, sys
    from mirror.manifest import Manifest
    async def main():
        manifest = await Manifest.open(pathlib.Path(sys.argv[1]), create=True)
        await manifest.begin_run("sync")
        print("open", flush=True)
        sys.stdin.read()
        await manifest.aclose()
    asyncio.run(main())
""")


@contextlib.contextmanager
def another_run(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that holds the manifest open."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        try:
            yield process
        finally:
            process.kill()


async def test_second_run_is_told_who_holds_the_archive(tmp_path: Path) -> None:
    """Two runs on one archive: the second leaves at once and names the first."""
    path = tmp_path / "manifest.sqlite"
    with another_run(path) as holder:
        with pytest.raises(ManifestError, match=f"in use by another run .pid {holder.pid} on "):
            await Manifest.open(path, create=True)
        with ManifestReader(path) as reader:
            last = reader.last_run()
            assert last is not None
            assert last.ended_at is None


async def test_killed_run_leaves_no_lock(tmp_path: Path) -> None:
    """After kill -9 the next run opens the manifest, with what the killed one had written."""
    path = tmp_path / "manifest.sqlite"
    with another_run(path) as holder:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        manifest = await Manifest.open(path, create=False)
        assert await manifest.begin_run("sync") == 2
        await manifest.aclose()
    assert names_in(tmp_path) == ["lock", "manifest.sqlite"]


async def test_waiting_for_the_lock_ends_when_the_other_run_does(tmp_path: Path) -> None:
    """With time to wait, the second run follows the first."""
    path = tmp_path / "manifest.sqlite"
    with another_run(path) as holder:
        assert holder.stdin is not None
        holder.stdin.close()
        manifest = await Manifest.open(path, create=False, lock_wait_s=60)
        await manifest.aclose()


async def test_lock_file_is_never_followed_through_a_link(tmp_path: Path) -> None:
    """A planted link in place of the lock is refused, and its target stays what it was."""
    target = tmp_path / "precious"
    target.write_text("mine")
    archive = tmp_path / "archive"
    archive.mkdir()
    (archive / "lock").symlink_to(target)
    with pytest.raises(ArchiveError):
        await Manifest.open(archive / "manifest.sqlite", create=True)
    assert target.read_text() == "mine"


async def test_other_programs_lock_is_told_cleanly(desk: Desk) -> None:
    """A database tool that holds the file costs a bounded wait and a plain message; afterwards all goes on."""
    with contextlib.closing(sqlite3.connect(desk.path, isolation_level=None)) as tool:
        tool.execute("BEGIN IMMEDIATE")
        await desk.manifest._run(lambda: desk.manifest._ledger.connection.execute("PRAGMA busy_timeout = 10"))
        with pytest.raises(ManifestError, match="in use by another program"):
            await desk.manifest.note_race(Race(race_id=1, name="Other"))
        tool.execute("ROLLBACK")
    await desk.manifest.note_race(Race(race_id=1, name="Other"))
    assert [race.race_id for race in await desk.manifest.races()] == [1, RACE]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (sqlite3.SQLITE_FULL, ArchiveError),
        (sqlite3.SQLITE_IOERR_WRITE, ArchiveError),
        (sqlite3.SQLITE_READONLY_DIRECTORY, ArchiveError),
        (sqlite3.SQLITE_CANTOPEN, ArchiveError),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, InUseError),
        (sqlite3.SQLITE_LOCKED, InUseError),
        (sqlite3.SQLITE_CORRUPT_INDEX, ManifestError),
        (sqlite3.SQLITE_NOTADB, ManifestError),
        (sqlite3.SQLITE_CONSTRAINT_UNIQUE, ManifestError),
    ],
)
def test_sqlite_error_is_sorted_by_consequence(code: int, kind: type[Exception]) -> None:
    """What the disk refuses ends the run as storage, the rest as the manifest's; neither repeats SQLite's text."""
    error = sqlite3.OperationalError("secret value")
    error.sqlite_errorcode, error.sqlite_errorname = code, "SQLITE_SOMETHING"
    translated = translate(error, Path("manifest.sqlite"))
    assert type(translated) is kind
    assert "secret" not in str(translated)


async def test_full_disk_rolls_the_transaction_back(desk: Desk) -> None:
    """A page that does not fit is planned not at all, is told as a full disk, and fits later."""
    connection = desk.manifest._ledger.connection
    (pages,) = await desk.manifest._run(lambda: connection.execute("PRAGMA page_count").fetchone())
    await desk.manifest._run(lambda: connection.execute(f"PRAGMA max_page_count = {pages}").fetchone())
    pass_id = await desk.manifest.begin_pass(RACE, DAY, Scope(), "full", None)
    page = page_of(*(photo(number) for number in range(1, 301)))
    with pytest.raises(ArchiveError, match="disk is full"):
        await desk.manifest.plan(pass_id, page)
    assert desk.ask("SELECT count(*) FROM photo") == [0]
    await desk.manifest._run(lambda: connection.execute("PRAGMA max_page_count = 1000000").fetchone())
    assert (await desk.manifest.plan(pass_id, page)).new_photos == 300
