"""The bibs of assets, for what is written beside their bytes."""

from collections.abc import Sequence

from mirror.manifest.ledger import Ledger
from mirror.manifest.text import id_list


def bibs_of(ledger: Ledger, asset_ids: Sequence[int]) -> list[tuple[int, str]]:
    """Asset id and bib, in the source's order."""
    query = (
        "SELECT a.asset_id, b.bib FROM asset AS a JOIN bib AS b USING (photo_no) "
        "WHERE a.asset_id IN (SELECT value FROM json_each(?)) ORDER BY a.asset_id, b.position"
    )
    return ledger.connection.execute(query, (id_list(asset_ids),)).fetchall()
