"""What is held, what is missing, what is gone: within the selection, as a run reports it."""

from mirror.manifest.ledger import Ledger
from mirror.manifest.rows import HeldRow, Missing, StoredRow
from mirror.manifest.selection import IS_ASIDE, IS_SELECTED, clock
from mirror.manifest.text import cleaned
from mirror.model import FailureGroup

_NOT_TRIED = "not tried yet"


def known_sizes(ledger: Ledger) -> dict[str, tuple[int, int]]:
    """For each variant, how many assets are stored and their bytes."""
    query = "SELECT variant, sum(stored), sum(stored_bytes) FROM tally GROUP BY variant HAVING sum(stored) > 0"
    return {variant: (count, size) for variant, count, size in ledger.connection.execute(query)}


def stored_batch(ledger: Ledger, after_asset_id: int, limit: int) -> list[StoredRow]:
    """Assets whose bytes are held, by id."""
    rows = ledger.connection.execute(
        "SELECT a.asset_id, a.key, a.size_bytes FROM asset AS a CROSS JOIN photo AS p ON p.photo_no = a.photo_no "  # noqa: S608
        f"WHERE a.asset_id > ? AND a.sha256 IS NOT NULL AND {IS_SELECTED} ORDER BY a.asset_id LIMIT ?",
        (after_asset_id, limit),
    )
    return [StoredRow(asset_id=asset_id, key=key, size_bytes=size) for asset_id, key, size in rows]


def held_batch(ledger: Ledger, after_asset_id: int, limit: int) -> list[HeldRow]:
    """Stored assets that the source still offers, by id."""
    rows = ledger.connection.execute(
        "SELECT a.asset_id, a.url, a.host, a.size_bytes, a.etag, a.last_modified "  # noqa: S608
        "FROM asset AS a CROSS JOIN photo AS p ON p.photo_no = a.photo_no WHERE a.asset_id > ? AND a.state = 'stored' "
        f"AND a.is_offered AND p.unlisted_at IS NULL AND {IS_SELECTED} ORDER BY a.asset_id LIMIT ?",
        (after_asset_id, limit),
    )
    return [
        HeldRow(asset_id=asset_id, url=url, host=host, size_bytes=size, etag=etag, last_modified=last_modified)
        for asset_id, url, host, size, etag, last_modified in rows
    ]


def has_stored(ledger: Ledger) -> bool:
    """Whether anything is stored."""
    return bool(ledger.connection.execute("SELECT EXISTS (SELECT 1 FROM tally WHERE stored > 0)").fetchone()[0])


def gone_count(ledger: Ledger) -> int:
    """How many assets are gone."""
    count: int = ledger.connection.execute(
        "SELECT count(*) FROM asset AS a INDEXED BY asset_gone CROSS JOIN photo AS p ON p.photo_no = a.photo_no "  # noqa: S608
        f"WHERE a.state = 'gone' AND {IS_SELECTED}"
    ).fetchone()[0]
    return count


def missing(ledger: Ledger) -> Missing:
    """Wanted assets by reason and host: counted while reading, since sorting them would take memory."""
    groups: dict[tuple[str, str], list[int]] = {}
    count = set_aside = 0
    rows = ledger.connection.execute(
        f"SELECT a.asset_id, a.failure, a.host, {IS_ASIDE} FROM asset AS a INDEXED BY asset_wanted "  # noqa: S608
        f"CROSS JOIN photo AS p ON p.photo_no = a.photo_no WHERE a.state = 'wanted' AND {IS_SELECTED}",
        clock(),
    )
    for asset_id, failure, host, is_aside in rows:
        group = groups.setdefault((failure or _NOT_TRIED, host), [0, asset_id])
        group[0] += 1
        count += 1
        set_aside += is_aside
    ordered = sorted(groups.items(), key=lambda item: (-item[1][0], item[0]))
    return Missing(
        count=count,
        set_aside=set_aside,
        groups=tuple(
            FailureGroup(reason=reason, host=host, count=size, example=_example(ledger, asset_id))
            for (reason, host), (size, asset_id) in ordered
        ),
    )


def _example(ledger: Ledger, asset_id: int) -> str:
    photo_id, variant, detail = ledger.connection.execute(
        "SELECT p.photo_id, a.variant, a.failure_detail FROM asset AS a JOIN photo AS p USING (photo_no) "
        "WHERE a.asset_id = ?",
        (asset_id,),
    ).fetchone()
    return cleaned(f"photo {photo_id} {variant}" + (f": {detail}" if detail else ""))


def rejects_of_run(ledger: Ledger, limit: int) -> tuple[str, ...]:
    """Name what this run could not use."""
    rows = ledger.connection.execute(
        "SELECT race_id, race_day_id, photo_id, variant, reason FROM reject WHERE run_id = ? LIMIT ?",
        (ledger.run_id, limit),
    )
    return tuple(
        cleaned(
            f"race {race_id} day {day}"
            + (f" photo {photo_id}" if photo_id else "")
            + (f" {variant}" if variant else "")
            + f": {reason}"
        )
        for race_id, day, photo_id, variant, reason in rows
    )
