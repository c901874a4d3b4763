"""What `forget` asks and does: a photo leaves every table but one row that keeps it from coming back."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from mirror.errors import ManifestError
from mirror.manifest.changes import FRESH_START
from mirror.manifest.ledger import Ledger, translated
from mirror.manifest.text import id_list, now_text

_DOOMED = "SELECT photo_no, race_id, photo_id FROM photo WHERE "
_CHECKPOINT_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class DoomedFile:
    """One variant of a photo to be forgotten."""

    asset_id: int
    variant: str
    state: str
    key: str | None
    size_bytes: int | None
    sha256: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DoomedPhoto:
    """A photo to be forgotten, with all that the manifest knows to lie somewhere."""

    photo_no: int
    race_id: int
    photo_id: int
    bibs: tuple[str, ...]
    files: tuple[DoomedFile, ...]
    versions: tuple[str, ...]
    """Keys of earlier bytes, and of foreign things that lay under its keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRow:
    """A place outside the tree that this program has written copies to."""

    path: str
    kind: str


# -- reading --------------------------------------------------------------------------------------------------------


def photos_by_id(connection: sqlite3.Connection, photo_ids: Sequence[int], race_id: int | None) -> list[DoomedPhoto]:
    """Read photos by the source's ids; one id may mean photos of several races."""
    where = "photo_id IN (SELECT value FROM json_each(?)) AND (? IS NULL OR race_id = ?) ORDER BY race_id, photo_id"
    return _doomed(connection, connection.execute(_DOOMED + where, (id_list(photo_ids), race_id, race_id)))


def photos_by_bib(connection: sqlite3.Connection, bib: str, race_id: int | None) -> list[DoomedPhoto]:
    """Read all photos that show a bib."""
    where = (
        "photo_no IN (SELECT photo_no FROM bib WHERE bib = ?) AND (? IS NULL OR race_id = ?) ORDER BY race_id, photo_id"
    )
    return _doomed(connection, connection.execute(_DOOMED + where, (bib, race_id, race_id)))


def half_forgotten(connection: sqlite3.Connection) -> list[DoomedPhoto]:
    """Read photos that a killed run began to forget."""
    where = (
        "(race_id, photo_id) IN (SELECT race_id, photo_id FROM tombstone WHERE finished_at IS NULL) "
        "ORDER BY race_id, photo_id"
    )
    return _doomed(connection, connection.execute(_DOOMED + where))


def _doomed(connection: sqlite3.Connection, rows: Iterable[tuple[int, int, int]]) -> list[DoomedPhoto]:
    found = []
    for photo_no, race_id, photo_id in list(rows):
        bibs = connection.execute("SELECT bib FROM bib WHERE photo_no = ? ORDER BY position", (photo_no,))
        files = connection.execute(
            "SELECT asset_id, variant, state, key, size_bytes, sha256 FROM asset WHERE photo_no = ? ORDER BY asset_id",
            (photo_no,),
        )
        versions = connection.execute(
            "SELECT v.key FROM version AS v JOIN asset USING (asset_id) WHERE photo_no = ?", (photo_no,)
        )
        found.append(
            DoomedPhoto(
                photo_no=photo_no,
                race_id=race_id,
                photo_id=photo_id,
                bibs=tuple(row[0] for row in bibs),
                files=tuple(
                    DoomedFile(asset_id=row[0], variant=row[1], state=row[2], key=row[3], size_bytes=row[4],
                               sha256=row[5])
                    for row in files
                ),
                versions=tuple(row[0] for row in versions),
            )
        )  # fmt: skip
    return found


def unfinished(connection: sqlite3.Connection) -> int:
    """Count photos whose forgetting was begun and not brought to its end."""
    count: int = connection.execute("SELECT count(*) FROM tombstone WHERE finished_at IS NULL").fetchone()[0]
    return count


def forgotten(connection: sqlite3.Connection, photo_ids: Sequence[int], race_id: int | None) -> set[int]:
    """Tell which of these photos were forgotten before."""
    query = (
        "SELECT photo_id FROM tombstone WHERE photo_id IN (SELECT value FROM json_each(?)) "
        "AND (? IS NULL OR race_id = ?)"
    )
    return {row[0] for row in connection.execute(query, (id_list(photo_ids), race_id, race_id))}


