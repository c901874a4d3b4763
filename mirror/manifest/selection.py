"""What today's configuration wants: everything else is neither fetched nor counted."""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any

from mirror.manifest import bulk, races
from mirror.manifest.ledger import Ledger
from mirror.manifest.refused import IS_REFUSED
from mirror.manifest.rows import Selected
from mirror.manifest.text import at_text, host_of, id_list
from mirror.model import Job, Variant

_WIDEN_BATCH = 500
_ASIDE_DAYS = 5
_ASIDE_FOR = timedelta(days=7)

IS_SELECTED = """(a.asset_id IN temp.chosen OR EXISTS (
    SELECT 1 FROM temp.selected AS s
    WHERE s.race_id = p.race_id AND s.race_day_id IN (p.race_day_id, p.listed_under) AND s.variant = a.variant
        AND (s.album_id = '' OR s.album_id = p.album_id)
        AND (s.with_participants OR p.album_id IS NULL OR p.album_id NOT GLOB 'reg-*')
))"""
FAILED_OFTEN = f"(a.failed_days >= {_ASIDE_DAYS} AND a.failed_at > :aside_from AND a.failed_at <= :now)"
IS_ASIDE = f"({FAILED_OFTEN} AND a.asset_id NOT IN temp.chosen)"
_JOB = "a.asset_id, a.wanted_no, p.race_id, p.race_day_id, p.photo_id, a.variant, a.url, a.host"


def clock() -> dict[str, str | int]:
    """The moments that `FAILED_OFTEN` compares with."""
    now = datetime.now(UTC)
    return {"now": at_text(now), "aside_from": at_text(now - _ASIDE_FOR)}


def _jobs(rows: Iterable[Sequence[Any]]) -> list[Job]:
    return [
        Job(
            asset_id=asset_id, wanted_no=wanted_no, race_id=race_id, race_day_id=race_day_id, photo_id=photo_id,
            variant=variant, url=url, host=host,
        )
        for asset_id, wanted_no, race_id, race_day_id, photo_id, variant, url, host in rows
    ]  # fmt: skip


# -- choosing -------------------------------------------------------------------------------------------------------


def select(ledger: Ledger, selections: Sequence[Selected]) -> list[tuple[int, tuple[str, ...]]]:
    """Take over a selection; returns races whose known photos lack variants, each with those variants."""
    run = ledger.connection
    run.execute("DELETE FROM temp.chosen")
    run.execute("DELETE FROM temp.selected")
    run.executemany("INSERT OR IGNORE INTO temp.selected VALUES (?, ?, ?, ?, ?)", _combinations(selections))
    ledger.variants = _variants_by_race(selections)
    stale = []
    for race_id, variants in ledger.variants.items():
        races.ensure_race(ledger, race_id)
        row = run.execute("SELECT planned_variants FROM race WHERE race_id = ?", (race_id,)).fetchone()
        planned = {name for name in row[0].split(",") if name}
        # A variant that is configured no more is not planned for new photos: next time it must be planned again.
        _set_planned(ledger, race_id, planned.intersection(variants))
        if missing := tuple(name for name in variants if name not in planned):
            stale.append((race_id, missing))
    find_hosts(ledger)
    return stale


def find_hosts(ledger: Ledger) -> None:
    """Look anew for the hosts that have something to fetch: what is selected or chosen has changed."""
    ledger.barren.clear()
    ledger.hosts = {host for host in _all_hosts(ledger.connection) if wanted(ledger, host, 0, 1)}


def _combinations(selections: Sequence[Selected]) -> Iterable[tuple[int, int, str, str, bool]]:
    for each in selections:
        for day in each.race_day_ids:
            for variant in each.variants:
                for album_id in each.albums or ("",):
                    yield each.race_id, day, variant, album_id, each.participant_uploads


def _variants_by_race(selections: Sequence[Selected]) -> dict[int, tuple[str, ...]]:
    variants: dict[int, tuple[str, ...]] = {}
    for each in selections:
        variants[each.race_id] = tuple(dict.fromkeys((*variants.get(each.race_id, ()), *each.variants)))
    return variants


def _set_planned(ledger: Ledger, race_id: int, variants: Iterable[str]) -> None:
    ledger.connection.execute(
        "UPDATE race SET planned_variants = ? WHERE race_id = ?", (",".join(sorted(variants)), race_id)
    )


