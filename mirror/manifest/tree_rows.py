"""What a tree shows besides its files: how its folders are called by now, and which earlier versions lie in it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from mirror.manifest.ledger import Ledger
from mirror.manifest.races import ensure_race, ensure_race_day
from mirror.manifest.text import now_text


@dataclass(frozen=True, slots=True, kw_only=True)
class OldVersion:
    """A file among the versions that is on record again."""

    asset_id: int
    key: str
    why: str
    """Replaced, or foreign."""
    size_bytes: int | None = None
    sha256: bytes | None = None


# -- folders --------------------------------------------------------------------------------------------------------


def freeze(ledger: Ledger, races: dict[int, str], race_days: dict[tuple[int, int], str]) -> None:
    """Remember under which names the folders of races and race days lie there: what comes goes into these."""
    run = ledger.connection
    for race_id, folder in races.items():
        ensure_race(ledger, race_id)
        run.execute("UPDATE race SET folder = ? WHERE race_id = ?", (folder, race_id))
    for (race_id, race_day_id), folder in race_days.items():
        ensure_race_day(ledger, race_id, race_day_id)
        query = "UPDATE race_day SET folder = ? WHERE race_id = ? AND race_day_id = ?"
        run.execute(query, (folder, race_id, race_day_id))


def folders(ledger: Ledger) -> tuple[dict[int, str], dict[tuple[int, int], str]]:
    """The folders on record, of races and of race days."""
    run = ledger.connection
    races = run.execute("SELECT race_id, folder FROM race WHERE folder IS NOT NULL").fetchall()
    days = run.execute("SELECT race_id, race_day_id, folder FROM race_day WHERE folder IS NOT NULL").fetchall()
    return dict(races), {(race_id, race_day_id): folder for race_id, race_day_id, folder in days}


def distrust_listings(ledger: Ledger, why: str) -> None:
    """Make the next pass of every race day full."""
    ledger.connection.execute("UPDATE race_day SET full_wanted = ?, full_wanted_at = ?", (why, now_text()))


# -- versions -------------------------------------------------------------------------------------------------------


def known_versions(ledger: Ledger, keys: Sequence[str]) -> set[str]:
    """Those of the files among the versions that are on record."""
    rows = ledger.connection.execute(
        "SELECT key FROM version WHERE key IN (SELECT value FROM json_each(?))", (json.dumps(keys),)
    )
    return {row[0] for row in rows}


def add_versions(ledger: Ledger, found: Sequence[OldVersion]) -> None:
    """Put files among the versions on record again; when they were replaced nobody knows any more."""
    ledger.connection.executemany(
        "INSERT INTO version (asset_id, run_id, key, size_bytes, sha256, replaced_at, why) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (each.asset_id, ledger.run_id, each.key, each.size_bytes, each.sha256, now_text(), each.why)
            for each in found
        ],
    )


def versions(ledger: Ledger, after_id: int, limit: int) -> list[tuple[int, str]]:
    """Versions on record with a higher id: id and key."""
    query = "SELECT version_id, key FROM version WHERE version_id > ? ORDER BY version_id LIMIT ?"
    return ledger.connection.execute(query, (after_id, limit)).fetchall()
