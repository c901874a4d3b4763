"""Opening a manifest: lock, checks that change nothing, creation, migration."""

import os
import secrets
import sqlite3
import sys
from contextlib import closing
from importlib import resources
from pathlib import Path

from mirror.errors import ArchiveError, ManifestError, NewerError
from mirror.manifest.ledger import WAY_OUT, Ledger, translated
from mirror.manifest.lock import Lock
from mirror.manifest.migrations import MIGRATIONS, VERSION
from mirror.manifest.text import cleaned, now_text

APPLICATION_ID = 0x4D495252  # "MIRR"

_BUSY_S = 5.0
_MAGIC = b"SQLite format 3\0"
_HEADER_BYTES = 100
_CACHE_KIB = 8 * 1024

_SELECTED = """
CREATE TEMP TABLE selected (
    race_id INTEGER, race_day_id INTEGER, variant TEXT, album_id TEXT, with_participants INTEGER,
    PRIMARY KEY (race_id, race_day_id, variant, album_id, with_participants)
) WITHOUT ROWID
"""

_CHOSEN = "CREATE TEMP TABLE chosen (asset_id INTEGER PRIMARY KEY)"


def uri_of(path: Path, options: str) -> str:
    """Write a path so that SQLite opens that file and nothing else."""
    return f"{path.absolute().as_uri()}?{options}"


def open_ledger(
    path: Path,
    *,
    create: bool,
    program: str,
    template: str,
    lock_wait_s: float,
    is_on_network: bool,
    keeps_versions: bool,
) -> Ledger:
    """Open, check and lock; see `mirror.manifest.Manifest.open`."""
    if create:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ArchiveError(f"{path.parent}: cannot be made: {error.strerror}") from error
    elif not path.exists():
        raise ManifestError(f"{path}: no manifest here")
    lock = Lock(path.parent / "lock", wait_s=lock_wait_s)
    try:
        is_new = create and not path.exists()
        if is_new:
            _make(path, program)
        check_file(path)
        _refuse_snapshot(path)
        connection, is_wal = _connect(path, can_wal=not is_on_network)
        try:
            archive_id = _check_content(connection, path)
            connection.execute(_SELECTED)
            connection.execute(_CHOSEN)
        except BaseException:
            connection.close()
            raise
    except BaseException:
        lock.release()
        raise
    return Ledger(
        connection=connection, lock=lock, path=path, is_wal=is_wal, program=program, template=template,
        archive_id=archive_id, is_new=is_new, keeps_versions=keeps_versions,
    )  # fmt: skip


# -- a new one ------------------------------------------------------------------------------------------------------


