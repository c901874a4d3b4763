"""What `prune` asks and notes: photos that were unlisted for long, and versions that are old."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from mirror.manifest.changes import FRESH_START
from mirror.manifest.ledger import Ledger
from mirror.manifest.recording import drop_versions
from mirror.manifest.text import id_list, now_text

_UNLISTED = "p.unlisted_at IS NOT NULL AND p.unlisted_at <= :before"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prunable:
    """A file that may go, and whose it is."""

    row_id: int
    """Of the asset, or of the version."""
    key: str
    size_bytes: int
    sha256: bytes | None
    race_id: int
    race_day_id: int
    photo_id: int
    variant: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DayShare:
    """How much of a race day would go."""

    race_id: int
    race_day_id: int
    photos: int
    """Photos that the archive holds a file of."""
    pruned: int
    """Those of them that would go."""


def unlisted_files(connection: sqlite3.Connection, before: str) -> list[Prunable]:
    """Read stored assets of photos that are unlisted since before a moment."""
    query = (
        "SELECT a.asset_id, a.key, a.size_bytes, a.sha256, p.race_id, p.race_day_id, p.photo_id, a.variant "  # noqa: S608
        f"FROM photo AS p JOIN asset AS a USING (photo_no) WHERE {_UNLISTED} AND a.key IS NOT NULL "
        "AND a.sha256 IS NOT NULL ORDER BY a.asset_id"
    )
    return _prunable(connection, query, {"before": before})


def versions_before(connection: sqlite3.Connection, before: str, whys: Sequence[str]) -> list[Prunable]:
    """Read versions that were replaced before a moment."""
    query = (
        "SELECT v.version_id, v.key, coalesce(v.size_bytes, 0), v.sha256, p.race_id, p.race_day_id, p.photo_id, "
        "a.variant FROM version AS v JOIN asset AS a USING (asset_id) JOIN photo AS p USING (photo_no) "
        "WHERE v.replaced_at <= :before AND v.why IN (SELECT value FROM json_each(:whys)) ORDER BY v.version_id"
    )
    return _prunable(connection, query, {"before": before, "whys": json.dumps(whys)})


def _prunable(connection: sqlite3.Connection, query: str, values: dict[str, str]) -> list[Prunable]:
    return [
        Prunable(
            row_id=row[0], key=row[1], size_bytes=row[2], sha256=row[3], race_id=row[4], race_day_id=row[5],
            photo_id=row[6], variant=row[7],
        )
        for row in connection.execute(query, values)
    ]  # fmt: skip


def day_shares(connection: sqlite3.Connection, before: str) -> list[DayShare]:
    """Say for each race day with photos to go how many photos it holds and how many would go."""
    query = (
        f"SELECT p.race_id, p.race_day_id, count(DISTINCT p.photo_no), count(DISTINCT iif({_UNLISTED}, p.photo_no, "  # noqa: S608
        "NULL)) AS pruned FROM photo AS p JOIN asset AS a USING (photo_no) WHERE a.sha256 IS NOT NULL "
        "GROUP BY 1, 2 HAVING pruned ORDER BY 1, 2"
    )
    return [
        DayShare(race_id=row[0], race_day_id=row[1], photos=row[2], pruned=row[3])
        for row in connection.execute(query, {"before": before})
    ]


# -- writing --------------------------------------------------------------------------------------------------------


def note_pruned(ledger: Ledger, files: Sequence[Prunable]) -> None:
    """Let assets be gone: the key stays theirs, and only a new listing of the photo wants them again."""
    ids = id_list(each.row_id for each in files)
    ledger.connection.execute(
        "UPDATE asset SET state = 'gone', wanted_no = NULL, size_bytes = NULL, sha256 = NULL, etag = NULL, "  # noqa: S608
        f"last_modified = NULL, verified_at = NULL, {FRESH_START} "
        "WHERE asset_id IN (SELECT value FROM json_each(?))",
        (ids,),
    )
    _remember(ledger, files)


def give_up_unlisted(ledger: Ledger, before: str) -> int:
    """Want no more what was never fetched of photos that are pruned; says how many assets that were."""
    return ledger.connection.execute(
        f"UPDATE asset SET state = 'gone', wanted_no = NULL, {FRESH_START} WHERE state = 'wanted' "  # noqa: S608
        f"AND sha256 IS NULL AND photo_no IN (SELECT photo_no FROM photo AS p WHERE {_UNLISTED})",
        {"before": before},
    ).rowcount


def prune_versions(ledger: Ledger, files: Sequence[Prunable]) -> None:
    """Delete the rows of versions whose files are gone."""
    drop_versions(ledger, [each.row_id for each in files])
    _remember(ledger, files)


def _remember(ledger: Ledger, files: Sequence[Prunable]) -> None:
    ledger.connection.executemany(
        "INSERT INTO history (run_id, at, race_id, photo_id, what, variant, before) "
        "VALUES (?, ?, ?, ?, 'pruned', ?, ?)",
        [
            (
                ledger.run_id, now_text(), each.race_id, each.photo_id, each.variant,
                each.sha256.hex() if each.sha256 else None,
            )
            for each in files
        ],
    )  # fmt: skip
