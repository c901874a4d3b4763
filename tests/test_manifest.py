"""A manifest as a file: opened, refused, locked, closed, copied."""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from mirror.errors import ArchiveError, ManifestError
from mirror.hosts import host_of as host_asked
from mirror.manifest import Manifest, ManifestReader, Planned, Selected, Unlisted
from mirror.manifest.ledger import translate
from mirror.manifest.open import APPLICATION_ID, VERSION, migrate
from mirror.manifest.text import address_of, host_of, without_query
from mirror.model import (
    Content,
    Failed,
    Fetched,
    Job,
    Page,
    PassKind,
    Photo,
    Race,
    RaceDay,
    Reject,
    Scope,
    Stored,
    Variant,
)

RACE, DAY = 48211, 34168
HOST = "pictures.example"
SERVED_TS = 1_800_000_000


# -- what the manifest's tests share --------------------------------------------------------------------------------


def photo(photo_id: int, **changes: Any) -> Photo:
    """One photo with a thumbnail; its JSON says all that its fields say."""
    variants = changes.pop("variants", {"thumbnail": f"https://{HOST}/thumbs/{photo_id}.jpg"})
    facts = {
        "race_day_id": DAY,
        "album_id": "311",
        "bibs": ("12",),
        "uploaded_filename": "IMG_1.JPG",
        "uploaded_ts": 1_730_000_000,
        **changes,
    }
    record = json.dumps({"photo_id": photo_id, "variants": variants, **facts})
    offered = tuple(Variant(name=name, url=url) for name, url in variants.items())
    return Photo(photo_id=photo_id, variants=offered, json=record, **facts)


def variants_of(record: str) -> tuple[Variant, ...]:
    """What `photo` wrote into the JSON."""
    return tuple(Variant(name=name, url=url) for name, url in json.loads(record)["variants"].items())


def page_of(*photos: Photo, rejects: tuple[Reject, ...] = ()) -> Page:
    """One page of a listing."""
    return Page(number=1, photos=photos, rejects=rejects, rows=len(photos), served_ts=SERVED_TS)


def content_of(job: Job, body: bytes = b"", extension: str = "jpg") -> Content:
    """What a check would find of a body."""
    body = body or f"bytes of {job.asset_id}".encode()
    return Content(size_bytes=len(body), sha256=sha256(body).digest(), extension=extension)


@dataclass
class Desk:
    """A manifest with the usual moves of a run."""

    manifest: Manifest
    path: Path
    selected: Sequence[Selected] = field(
        default_factory=lambda: [Selected(race_id=RACE, race_day_ids=(DAY,), variants=("thumbnail",))]
    )

    async def run(self, *selected: Selected) -> int:
        """Begin a run, with another selection if one is given."""
        self.selected = selected or self.selected
        await self.manifest.begin_run("sync")
        return await self.manifest.select(self.selected, variants_of=variants_of)

    async def read_listing(
        self, *photos: Photo, day: int = DAY, scope: Scope | None = None, kind: PassKind = "full",
        is_complete: bool = True, watermark_ts: int | None = None,
    ) -> tuple[Planned, Unlisted]:  # fmt: skip
        """One pass of one page."""
        pass_id = await self.manifest.begin_pass(RACE, day, scope or Scope(), kind, None)
        planned = await self.manifest.plan(pass_id, page_of(*photos))
        unlisted = await self.manifest.end_pass(
            pass_id, is_complete=is_complete, reason="", watermark_ts=watermark_ts, albums="[]", photos=len(photos)
        )
        return planned, unlisted

    async def jobs(self) -> list[Job]:
        """Everything that is to be fetched."""
        found: list[Job] = []
        for host in await self.manifest.hosts():
            found += await self.manifest.wanted(host, 0, 1000)
        return found

    async def fetch(self, *jobs: Job, body: bytes = b"", extension: str = "jpg") -> list[str]:
        """Take jobs to their end; returns the keys."""
        group = [Fetched(job=job, content=content_of(job, body, extension), draft=str(job.asset_id)) for job in jobs]
        commits = await self.manifest.prepare_commit(group)
        stored = [Stored(job=each.fetched.job, content=each.fetched.content, key=each.key) for each in commits]
        await self.manifest.record(stored, [])
        return [each.key for each in commits]

    def ask(self, query: str, *values: object) -> list[Any]:
        """Ask the file itself, as anybody may: one value a row, or the row."""
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            rows = connection.execute(query, values).fetchall()
            connection.commit()
        return [row[0] if len(row) == 1 else row for row in rows]


