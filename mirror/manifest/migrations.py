"""How an older manifest becomes one of today: one text of SQL for each version; `schema.sql` has the result."""

VERSION = 2
"""Version 1 is of 2026-11-23; version 2 of 2026-11-25 knows forgotten photos and snapshots."""

MIGRATIONS: dict[int, str] = {
    1: """
CREATE TABLE tombstone (
    race_id INTEGER NOT NULL,
    photo_id INTEGER NOT NULL,
    forgotten_at TEXT NOT NULL,
    PRIMARY KEY (race_id, photo_id)
) WITHOUT ROWID;
ALTER TABLE archive ADD COLUMN snapshot_of TEXT;
ALTER TABLE archive ADD COLUMN snapshot_at TEXT
""",
}
"""By version, the SQL that lifts a manifest from it to the next."""
