"""Runs and passes: where each begins, what it proves when it ends."""

import json
from datetime import UTC, datetime

from mirror.manifest.ledger import Ledger, PassState
from mirror.manifest.races import ensure_race_day
from mirror.manifest.rows import PassMemory, Unlisted
from mirror.manifest.text import id_list, moment, now_text
from mirror.model import PassKind, Scope

_BELIEVABLE = 10
"""So many photos may go unlisted at once without further thought; more of them must stay below a fifth."""
_FIFTH = 5


def scope_from(key: str) -> Scope:
    """Read a scope back from its key: ``participants=T albums=311,reg-34168``."""
    participants, _, albums = key.partition(" albums=")
    return Scope(
        participant_uploads=participants == "participants=T",
        albums=() if albums == "*" else tuple(albums.split(",")),
    )


# -- runs -----------------------------------------------------------------------------------------------------------


def begin_run(ledger: Ledger, command: str) -> int:
    """Insert the run's row."""
    cursor = ledger.connection.execute(
        "INSERT INTO run (command, program, started_at) VALUES (?, ?, ?)", (command, ledger.program, now_text())
    )
    ledger.run_id = cursor.lastrowid or 0
    ledger.first_pass_id = _newest_pass_id(ledger) + 1
    return ledger.run_id


def end_run(
    ledger: Ledger, *, exit_code: int | None, new_photos: int, stored: int, stored_bytes: int, failed: int
) -> None:
    """Fill in the run's row."""
    ledger.connection.execute(
        "UPDATE run SET ended_at = ?, exit_code = ?, new_photos = ?, stored = ?, stored_bytes = ?, failed = ? "
        "WHERE run_id = ?",
        (now_text(), exit_code, new_photos, stored, stored_bytes, failed, ledger.run_id),
    )


def _newest_pass_id(ledger: Ledger) -> int:
    newest: int = ledger.connection.execute("SELECT coalesce(max(pass_id), 0) FROM pass").fetchone()[0]
    return newest


# -- what earlier passes left ---------------------------------------------------------------------------------------


def pass_memory(ledger: Ledger, race_id: int, race_day_id: int, scope: Scope) -> PassMemory:
    """Read what the newest complete passes of a scope left; older ones add nothing, since a watermark never falls."""
    run = ledger.connection
    full_id = _newest_complete(ledger, race_id, race_day_id, scope, "full")
    since_id = _newest_complete(ledger, race_id, race_day_id, scope, "since")
    newest_ts: int | None = run.execute(
        "SELECT max(watermark_ts) FROM pass WHERE pass_id IN ("
        "SELECT max(pass_id) FROM pass WHERE race_id = ? AND race_day_id = ? AND is_complete GROUP BY scope)",
        (race_id, race_day_id),
    ).fetchone()[0]
    row = run.execute(
        "SELECT full_wanted FROM race_day WHERE race_id = ? AND race_day_id = ?", (race_id, race_day_id)
    ).fetchone()
    full_wanted = row[0] if row else None
    if not (full_id or since_id):
        return PassMemory(newest_uploaded_ts=newest_ts, full_wanted=full_wanted)
    query = "SELECT watermark_ts, albums, started_at, photos FROM pass WHERE pass_id = ?"
    watermark_ts, albums, _, _ = run.execute(query, (max(full_id, since_id),)).fetchone()
    _, _, full_at, full_photos = run.execute(query, (full_id,)).fetchone() or (None, None, None, 0)
    return PassMemory(
        watermark_ts=watermark_ts,
        albums=albums,
        last_full_started_at=moment(full_at),
        last_full_photos=full_photos,
        newest_uploaded_ts=newest_ts,
        full_wanted=full_wanted,
        has_complete=True,
    )


def _newest_complete(
    ledger: Ledger, race_id: int, race_day_id: int, scope: Scope, kind: PassKind, *, before: int = 1 << 62
) -> int:
    newest: int = ledger.connection.execute(
        "SELECT coalesce(max(pass_id), 0) FROM pass WHERE race_id = ? AND race_day_id = ? AND scope = ? "
        "AND is_complete = 1 AND kind = ? AND pass_id < ?",
        (race_id, race_day_id, scope.key, kind, before),
    ).fetchone()[0]
    return newest


# -- one pass -------------------------------------------------------------------------------------------------------


def begin_pass(
    ledger: Ledger, race_id: int, race_day_id: int, scope: Scope, *, kind: PassKind, since_ts: int | None
) -> int:
    """Insert the pass's row."""
    run = ledger.connection
    pass_id = _newest_pass_id(ledger) + 1
    run.execute(
        "INSERT INTO pass (pass_id, run_id, race_id, race_day_id, scope, kind, since_ts, started_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (pass_id, ledger.run_id, race_id, race_day_id, scope.key, kind, since_ts, now_text()),
    )
    has_rejects = run.execute("SELECT EXISTS (SELECT 1 FROM reject WHERE race_id = ?)", (race_id,)).fetchone()[0]
    ledger.passes[pass_id] = PassState(
        race_id=race_id, race_day_id=race_day_id, scope=scope, has_rejects=bool(has_rejects)
    )
    return pass_id


