"""What a failed try means: still wanted and why, or gone."""

from collections.abc import Sequence
from typing import NamedTuple

from mirror.manifest.ledger import Ledger
from mirror.manifest.passes import want_full
from mirror.manifest.refused import STATUSES
from mirror.manifest.text import address_of, id_list, now_text, storable, without_query
from mirror.model import Failed

_REFUSED = {403, 404, 410}
_FORBIDDEN = 403
_LONGEST_DETAIL = 500


class _Row(NamedTuple):
    asset_id: int
    state: str
    url: str
    variant: str
    has_bytes: bool
    race_id: int
    photo_id: int
    listed_under: int
    is_offered: bool
    """Whether the photo is listed, and with this variant."""
    is_listed_now: bool
    """Whether this run has seen the photo listed."""


def note_failed(ledger: Ledger, failed: Sequence[Failed]) -> tuple[int, int]:
    """Write down failures; returns how many assets are gone now, and how many still wanted."""
    rows = _rows(ledger, failed)
    # What is listed elsewhere by now has not failed: its new URL was never tried.
    current = [
        (rows[each.job.asset_id], each)
        for each in failed
        if each.job.asset_id in rows
        and rows[each.job.asset_id].state == "wanted"
        and address_of(rows[each.job.asset_id].url) == address_of(each.job.url)
    ]
    _note_reasons(ledger, current)
    ledger.refused.update(row.asset_id for row, each in current if each.status in STATUSES)
    lost = [row for row, each in current if each.status in _REFUSED and not row.is_offered]
    _give_up(ledger, lost)
    old_days = {
        (row.race_id, row.listed_under)
        for row, each in current
        if each.status == _FORBIDDEN and row.is_offered and not row.is_listed_now
    }
    for race_id, race_day_id in old_days:
        want_full(ledger, race_id, race_day_id, "a 403 on an old URL")
    gone = sum(not row.has_bytes for row in lost)
    return gone, len(current) - len(lost)


def _rows(ledger: Ledger, failed: Sequence[Failed]) -> dict[int, _Row]:
    query = (
        "SELECT a.asset_id, a.state, a.url, a.variant, a.sha256 IS NOT NULL, p.race_id, p.photo_id, p.listed_under, "
        "a.is_offered AND p.unlisted_at IS NULL, p.seen_pass_id >= ? "
        "FROM asset AS a JOIN photo AS p USING (photo_no) WHERE a.asset_id IN (SELECT value FROM json_each(?))"
    )
    values = (ledger.first_pass_id, id_list(each.job.asset_id for each in failed))
    return {row[0]: _Row._make(row) for row in ledger.connection.execute(query, values)}


def _note_reasons(ledger: Ledger, current: Sequence[tuple[_Row, Failed]]) -> None:
    now = now_text()
    today = now.partition("T")[0]
    ledger.connection.executemany(
        "UPDATE asset SET failure = :reason, failure_detail = :detail, failure_status = :status, failed_at = :now, "
        "failed_runs = failed_runs + 1, failed_days = failed_days + (:answered AND failed_on IS NOT :today), "
        "failed_on = iif(:answered, :today, failed_on) WHERE asset_id = :asset_id",
        [
            {
                "reason": storable(each.reason),
                "detail": storable(each.message[:_LONGEST_DETAIL]),
                "status": each.status,
                "now": now,
                "today": today,
                "answered": each.has_answered,
                "asset_id": row.asset_id,
            }
            for row, each in current
        ],
    )


def _give_up(ledger: Ledger, lost: Sequence[_Row]) -> None:
    """Refused, and listed no more: nothing can bring it back but the source itself.

    Where earlier bytes are held, those stay stored: only the newer ones are gone.
    """
    run, now = ledger.connection, now_text()
    run.executemany(
        "UPDATE asset SET state = ?, wanted_no = NULL WHERE asset_id = ?",
        [("stored" if row.has_bytes else "gone", row.asset_id) for row in lost],
    )
    run.executemany(
        "INSERT INTO history (run_id, at, race_id, photo_id, what, variant, before) "
        "VALUES (?, ?, ?, ?, 'gone', ?, ?)",
        [
            (ledger.run_id, now, row.race_id, row.photo_id, row.variant, without_query(row.url))
            for row in lost
        ],
    )  # fmt: skip
