"""What `verify` asks and notes: files as they should be, and when they were last found so."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mirror.manifest.ledger import Ledger
from mirror.manifest.text import id_list, moment, now_text

# Stored ones; and lost ones, that were found damaged or missing and have not come again since: they have a key only.
_STORED = (
    "FROM asset AS a CROSS JOIN photo AS p ON p.photo_no = a.photo_no "
    "WHERE (a.state = 'stored' OR (a.state = 'wanted' AND a.key IS NOT NULL AND a.sha256 IS NULL)) "
    "AND (:race_id IS NULL OR p.race_id = :race_id) "
    "AND (:before IS NULL OR a.verified_at IS NULL OR a.verified_at < :before)"
)
_RIGHT_AT = "max(coalesce(a.verified_at, ''), coalesce(a.stored_at, ''))"
_MOST_LINKS = 100
"""Stopped runs in a row that are looked at for where the first of them began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file as it should be: a stored asset's, or an earlier version's."""

    asset_id: int
    key: str
    size_bytes: int
    """0 for a lost one."""
    sha256: bytes | None
    """None for a lost one: nobody knows any more what it should be."""
    right_ts: float | None = None
    """When it was stored or last found right, in Unix seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which stored files are meant.

    Args:
        race_id: Of this race only.
        before: Only those not verified since this moment, as the tables write it; None means all.
    """

    race_id: int | None = None
    before: str | None = None

    @property
    def values(self) -> dict[str, Any]:
        """For the query."""
        return {"race_id": self.race_id, "before": self.before}


def is_snapshot(connection: sqlite3.Connection) -> bool:
    """Tell a copy beside a tree from the manifest itself; older versions had none."""
    has_column = connection.execute("SELECT 1 FROM pragma_table_info('archive') WHERE name = 'snapshot_of'").fetchone()
    return bool(has_column and connection.execute("SELECT 1 FROM archive WHERE snapshot_of NOTNULL").fetchone())


def count_stored(connection: sqlite3.Connection, choice: Choice) -> tuple[int, int]:
    """Count chosen files and their bytes."""
    row = connection.execute(f"SELECT count(*), coalesce(sum(a.size_bytes), 0) {_STORED}", choice.values).fetchone()
    return row[0], row[1]


def stored_files(connection: sqlite3.Connection, choice: Choice, after: str, limit: int) -> list[StoredFile]:
    """Read chosen files by key, as keys are compared: side by side in the tree, and in a store's listings."""
    query = (
        f"SELECT a.asset_id, a.key, coalesce(a.size_bytes, 0), a.sha256, {_RIGHT_AT} {_STORED} AND a.key > :after "
        "ORDER BY a.key LIMIT :limit"
    )
    return list(_files(connection.execute(query, {**choice.values, "after": after, "limit": limit})))


def drawn_files(connection: sqlite3.Connection, choice: Choice, count: int) -> list[StoredFile]:
    """Draw so many of the chosen files by lot, by key."""
    drawn = f"SELECT a.asset_id {_STORED} ORDER BY random() LIMIT :count"
    ids = [row[0] for row in connection.execute(drawn, {**choice.values, "count": count})]
    query = (
        f"SELECT asset_id, key, coalesce(size_bytes, 0), sha256, {_RIGHT_AT} FROM asset AS a "  # noqa: S608 - our own text
        "WHERE asset_id IN (SELECT value FROM json_each(?)) ORDER BY key"
    )
    return list(_files(connection.execute(query, (id_list(ids),))))


def version_files(connection: sqlite3.Connection, choice: Choice) -> list[StoredFile]:
    """Read the earlier versions of a race's assets; what was foreign has no hash to agree with."""
    query = (
        "SELECT v.asset_id, v.key, v.size_bytes, v.sha256, v.replaced_at FROM version AS v "
        "JOIN asset AS a USING (asset_id) JOIN photo AS p USING (photo_no) "
        "WHERE v.why = 'replaced' AND v.sha256 IS NOT NULL AND (:race_id IS NULL OR p.race_id = :race_id) "
        "ORDER BY v.version_id"
    )
    return list(_files(connection.execute(query, {"race_id": choice.race_id})))


def _files(rows: Iterable[tuple[int, str, int, bytes | None, str | None]]) -> Iterator[StoredFile]:
    for asset_id, key, size_bytes, sha256, right_at in rows:
        known = moment(right_at)
        yield StoredFile(
            asset_id=asset_id, key=key, size_bytes=size_bytes, sha256=sha256,
            right_ts=known.timestamp() if known else None,
        )  # fmt: skip


def known_keys(connection: sqlite3.Connection, keys: Sequence[str]) -> set[str]:
    """Tell which of these keys belong to an asset, whatever its state; in lower case, as keys are compared."""
    query = "SELECT key FROM asset WHERE key IN (SELECT value FROM json_each(?))"
    return {row[0].lower() for row in connection.execute(query, (json.dumps(keys),))}


def stopped_since(connection: sqlite3.Connection, command: str, earliest: str) -> str | None:
    """Say when the verification began that the newest runs of a command have not finished; None if there is none."""
    began = None
    query = "SELECT started_at, exit_code FROM run WHERE command = ? AND started_at >= ? ORDER BY run_id DESC LIMIT ?"
    for started_at, exit_code in connection.execute(query, (command, earliest, _MOST_LINKS)):
        if exit_code is not None:
            break
        began = started_at
    return began


def note_verified(ledger: Ledger, asset_ids: Sequence[int]) -> None:
    """Write down that files were found as they should be."""
    ledger.connection.execute(
        "UPDATE asset SET verified_at = ? WHERE state = 'stored' AND asset_id IN (SELECT value FROM json_each(?))",
        (now_text(), id_list(asset_ids)),
    )
