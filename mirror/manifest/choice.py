"""A run that fetches chosen assets and no others, whatever today's configuration wants."""

from collections.abc import Sequence

from mirror.manifest.changes import FRESH_START
from mirror.manifest.ledger import Ledger
from mirror.manifest.selection import find_hosts
from mirror.manifest.text import id_list


def choose(ledger: Ledger, asset_ids: Sequence[int]) -> None:
    """Put these assets in the place of a selection; those that are gone become wanted."""
    run = ledger.connection
    run.execute("DELETE FROM temp.selected")
    run.execute("DELETE FROM temp.chosen")
    run.execute("INSERT OR IGNORE INTO temp.chosen SELECT value FROM json_each(?)", (id_list(asset_ids),))
    gone = run.execute("SELECT asset_id FROM asset WHERE asset_id IN temp.chosen AND state = 'gone'").fetchall()
    first = ledger.take_wanted_no(len(gone)) + 1
    run.executemany(
        f"UPDATE asset SET state = 'wanted', {FRESH_START}, wanted_no = ? WHERE asset_id = ?",  # noqa: S608 - our own text
        [(number, asset_id) for number, (asset_id,) in enumerate(gone, first)],
    )
    find_hosts(ledger)