def widen(
    ledger: Ledger, race_id: int, variants: Sequence[str], after: int, variants_of: Callable[[str], tuple[Variant, ...]]
) -> tuple[int, int | None]:
    """Plan variants for the next batch of a race's known photos.

    Args:
        after: The last photo_id of the batch before.
    Returns:
        How many assets became wanted, and where the next batch begins; None at the end.
    """
    run = ledger.connection
    photos = run.execute(
        "SELECT p.photo_id, p.photo_no, j.json FROM photo AS p JOIN photo_json AS j USING (photo_no) "
        "WHERE p.race_id = ? AND p.photo_id > ? AND NOT EXISTS (SELECT 1 FROM tombstone AS t "
        "WHERE t.race_id = p.race_id AND t.photo_id = p.photo_id) ORDER BY p.photo_id LIMIT ?",
        (race_id, after, _WIDEN_BATCH),
    ).fetchall()
    found = [
        (photo_no, variant)
        for _, photo_no, record in photos
        for variant in variants_of(record)
        if variant.name in variants
    ]
    count = want_new(ledger, found)
    if len(photos) == _WIDEN_BATCH:
        return count, photos[-1][0]
    _set_planned(ledger, race_id, ledger.variants[race_id])
    return count, None


def want_new(ledger: Ledger, found: Sequence[tuple[int, Variant]]) -> int:
    """Want variants of photos, by photo_no, that have no row yet; returns how many had none."""
    if not found:
        return 0
    first = ledger.take_wanted_no(len(found)) + 1
    rows = [
        (
            photo_no,
            variant.name,
            number,
            variant.url,
            host_of(variant.url),
            variant.width_px,
            variant.height_px,
            "wanted",
        )
        for number, (photo_no, variant) in enumerate(found, first)
    ]
    ledger.hosts.update(row[4] for row in rows)
    return bulk.change(
        ledger.connection,
        "INSERT INTO asset (photo_no, variant, wanted_no, url, host, listed_width_px, listed_height_px, state) "
        "VALUES {rows} ON CONFLICT DO NOTHING",
        rows,
    )


# -- what to fetch --------------------------------------------------------------------------------------------------


def _all_hosts(connection: sqlite3.Connection) -> list[str]:
    """Hosts with anything wanted: one step of the index each."""
    query = (
        "WITH RECURSIVE hosts (host) AS ("
        "SELECT min(host) FROM asset WHERE state = 'wanted' UNION ALL "
        "SELECT (SELECT min(host) FROM asset WHERE state = 'wanted' AND host > hosts.host) FROM hosts "
        "WHERE host IS NOT NULL) SELECT host FROM hosts WHERE host IS NOT NULL"
    )
    return [row[0] for row in connection.execute(query)]


def hosts(ledger: Ledger) -> list[str]:
    """Hosts with wanted assets."""
    return sorted(ledger.hosts)


def wanted(ledger: Ledger, host: str, after_no: int, limit: int) -> list[Job]:
    """Jobs of one host, in order of their ``wanted_no``."""
    barren_from, barren_to = ledger.barren.get(host, (0, 0))
    start_no = barren_to if barren_from <= after_no < barren_to else after_no
    rows = bulk.read(
        ledger.connection,
        "asset_id, wanted_no, race_id, race_day_id, photo_id, variant, url, host",
        f"FROM (SELECT {_JOB} FROM asset AS a INDEXED BY asset_wanted CROSS JOIN photo AS p ON p.photo_no = a.photo_no "  # noqa: S608
        f"WHERE a.state = 'wanted' AND a.host = :host AND a.wanted_no > :after_no AND NOT {IS_ASIDE} "
        f"AND NOT (:holds_refused AND {IS_REFUSED}) AND {IS_SELECTED} ORDER BY a.wanted_no LIMIT :limit)",
        {"host": host, "after_no": start_no, "limit": limit, "holds_refused": ledger.holds_refused, **clock()},
    )
    rows.sort(key=itemgetter(1))
    if len(rows) < limit:
        # Wanted assets of races that are not selected would be looked at again with each page that is planned.
        ledger.barren[host] = (rows[-1][1] if rows else after_no, newest_wanted_no(ledger))
    return _jobs(rows)


def wanted_by_ids(ledger: Ledger, asset_ids: Sequence[int]) -> list[Job]:
    """Jobs of assets that are wanted."""
    return _jobs(
        ledger.connection.execute(
            f"SELECT {_JOB} FROM asset AS a JOIN photo AS p USING (photo_no) "  # noqa: S608
            "WHERE a.asset_id IN (SELECT value FROM json_each(?)) AND a.state = 'wanted'",
            (id_list(asset_ids),),
        )
    )


def newest_wanted_no(ledger: Ledger) -> int:
    """The highest ``wanted_no`` ever given."""
    newest: int = ledger.connection.execute("SELECT newest_wanted_no FROM archive").fetchone()[0]
    return newest


def count_wanted(ledger: Ledger) -> int:
    """How many assets are to be fetched."""
    count: int = ledger.connection.execute(
        "SELECT count(*) FROM asset AS a INDEXED BY asset_wanted CROSS JOIN photo AS p ON p.photo_no = a.photo_no "  # noqa: S608
        f"WHERE a.state = 'wanted' AND NOT {IS_ASIDE} AND {IS_SELECTED}",
        clock(),
    ).fetchone()[0]
    return count
