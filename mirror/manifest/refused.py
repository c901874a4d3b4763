"""Assets whose address was refused last time: each is asked for once the listing could bring a fresh one.

A signed address ends after hours. Asked for at once, an old one would be refused in each run before its successor is
listed, and since an asset is tried once a run after a 403, it would never come.
"""

from mirror.manifest.ledger import Ledger
from mirror.manifest.text import id_list

STATUSES = (401, 403)
IS_REFUSED = f"coalesce(a.failure_status IN {STATUSES}, 0)"


def hold(ledger: Ledger) -> None:
    """Hand out nothing that was refused last time, until it is released."""
    ledger.holds_refused = True


def release(ledger: Ledger) -> int:
    """Hand out what was held, behind everything else; returns how many assets that may be."""
    ledger.holds_refused = False
    rows = ledger.connection.execute(
        f"SELECT a.asset_id, a.host FROM asset AS a WHERE a.state = 'wanted' AND {IS_REFUSED} "  # noqa: S608
        "AND a.asset_id NOT IN (SELECT value FROM json_each(?)) ORDER BY a.wanted_no",
        (id_list(ledger.refused),),
    ).fetchall()
    if rows:
        first = ledger.take_wanted_no(len(rows)) + 1
        ledger.connection.executemany(
            "UPDATE asset SET wanted_no = ? WHERE asset_id = ?",
            [(number, asset_id) for number, (asset_id, _) in enumerate(rows, first)],
        )
        ledger.hosts.update(host for _, host in rows)
    return len(rows)