def exports(connection: sqlite3.Connection) -> list[ExportRow]:
    """Read where copies were written to; manifests of the first version had no such register."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'export'").fetchone():
        return []
    return [ExportRow(path=path, kind=kind) for path, kind in connection.execute("SELECT path, kind FROM export")]


# -- writing, in this order -----------------------------------------------------------------------------------------


def bury(ledger: Ledger, photos: Sequence[DoomedPhoto]) -> None:
    """Set tombstones, and want nothing of the photos any more: from here on no run brings them back."""
    run = ledger.connection
    run.executemany(
        "INSERT INTO tombstone (race_id, photo_id, forgotten_at) VALUES (?, ?, ?) "
        "ON CONFLICT DO UPDATE SET finished_at = NULL",
        [(each.race_id, each.photo_id, now_text()) for each in photos],
    )
    ids = id_list(each.photo_no for each in photos)
    run.execute(
        f"UPDATE asset SET state = 'gone', wanted_no = NULL, {FRESH_START} "  # noqa: S608 - our own text
        "WHERE photo_no IN (SELECT value FROM json_each(?))",
        (ids,),
    )


def erase(ledger: Ledger, photos: Sequence[DoomedPhoto]) -> int:
    """Delete every row about the photos; says how many entries of the history were among them."""
    run = ledger.connection
    photo_nos = id_list(each.photo_no for each in photos)
    assets = "(SELECT asset_id FROM asset WHERE photo_no IN (SELECT value FROM json_each(?)))"
    _erase_rejects(run, photos)
    run.execute(f"DELETE FROM version WHERE asset_id IN {assets}", (photo_nos,))  # noqa: S608 - our own text
    run.execute(f"DELETE FROM committing WHERE asset_id IN {assets}", (photo_nos,))  # noqa: S608 - our own text
    # Assets before their photo: the tally asks it which race day they belonged to.
    for table in ("bib", "photo_json", "asset", "photo"):
        run.execute(f"DELETE FROM {table} WHERE photo_no IN (SELECT value FROM json_each(?))", (photo_nos,))  # noqa: S608
    pairs = [(each.race_id, each.photo_id) for each in photos]
    return max(0, run.executemany("DELETE FROM history WHERE race_id = ? AND photo_id = ?", pairs).rowcount)


def _erase_rejects(run: sqlite3.Connection, photos: Sequence[DoomedPhoto]) -> None:
    """Delete records that could not be used: of the photos, and those without an id that hold one of their URLs."""
    run.executemany(
        "DELETE FROM reject WHERE race_id = ? AND photo_id = ?", [(each.race_id, each.photo_id) for each in photos]
    )
    for each in photos:
        urls = run.execute("SELECT url FROM asset WHERE photo_no = ?", (each.photo_no,)).fetchall()
        for path in {urlsplit(url).path.rpartition("/")[2] for (url,) in urls} - {""}:
            # As JSON writes it, with or without slashes escaped: the last part of the path holds none.
            shown = json.dumps(path)[1:-1]
            run.execute(
                "DELETE FROM reject WHERE race_id = ? AND photo_id = 0 AND instr(json, ?) > 0", (each.race_id, shown)
            )


def scrub(ledger: Ledger) -> None:
    """Make the file anew without what was deleted, and empty the log beside it.

    Raises:
        ManifestError: Another program reads the manifest and holds the log; nothing is lost, it has to be done again.
    """
    connection = ledger.connection
    with translated(ledger.path):
        # The file is as large as the archive's knowledge: its copy belongs on a disk, not into memory.
        connection.execute("PRAGMA temp_store = FILE")
        connection.execute("VACUUM")
        connection.execute("PRAGMA temp_store = MEMORY")
        for _ in range(_CHECKPOINT_TRIES if ledger.is_wal else 0):
            if not connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                return
    if ledger.is_wal:
        raise ManifestError(
            f"{ledger.path}: another program reads it, so that its log cannot be emptied: "
            "end that program and type the same command again"
        )


def finish(ledger: Ledger) -> int:
    """Note that nothing is left of the photos with tombstones; says of how many that became true."""
    return ledger.connection.execute(
        "UPDATE tombstone SET finished_at = ? WHERE finished_at IS NULL", (now_text(),)
    ).rowcount
