-- The manifest of an archive: what the source listed, what the archive wants, holds and lost, and how that came to be.
-- These tables are a public interface: read them with any SQLite tool (while no run is on, or read-only).
-- Version 2 (PRAGMA user_version). Ids are the source's own numbers where the source has one. Times that end in
-- _at are UTC text (2026-05-17T14:03:22Z) by the local clock; those that end in _ts are Unix seconds by the source's.

-- The archive itself: one row.
CREATE TABLE archive (
    archive_id TEXT NOT NULL,           -- random; the same text stands in .mirror/archive-id beside the tree
    created_at TEXT NOT NULL,
    created_by TEXT NOT NULL,           -- program and version
    newest_wanted_no INTEGER NOT NULL DEFAULT 0,  -- the highest asset.wanted_no ever given
    snapshot_of TEXT,                   -- where the manifest lies that this file is a copy of; null in a manifest itself
    snapshot_at TEXT                    -- when the copy was made
);

-- One row for each race that was ever mirrored.
CREATE TABLE race (
    race_id INTEGER PRIMARY KEY,        -- the source's race_id
    name TEXT NOT NULL,
    url TEXT,
    timezone TEXT,                      -- IANA name
    folder TEXT,                        -- its folder's name, frozen when the first asset is stored
    planned_variants TEXT NOT NULL DEFAULT '',  -- variants that every photo of the race was planned for, comma-separated
    listed_at TEXT                      -- when the race call was last answered
);

-- One row for each date (edition) of a race.
CREATE TABLE race_day (
    race_id INTEGER NOT NULL REFERENCES race,
    race_day_id INTEGER NOT NULL,       -- the source's race_event_days_id
    starts_on TEXT,                     -- YYYY-MM-DD in the race's time zone
    events TEXT NOT NULL DEFAULT '',    -- names of its events, comma-separated
    is_known INTEGER NOT NULL DEFAULT 1,  -- 0 when the race call did not name it last
    folder TEXT,                        -- its folder's name, frozen when the first asset is stored
    full_wanted TEXT,                   -- why the next pass must be full, if it must
    full_wanted_at TEXT,                -- when that was said last; kept, so that it is said once a day
    PRIMARY KEY (race_id, race_day_id)
) WITHOUT ROWID;

-- Albums as the source named them last.
CREATE TABLE album (
    race_id INTEGER NOT NULL,
    race_day_id INTEGER NOT NULL,
    album_id TEXT NOT NULL,             -- opaque text: 311, reg-34168
    name TEXT NOT NULL,
    num_photos INTEGER,                 -- the source's count: a plausibility check, no promise
    last_modified_ts INTEGER,           -- the participant album has none
    PRIMARY KEY (race_id, race_day_id, album_id)
) WITHOUT ROWID;

-- One row for each photo that was ever listed.
CREATE TABLE photo (
    photo_no INTEGER PRIMARY KEY,       -- ours; other tables point to it
    race_id INTEGER NOT NULL,
    photo_id INTEGER NOT NULL,          -- the source's
    race_day_id INTEGER NOT NULL,       -- as the record says, else the race day whose listing showed it
    listed_under INTEGER NOT NULL,      -- the race day whose listing showed it last: that of seen_pass_id
    album_id TEXT,
    uploaded_filename TEXT,             -- the uploader's name for it: hostile text, not unique
    uploaded_ts INTEGER,
    first_run_id INTEGER NOT NULL,      -- the run that listed it first
    seen_pass_id INTEGER NOT NULL,      -- the pass that listed it last; of several in one run the first
    unlisted_at TEXT,                   -- when two complete full passes in a row had missed it
    UNIQUE (race_id, photo_id)
);
CREATE INDEX photo_by_day ON photo (race_id, listed_under);

-- Each photo's record as the source gave it last, unknown fields too.
CREATE TABLE photo_json (
    photo_no INTEGER PRIMARY KEY REFERENCES photo,
    json TEXT NOT NULL
);

-- The bibs on each photo now; a bib is text.
CREATE TABLE bib (
    photo_no INTEGER NOT NULL REFERENCES photo,
    position INTEGER NOT NULL,          -- 0-based, the source's order
    bib TEXT NOT NULL,
    PRIMARY KEY (photo_no, position)
) WITHOUT ROWID;
CREATE INDEX bib_by_bib ON bib (bib, photo_no);