def _make(path: Path, program: str) -> None:
    """Make it under another name first: a manifest is there as a whole or not at all."""
    if side_file(path, "-wal").exists():
        raise ManifestError(f"{path}: lost, but {path.name}-wal beside it is a part of it: {WAY_OUT}")
    draft = path.with_name(f"{path.name}.new")
    schema = resources.files("mirror.manifest").joinpath("schema.sql").read_text(encoding="utf-8")
    try:
        draft.unlink(missing_ok=True)
        with translated(draft), closing(sqlite3.connect(draft, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = OFF")
            connection.execute("PRAGMA synchronous = OFF")
            connection.executescript(f"BEGIN;{schema}")
            connection.execute(
                "INSERT INTO archive (archive_id, created_at, created_by) VALUES (?, ?, ?)",
                (secrets.token_hex(16), now_text(), program),
            )
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute("COMMIT")
        publish(draft, path)
    except OSError as error:
        raise ArchiveError(f"{path}: cannot be made: {error.strerror}") from error


def publish(draft: Path, path: Path) -> None:
    """Flush a finished file and give it its name, durably."""
    _flush(draft)
    draft.replace(path)
    if sys.platform != "win32":
        _flush(path.parent)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY if sys.platform != "win32" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# -- checks ---------------------------------------------------------------------------------------------------------


def side_file(path: Path, suffix: str) -> Path:
    """Name a file that SQLite keeps beside the manifest."""
    return path.with_name(path.name + suffix)


def _has_side_file(path: Path) -> bool:
    """Whether a killed run left changes that are not yet in the file itself."""
    sides = (side_file(path, "-wal"), side_file(path, "-journal"))
    return any(side.exists() and side.stat().st_size for side in sides)


def check_file(path: Path) -> None:
    """Refuse what is no manifest, or one of a newer program, before SQLite may touch it.

    Raises:
        ManifestError: Garbage, cut short, foreign, or newer.
    """
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
            size = os.fstat(file.fileno()).st_size
        has_side_file = _has_side_file(path)
    except OSError as error:
        raise ArchiveError(f"{path}: cannot be read: {error.strerror}") from error
    if len(header) < _HEADER_BYTES or not header.startswith(_MAGIC):
        raise ManifestError(f"{path}: no manifest, but something else or damaged; it was left as it is: {WAY_OUT}")
    _judge(path, int.from_bytes(header[68:72], "big"), int.from_bytes(header[60:64], "big"))
    if has_side_file:
        _judge_with_side_file(path)
        return
    page_bytes = int.from_bytes(header[16:18], "big")
    page_bytes = 65536 if page_bytes == 1 else page_bytes
    expected = int.from_bytes(header[28:32], "big") * page_bytes
    if size < expected and header[24:28] == header[92:96]:
        raise ManifestError(f"{path}: cut short at {size} bytes, expected {expected}; it was left as it is: {WAY_OUT}")


def _judge(path: Path, application_id: int, version: int) -> None:
    if application_id != APPLICATION_ID:
        raise ManifestError(
            f"{path}: an SQLite file of another program (application id {application_id}, expected {APPLICATION_ID}); "
            f"it was left as it is: {WAY_OUT}"
        )
    if version > VERSION:
        raise NewerError(
            f"{path}: manifest version {version}, but this program knows versions up to {VERSION}: "
            "use the newer program; the file was left as it is"
        )


def _judge_with_side_file(path: Path) -> None:
    """Judge again with what a killed run had not brought into the file; reading alone changes nothing."""
    with translated(path), closing(sqlite3.connect(uri_of(path, "mode=ro"), uri=True, timeout=_BUSY_S)) as connection:
        try:
            application_id = connection.execute("PRAGMA application_id").fetchone()[0]
            version = connection.execute("PRAGMA user_version").fetchone()[0]
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_READONLY_ROLLBACK:
                raise
            # Killed or cut off in the midst of a transaction without a WAL, such as the one that brings the WAL. Only
            # opening for writing takes it back; the file's own header was found right.
            return
    _judge(path, application_id, version)


def _refuse_snapshot(path: Path) -> None:
    """Let nobody write a copy as if it were the manifest: the two would go different ways. Changes nothing."""
    if _has_side_file(path):  # no copy has one
        return
    with translated(path), closing(sqlite3.connect(uri_of(path, "immutable=1"), uri=True)) as connection:
        if not connection.execute("SELECT 1 FROM pragma_table_info('archive') WHERE name = 'snapshot_of'").fetchone():
            return
        rows = connection.execute("SELECT snapshot_of, snapshot_at FROM archive WHERE snapshot_of NOTNULL").fetchall()
    for snapshot_of, snapshot_at in rows:
        raise ManifestError(
            f"{path}: a snapshot of {snapshot_at}; the manifest itself lies at {cleaned(snapshot_of)}: set "
            "archive.state_dir to its folder, or make a manifest of the snapshot with 'mirror rebuild'"
        )


def _check_content(connection: sqlite3.Connection, path: Path) -> str:
    """Touch the ends of the tables: a few pages, whatever the file's size. Returns the archive's id."""
    with translated(path):
        migrate(connection, path, MIGRATIONS)
        rows = connection.execute("SELECT archive_id FROM archive").fetchall()
        for table in ("race", "photo", "photo_json", "asset", "pass", "run"):
            connection.execute(f"SELECT max(rowid) FROM {table}").fetchone()  # noqa: S608 - our own names
    if len(rows) != 1:
        raise ManifestError(f"{path}: damaged, {len(rows)} archives in it, expected 1: {WAY_OUT}")
    return str(rows[0][0])


def migrate(connection: sqlite3.Connection, path: Path, migrations: dict[int, str]) -> None:
    """Lift an older manifest to this program's version, step by step, each step as a whole or not at all."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    while version < VERSION:
        if version not in migrations:
            raise ManifestError(f"{path}: manifest version {version}, this program needs {VERSION}: {WAY_OUT}")
        connection.executescript(f"BEGIN IMMEDIATE;{migrations[version]};PRAGMA user_version = {version + 1};COMMIT")
        version += 1


# -- the connection -------------------------------------------------------------------------------------------------


def _connect(path: Path, *, can_wal: bool) -> tuple[sqlite3.Connection, bool]:
    with translated(path):
        connection = sqlite3.connect(
            uri_of(path, "mode=rw"), uri=True, timeout=_BUSY_S, isolation_level=None, cached_statements=256
        )
        try:
            mode = _journal(connection, "WAL" if can_wal else "DELETE")
            connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            connection.execute("PRAGMA temp_store = MEMORY")
            connection.execute("PRAGMA foreign_keys = OFF")
            connection.execute("PRAGMA secure_delete = OFF")
            if sys.platform == "darwin":
                # Elsewhere a plain fsync reaches the disk.
                connection.execute("PRAGMA fullfsync = ON")
                connection.execute("PRAGMA checkpoint_fullfsync = ON")
        except BaseException:
            connection.close()
            raise
    return connection, mode == "wal"


def _journal(connection: sqlite3.Connection, wish: str) -> str:
    """Ask for a WAL, so that readers and the writer do not wait for each other; some disks cannot have one."""
    try:
        mode: str = connection.execute(f"PRAGMA journal_mode = {wish}").fetchone()[0]
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
            raise
        mode = connection.execute("PRAGMA journal_mode = DELETE").fetchone()[0]
    return mode