@contextlib.asynccontextmanager
async def desk_at(folder: Path, **options: Any) -> AsyncIterator[Desk]:
    """A manifest in a folder, with one race, closed at the end."""
    path = folder / "manifest.sqlite"
    manifest = await Manifest.open(path, create=True, **options)
    try:
        day = RaceDay(race_id=RACE, race_day_id=DAY, starts_on=date(2025, 5, 17), events=("10K", "5K"))
        if await manifest.race(RACE) is None:
            await manifest.note_race(Race(race_id=RACE, name="Harbour 10K", days=(day,)))
        yield Desk(manifest=manifest, path=path)
    finally:
        await manifest.aclose()


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """A manifest in a run, with one race day and its thumbnails selected."""
    async with desk_at(tmp_path) as opened:
        await opened.run()
        yield opened


async def refused(path: Path) -> str:
    """The refusal to open a manifest, which must leave the file alone."""
    before = path.read_bytes()
    with pytest.raises(ManifestError) as caught:
        await Manifest.open(path, create=True)
    assert path.read_bytes() == before
    with pytest.raises(ManifestError):
        ManifestReader(path)
    assert path.read_bytes() == before
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
    assert list(tmp_path.iterdir()) == []


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
        migrate(connection, tmp_path, {0: "CREATE TABLE added (a)"})
        assert connection.execute("SELECT count(*) FROM added").fetchone() == (0,)
        assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)
        connection.execute("PRAGMA user_version = 0")
        with pytest.raises(ManifestError, match="manifest version 0, this program needs 1"):
            migrate(connection, tmp_path, {})


# -- one writer -----------------------------------------------------------------------------------------------------

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
def another_run(path: Path) -> Any:
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
    assert sorted(each.name for each in tmp_path.iterdir()) == ["lock", "manifest.sqlite"]


async def test_waiting_for_the_lock_ends_when_the_other_run_does(tmp_path: Path) -> None:
    """With time to wait, the second run follows the first."""
    path = tmp_path / "manifest.sqlite"
    with another_run(path) as holder:
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
        (sqlite3.SQLITE_BUSY_SNAPSHOT, ManifestError),
        (sqlite3.SQLITE_LOCKED, ManifestError),
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


# -- closing and copying --------------------------------------------------------------------------------------------


async def test_clean_close_leaves_one_file(tmp_path: Path) -> None:
    """After closing everything lies in the one file, so that it can be read where nothing can be written."""
    async with desk_at(tmp_path) as desk:
        await desk.run()
        await desk.read_listing(photo(1))
        assert (tmp_path / "manifest.sqlite-wal").exists()
    await desk.manifest.aclose()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["lock", "manifest.sqlite"]


async def test_opening_and_closing_changes_nothing(tmp_path: Path) -> None:
    """A look at the manifest, by a run with nothing to say or by a reader, leaves it byte for byte."""
    async with desk_at(tmp_path) as desk:
        await desk.run()
        await desk.read_listing(photo(1))
    before = desk.path.read_bytes()
    await (await Manifest.open(desk.path, create=False)).aclose()
    with ManifestReader(desk.path) as reader:
        assert reader.counts().photos == 1
    assert desk.path.read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["lock", "manifest.sqlite"]


async def test_snapshot_is_whole_and_stands_alone(tmp_path: Path) -> None:
    """A copy made during a run can be opened as a manifest, needs no side file, and replaces an older copy."""
    copy = tmp_path / "copy" / "manifest.sqlite"
    copy.parent.mkdir()
    copy.write_text("an older one")
    async with desk_at(tmp_path / "state") as desk:
        await desk.run()
        await desk.read_listing(photo(1), photo(2))
        await desk.manifest.snapshot(copy)
    assert [each.name for each in copy.parent.iterdir()] == ["manifest.sqlite"]
    with ManifestReader(copy) as reader:
        assert reader.counts().photos == 2
        assert reader.archive_id() == desk.manifest.archive_id
    assert [each.name for each in copy.parent.iterdir()] == ["manifest.sqlite"]


@pytest.mark.parametrize(
    "url",
    [
        "https://A.Example/x.jpg",
        "https://a.example:443/x.jpg?sig=1",
        "http://a.example:80/x",
        "http://a.example:8080",
        "https://user:secret@a.example./x#part",
        "https://[::1]:8443/x",
        "https://a.example:port/x",
        "HTTPS://a.example?x",
    ],
)
def test_host_is_named_as_the_transport_names_it(url: str) -> None:
    """A host that is held or tripped must be found under the name that its jobs carry."""
    assert host_of(url) == host_asked(url)


def test_address_is_host_and_path() -> None:
    """Scheme, query and signature do not make another address; host and path do."""
    same = ["https://a.example/x.jpg", "http://A.example/x.jpg?sig=1", "https://a.example:443/x.jpg#top"]
    assert {address_of(url) for url in same} == {"a.example/x.jpg"}
    assert address_of("https://b.example/x.jpg") != address_of("https://a.example/y.jpg")
    assert without_query("https://me:secret@a.example/x.jpg?sig=1") == "https://a.example/x.jpg"