-- One row for each variant of a photo that the archive wants or holds.
CREATE TABLE asset (
    asset_id INTEGER PRIMARY KEY,
    photo_no INTEGER NOT NULL REFERENCES photo,
    variant TEXT NOT NULL,              -- original, large, thumbnail
    state TEXT NOT NULL,                -- wanted, stored, gone
    wanted_no INTEGER,                  -- rises each time an asset becomes wanted; null when it is not wanted
    is_offered INTEGER NOT NULL DEFAULT 1,  -- 0 when the last record no longer offered this variant
    url TEXT NOT NULL,                  -- as listed last; its query may hold a signature
    host TEXT NOT NULL,                 -- host of url, with the port where it is not the scheme's own
    listed_width_px INTEGER,            -- as the record announced: information, no promise
    listed_height_px INTEGER,
    key TEXT COLLATE NOCASE UNIQUE,     -- path below the archive's root, /-separated; never changes once given
    stored_url TEXT,                    -- where the stored bytes came from, without query
    size_bytes INTEGER,                 -- from here on: the stored bytes; kept while newer ones are wanted
    sha256 BLOB,                        -- 32 bytes; SELECT hex(sha256)
    width_px INTEGER,                   -- the picture's own
    height_px INTEGER,
    taken_at TEXT,                      -- EXIF capture time: YYYY-MM-DDTHH:MM:SS, local, with offset if the camera knew it
    etag TEXT,
    last_modified TEXT,
    stored_at TEXT,
    verified_at TEXT,                   -- when the stored bytes were last hashed again
    failure TEXT,                       -- why the last try failed (a few words); null after a success
    failure_detail TEXT,
    failure_status INTEGER,
    failed_at TEXT,
    failed_on TEXT,                     -- the last of failed_days, YYYY-MM-DD
    failed_days INTEGER NOT NULL DEFAULT 0,  -- different days on which a run failed although the host answered
    failed_runs INTEGER NOT NULL DEFAULT 0,
    UNIQUE (photo_no, variant)
);
CREATE INDEX asset_wanted ON asset (host, wanted_no) WHERE state = 'wanted';
CREATE INDEX asset_gone ON asset (photo_no) WHERE state = 'gone';

-- How much there is of everything, so that nobody has to count half a million rows. Kept by the triggers below.
CREATE TABLE tally (
    race_id INTEGER NOT NULL,
    race_day_id INTEGER NOT NULL,
    variant TEXT NOT NULL,              -- '': the row that counts photos
    photos INTEGER NOT NULL DEFAULT 0,  -- ever listed
    unlisted INTEGER NOT NULL DEFAULT 0,    -- of them
    wanted INTEGER NOT NULL DEFAULT 0,  -- assets, like the next two
    stored INTEGER NOT NULL DEFAULT 0,
    gone INTEGER NOT NULL DEFAULT 0,
    stored_bytes INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (race_id, race_day_id, variant)
) WITHOUT ROWID;

-- Earlier bytes of an asset, and foreign files that lay under a key, kept below .mirror/versions/.
CREATE TABLE version (
    version_id INTEGER PRIMARY KEY,
    asset_id INTEGER NOT NULL REFERENCES asset,
    run_id INTEGER NOT NULL,
    key TEXT NOT NULL,                  -- where they lie now
    size_bytes INTEGER,
    sha256 BLOB,
    etag TEXT,
    stored_at TEXT,
    replaced_at TEXT NOT NULL,
    why TEXT NOT NULL                   -- replaced, foreign
);

-- Records, or variants of them, that could not be used.
CREATE TABLE reject (
    race_id INTEGER NOT NULL,
    race_day_id INTEGER NOT NULL,
    photo_id INTEGER NOT NULL DEFAULT 0,    -- 0: the record had none
    variant TEXT NOT NULL DEFAULT '',       -- '': the whole record
    reason TEXT NOT NULL,
    json TEXT NOT NULL,
    run_id INTEGER NOT NULL,                -- the run that met it last
    PRIMARY KEY (race_id, race_day_id, photo_id, variant, reason)
) WITHOUT ROWID;

