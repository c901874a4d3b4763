"""How an older manifest becomes one of today: one text of SQL for each version; `schema.sql` has the result."""

VERSION = 2
"""Version 1 is of 2026-11-23; version 2 of 2026-11-25 knows forgotten photos, exports and snapshots."""

MIGRATIONS: dict[int, str] = {
    1: """
CREATE TABLE tombstone (
    race_id INTEGER NOT NULL,
    photo_id INTEGER NOT NULL,
    forgotten_at TEXT NOT NULL,
    finished_at TEXT,
    PRIMARY KEY (race_id, photo_id)
) WITHOUT ROWID;
ALTER TABLE archive ADD COLUMN snapshot_of TEXT;
ALTER TABLE archive ADD COLUMN snapshot_at TEXT;
CREATE TABLE export (
    path TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    made_at TEXT NOT NULL
) WITHOUT ROWID
""",
}
"""By version, the SQL that lifts a manifest from it to the next."""