def end_pass(
    ledger: Ledger, pass_id: int, *, is_complete: bool, reason: str, watermark_ts: int | None, albums: str | None,
    photos: int, is_loss_believed: bool = False,
) -> Unlisted:  # fmt: skip
    """Fill in the pass's row and judge what it no longer showed."""
    run = ledger.connection
    this = ledger.passes.pop(pass_id)
    kind: PassKind = run.execute("SELECT kind FROM pass WHERE pass_id = ?", (pass_id,)).fetchone()[0]
    if is_complete:
        earlier = pass_memory(ledger, this.race_id, this.race_day_id, this.scope).watermark_ts
        watermark_ts = max((ts for ts in (watermark_ts, earlier) if ts is not None), default=None)
    run.execute(
        "UPDATE pass SET ended_at = ?, is_complete = ?, reason = ?, watermark_ts = ?, albums = ?, photos = ? "
        "WHERE pass_id = ?",
        (
            now_text(), is_complete, reason or None, watermark_ts if is_complete else None,
            albums if is_complete else None, photos, pass_id,
        ),
    )  # fmt: skip
    if not is_complete or kind != "full":
        return Unlisted()
    run.execute(
        "UPDATE race_day SET full_wanted = NULL WHERE race_id = ? AND race_day_id = ? AND full_wanted IS NOT NULL",
        (this.race_id, this.race_day_id),
    )
    return _unlist(ledger, pass_id, this, photos, is_loss_believed=is_loss_believed)


def want_full(ledger: Ledger, race_id: int, race_day_id: int, why: str) -> None:
    """Make the next pass of a race day full; said at most once a day."""
    ensure_race_day(ledger, race_id, race_day_id)
    run = ledger.connection
    row = run.execute(
        "SELECT full_wanted_at FROM race_day WHERE race_id = ? AND race_day_id = ?", (race_id, race_day_id)
    ).fetchone()
    said_at = moment(row[0])
    if said_at is None or abs((datetime.now(UTC) - said_at).total_seconds()) >= 86_400:
        run.execute(
            "UPDATE race_day SET full_wanted = ?, full_wanted_at = ? WHERE race_id = ? AND race_day_id = ?",
            (why, now_text(), race_id, race_day_id),
        )


# -- photos that are listed no more ---------------------------------------------------------------------------------


def _unlist(ledger: Ledger, pass_id: int, this: PassState, photos: int, *, is_loss_believed: bool) -> Unlisted:
    """Mark photos that this and the complete full pass before it have both missed."""
    before = _newest_complete(ledger, this.race_id, this.race_day_id, this.scope, "full", before=pass_id)
    if not before:
        return Unlisted()
    known, missed = _known_and_missed(ledger, this, before)
    is_heavy = len(missed) > _BELIEVABLE and len(missed) * _FIFTH >= known
    if photos == 0 or (is_heavy and not is_loss_believed):
        return Unlisted(withheld=len(missed))
    if missed:
        ids, now = id_list(missed), now_text()
        ledger.connection.execute(
            "INSERT INTO history (run_id, at, race_id, photo_id, what) "
            "SELECT ?, ?, race_id, photo_id, 'unlisted' FROM photo WHERE photo_no IN (SELECT value FROM json_each(?))",
            (ledger.run_id, now, ids),
        )
        ledger.connection.execute(
            "UPDATE photo SET unlisted_at = ? WHERE photo_no IN (SELECT value FROM json_each(?))", (now, ids)
        )
    return Unlisted(unlisted=len(missed))


def _known_and_missed(ledger: Ledger, this: PassState, before: int) -> tuple[int, list[int]]:
    """Count the listed photos that this pass had to show, and name those not seen since the pass before began.

    A photo that was seen last in a wider scope, or in another race day's listing, need not show up here.
    """
    day = (this.race_id, this.race_day_id)
    run = ledger.connection
    keys = [row[0] for row in run.execute("SELECT DISTINCT scope FROM pass WHERE race_id = ? AND race_day_id = ?", day)]
    covered = [key for key in keys if this.scope.covers(scope_from(key))]
    listed = (
        "FROM photo WHERE race_id = ? AND listed_under = ? AND unlisted_at IS NULL AND seen_pass_id IN ("
        "SELECT pass_id FROM pass WHERE race_id = ? AND race_day_id = ? "
        "AND scope IN (SELECT value FROM json_each(?)))"
    )
    values = (*day, *day, json.dumps(covered))
    missed = [row[0] for row in run.execute(f"SELECT photo_no {listed} AND seen_pass_id < ?", (*values, before))]
    known = run.execute(f"SELECT count(*) {listed}", values).fetchone()[0] if missed else 0
    return known, missed