-- Photos that were forgotten on request: nothing else of them is kept, and they are never planned again.
CREATE TABLE tombstone (
    race_id INTEGER NOT NULL,
    photo_id INTEGER NOT NULL,          -- the source's
    forgotten_at TEXT NOT NULL,
    finished_at TEXT,                   -- when nothing of it was left; null: 'mirror forget' was killed and goes on
    PRIMARY KEY (race_id, photo_id)
) WITHOUT ROWID;

-- Where copies of photos went that this program made outside the tree, so that a forgotten photo is found there too.
CREATE TABLE export (
    path TEXT PRIMARY KEY,              -- absolute: a folder or a file
    kind TEXT NOT NULL,                 -- csv, bagit, gallery, quarantine, ...
    made_at TEXT NOT NULL               -- the last time
) WITHOUT ROWID;

-- What changed at the source after a photo was first listed.
CREATE TABLE history (
    history_id INTEGER PRIMARY KEY,
    run_id INTEGER NOT NULL,
    at TEXT NOT NULL,
    race_id INTEGER NOT NULL,
    photo_id INTEGER NOT NULL,
    what TEXT NOT NULL,                 -- bib added, bib removed, album, race day, url, variant offered,
                                        -- variant withdrawn, unlisted, listed again, replaced, gone,
                                        -- vanished, damaged, changed, pruned, rechecked (fetched again, since nothing
                                        -- proved that the source still has the same bytes)
    variant TEXT,
    before TEXT,
    after TEXT
);
CREATE INDEX history_by_photo ON history (race_id, photo_id);
CREATE INDEX history_by_run ON history (run_id);

-- One row for each mirror sync (or other command that changes the archive).
CREATE TABLE run (
    run_id INTEGER PRIMARY KEY,
    command TEXT NOT NULL,              -- sync, retry, repair, rebuild, forget, prune, verify ...
    program TEXT NOT NULL,              -- name and version
    started_at TEXT NOT NULL,
    ended_at TEXT,                      -- null: it was killed, or is on
    exit_code INTEGER,
    new_photos INTEGER NOT NULL DEFAULT 0,
    stored INTEGER NOT NULL DEFAULT 0,
    stored_bytes INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0
);

-- One row for each reading of a race day's listing.
CREATE TABLE pass (
    pass_id INTEGER PRIMARY KEY,
    run_id INTEGER NOT NULL REFERENCES run,
    race_id INTEGER NOT NULL,
    race_day_id INTEGER NOT NULL,
    scope TEXT NOT NULL,                -- participants=T albums=*
    kind TEXT NOT NULL,                 -- full, since
    since_ts INTEGER,                   -- what a since pass asked for
    started_at TEXT NOT NULL,
    ended_at TEXT,
    is_complete INTEGER NOT NULL DEFAULT 0,
    reason TEXT,                        -- why it is not complete
    pages INTEGER NOT NULL DEFAULT 0,   -- progress while it is on
    photos INTEGER NOT NULL DEFAULT 0,  -- records seen
    watermark_ts INTEGER,               -- highest uploaded_ts that complete passes of this scope have seen
    albums TEXT                         -- the albums as read before the last walk, JSON [[id, num_photos, last_modified_ts], ...]
);
CREATE INDEX pass_by_day ON pass (race_id, race_day_id, scope, is_complete, kind);

-- A group on its way to its final names: written before the renames, emptied when the group is recorded.
-- What a killed run left here is adopted by the next one, or wanted again.
CREATE TABLE committing (
    asset_id INTEGER PRIMARY KEY,
    wanted_no INTEGER NOT NULL,
    url TEXT NOT NULL,                  -- without query
    key TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    content TEXT NOT NULL               -- JSON of what was learnt of the picture
);

-- The tally follows by itself, whoever changes the rows.
CREATE TRIGGER photo_added AFTER INSERT ON photo BEGIN
    INSERT INTO tally (race_id, race_day_id, variant, photos, unlisted)
    VALUES (new.race_id, new.race_day_id, '', 1, new.unlisted_at IS NOT NULL)
    ON CONFLICT DO UPDATE SET photos = photos + 1, unlisted = unlisted + excluded.unlisted;
END;
CREATE TRIGGER photo_listed AFTER UPDATE OF unlisted_at ON photo
WHEN (old.unlisted_at IS NULL) <> (new.unlisted_at IS NULL) AND old.race_day_id = new.race_day_id BEGIN
    UPDATE tally SET unlisted = unlisted + (new.unlisted_at IS NOT NULL) - (old.unlisted_at IS NOT NULL)
    WHERE race_id = new.race_id AND race_day_id = new.race_day_id AND variant = '';
END;
CREATE TRIGGER photo_moved AFTER UPDATE OF race_day_id ON photo WHEN old.race_day_id <> new.race_day_id BEGIN
    UPDATE tally SET photos = photos - 1, unlisted = unlisted - (old.unlisted_at IS NOT NULL)
    WHERE race_id = old.race_id AND race_day_id = old.race_day_id AND variant = '';
    INSERT INTO tally (race_id, race_day_id, variant, photos, unlisted)
    VALUES (new.race_id, new.race_day_id, '', 1, new.unlisted_at IS NOT NULL)
    ON CONFLICT DO UPDATE SET photos = photos + 1, unlisted = unlisted + excluded.unlisted;
    INSERT INTO tally (race_id, race_day_id, variant, wanted, stored, gone, stored_bytes)
    SELECT old.race_id, old.race_day_id, variant, -(state = 'wanted'), -(state = 'stored'), -(state = 'gone'),
        -iif(state = 'stored', size_bytes, 0)
    FROM asset WHERE photo_no = old.photo_no
    ON CONFLICT DO UPDATE SET wanted = wanted + excluded.wanted, stored = stored + excluded.stored,
        gone = gone + excluded.gone, stored_bytes = stored_bytes + excluded.stored_bytes;
    INSERT INTO tally (race_id, race_day_id, variant, wanted, stored, gone, stored_bytes)
    SELECT new.race_id, new.race_day_id, variant, state = 'wanted', state = 'stored', state = 'gone',
        iif(state = 'stored', size_bytes, 0)
    FROM asset WHERE photo_no = new.photo_no
    ON CONFLICT DO UPDATE SET wanted = wanted + excluded.wanted, stored = stored + excluded.stored,
        gone = gone + excluded.gone, stored_bytes = stored_bytes + excluded.stored_bytes;
END;
CREATE TRIGGER photo_deleted AFTER DELETE ON photo BEGIN
    UPDATE tally SET photos = photos - 1, unlisted = unlisted - (old.unlisted_at IS NOT NULL)
    WHERE race_id = old.race_id AND race_day_id = old.race_day_id AND variant = '';
END;
CREATE TRIGGER asset_added AFTER INSERT ON asset BEGIN
    INSERT INTO tally (race_id, race_day_id, variant, wanted, stored, gone, stored_bytes)
    SELECT race_id, race_day_id, new.variant, new.state = 'wanted', new.state = 'stored', new.state = 'gone',
        iif(new.state = 'stored', new.size_bytes, 0)
    FROM photo WHERE photo_no = new.photo_no
    ON CONFLICT DO UPDATE SET wanted = wanted + excluded.wanted, stored = stored + excluded.stored,
        gone = gone + excluded.gone, stored_bytes = stored_bytes + excluded.stored_bytes;
END;
CREATE TRIGGER asset_changed AFTER UPDATE OF state, size_bytes ON asset
WHEN old.state <> new.state OR old.size_bytes IS NOT new.size_bytes BEGIN
    UPDATE tally SET
        wanted = wanted + (new.state = 'wanted') - (old.state = 'wanted'),
        stored = stored + (new.state = 'stored') - (old.state = 'stored'),
        gone = gone + (new.state = 'gone') - (old.state = 'gone'),
        stored_bytes = stored_bytes
            + iif(new.state = 'stored', new.size_bytes, 0) - iif(old.state = 'stored', old.size_bytes, 0)
    WHERE (race_id, race_day_id) = (SELECT race_id, race_day_id FROM photo WHERE photo_no = new.photo_no)
        AND variant = new.variant;
END;
-- Delete assets before their photo: afterwards nobody knows any more which race day they belonged to.
CREATE TRIGGER asset_deleted AFTER DELETE ON asset BEGIN
    UPDATE tally SET
        wanted = wanted - (old.state = 'wanted'),
        stored = stored - (old.state = 'stored'),
        gone = gone - (old.state = 'gone'),
        stored_bytes = stored_bytes - iif(old.state = 'stored', old.size_bytes, 0)
    WHERE (race_id, race_day_id) = (SELECT race_id, race_day_id FROM photo WHERE photo_no = old.photo_no)
        AND variant = old.variant;
END;
