"""What became of assets: keys given before their files get names, then outcomes, all durably."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mirror.layout import version_key
from mirror.manifest import bulk
from mirror.manifest.changes import FRESH_START
from mirror.manifest.failures import note_failed
from mirror.manifest.keys import Keys, Place
from mirror.manifest.ledger import Ledger
from mirror.manifest.rows import Commit, Leftover, Recorded
from mirror.manifest.text import address_of, id_list, now_text, storable, without_query
from mirror.model import Content, Failed, Fetched, Stored

_Value = int | str | bytes | None
_FACTS = ("extension", "width_px", "height_px", "taken_at", "etag", "last_modified")
_UPDATE = (
    "WITH new (key, stored_url, size_bytes, sha256, width_px, height_px, taken_at, etag, last_modified, stored_at, "
    "asset_id) AS (VALUES {rows}) "
    "UPDATE asset SET {also}key = new.key, stored_url = new.stored_url, size_bytes = new.size_bytes, "
    "sha256 = new.sha256, width_px = new.width_px, height_px = new.height_px, taken_at = new.taken_at, "
    "etag = new.etag, last_modified = new.last_modified, stored_at = new.stored_at, verified_at = NULL "
    "FROM new WHERE asset.asset_id = new.asset_id"
)
# Bytes that are lost must not count as the same when they come again.
_LOST = "size_bytes = NULL, sha256 = NULL, etag = NULL, last_modified = NULL, verified_at = NULL"


class _Row(NamedTuple):
    """An asset as it stands before its outcome."""

    asset_id: int
    state: str
    url: str
    key: str | None
    sha256: bytes | None
    size_bytes: int | None
    etag: str | None
    stored_at: str | None
    variant: str
    race_id: int
    photo_id: int
    race_day_id: int
    album_id: str | None
    uploaded_filename: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Result:
    """Bytes that lie under their key."""

    asset_id: int
    url: str
    key: str
    content: Content


def _rows(ledger: Ledger, asset_ids: Iterable[int]) -> dict[int, _Row]:
    columns = (
        "a.asset_id, a.state, a.url, a.key, iif(a.sha256 IS NULL, NULL, hex(a.sha256)), a.size_bytes, a.etag, "
        "a.stored_at, a.variant, p.race_id, p.photo_id, p.race_day_id, p.album_id, p.uploaded_filename"
    )
    source = "FROM asset AS a JOIN photo AS p USING (photo_no) WHERE a.asset_id IN (SELECT value FROM json_each(?))"
    rows = bulk.read(ledger.connection, columns, source, (id_list(asset_ids),))
    for row in rows:
        row[4] = None if row[4] is None else bytes.fromhex(row[4])
    return {row[0]: _Row._make(row) for row in rows}


def _is_same_address(listed: str, fetched: str) -> bool:
    return listed == fetched or address_of(listed) == address_of(fetched)


# -- before the renames ---------------------------------------------------------------------------------------------


def prepare_commit(ledger: Ledger, group: Sequence[Fetched]) -> list[Commit]:
    """Give keys, and write down what is about to be renamed."""
    rows = _rows(ledger, (each.job.asset_id for each in group))
    ready: dict[int, Fetched] = {}
    for each in group:
        row = rows.get(each.job.asset_id)
        if row and row.state == "wanted" and _is_same_address(row.url, each.job.url):
            ready.setdefault(row.asset_id, each)
    fresh = [asset_id for asset_id in ready if rows[asset_id].key is None]
    keys = dict(zip(fresh, Keys(ledger).make([_place(rows[at], ready[at]) for at in fresh]), strict=True))
    commits = [
        _commit(rows[asset_id], each, keys.get(asset_id), keeps_versions=ledger.keeps_versions)
        for asset_id, each in ready.items()
    ]
    bulk.change(
        ledger.connection,
        "INSERT OR REPLACE INTO committing (asset_id, wanted_no, url, key, size_bytes, sha256, content) VALUES {rows}",
        [_committing_row(each) for each in commits],
    )
    return commits


def _place(row: _Row, fetched: Fetched) -> Place:
    return Place(
        race_id=row.race_id,
        race_day_id=row.race_day_id,
        album_id=row.album_id,
        variant=row.variant,
        photo_id=row.photo_id,
        uploaded_filename=row.uploaded_filename,
        extension=fetched.content.extension,
    )


def _commit(row: _Row, fetched: Fetched, new_key: str | None, *, keeps_versions: bool) -> Commit:
    key = row.key or new_key or ""
    is_same = row.sha256 == fetched.content.sha256
    replaces = row.sha256 is not None and not is_same
    keep_as = version_key(key, (row.sha256 or b"").hex()) if replaces and keeps_versions else None
    return Commit(
        fetched=fetched, key=key, replaces=replaces, keep_as=keep_as, sha256_there=row.sha256, is_same=is_same
    )


def _committing_row(commit: Commit) -> tuple[_Value, ...]:
    job, content = commit.fetched.job, commit.fetched.content
    facts = {name: getattr(content, name) for name in _FACTS}
    return (
        job.asset_id, job.wanted_no, without_query(job.url), commit.key, content.size_bytes, content.sha256,
        json.dumps(facts),
    )  # fmt: skip


# -- after the renames ----------------------------------------------------------------------------------------------


def record(ledger: Ledger, stored: Sequence[Stored], failed: Sequence[Failed]) -> Recorded:
    """Write down outcomes; what was listed elsewhere in the meantime is held, and stays wanted."""
    results = [
        _Result(asset_id=each.job.asset_id, url=each.job.url, key=each.key, content=each.content) for each in stored
    ]
    count = _note_stored(ledger, results) if results else 0
    gone, still_wanted = note_failed(ledger, failed) if failed else (0, 0)
    return Recorded(stored=count, gone=gone, failed=still_wanted)


def _note_stored(ledger: Ledger, results: Sequence[_Result]) -> int:
    """Write down bytes that lie under their keys; returns how many assets became stored."""
    run, now = ledger.connection, now_text()
    rows = _rows(ledger, (each.asset_id for each in results))
    results = [each for each in results if each.asset_id in rows]
    done: list[tuple[_Value, ...]] = []
    held: list[tuple[_Value, ...]] = []
    for each in results:
        row = rows[each.asset_id]
        is_done = row.state == "wanted" and _is_same_address(row.url, each.url)
        (done if is_done else held).append(_content_row(each, now))
    bulk.change(run, _UPDATE.format(rows="{rows}", also=f"state = 'stored', wanted_no = NULL, {FRESH_START}, "), done)
    bulk.change(run, _UPDATE.format(rows="{rows}", also=""), held)
    _note_replaced(ledger, [(rows[each.asset_id], each) for each in results], now)
    run.execute(
        "DELETE FROM committing WHERE asset_id IN (SELECT value FROM json_each(?))",
        (id_list(each.asset_id for each in results),),
    )
    return len(done)


def _content_row(result: _Result, now: str) -> tuple[_Value, ...]:
    content = result.content
    return (
        result.key, without_query(result.url), content.size_bytes, content.sha256, content.width_px, content.height_px,
        content.taken_at, storable(content.etag), storable(content.last_modified), now, result.asset_id,
    )  # fmt: skip


def _note_replaced(ledger: Ledger, pairs: Sequence[tuple[_Row, _Result]], now: str) -> None:
    """Remember where earlier bytes lie now."""
    replaced = [(row, new) for row, new in pairs if row.sha256 is not None and row.sha256 != new.content.sha256]
    run, run_id = ledger.connection, ledger.run_id
    run.executemany(
        "INSERT INTO version (asset_id, run_id, key, size_bytes, sha256, etag, stored_at, replaced_at, why) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'replaced')",
        [
            (
                row.asset_id, run_id, version_key(new.key, (row.sha256 or b"").hex()), row.size_bytes, row.sha256,
                row.etag, row.stored_at, now,
            )
            for row, new in (replaced if ledger.keeps_versions else ())
        ],
    )  # fmt: skip
    run.executemany(
        "INSERT INTO history (run_id, at, race_id, photo_id, what, variant, before, after) "
        "VALUES (?, ?, ?, ?, 'replaced', ?, ?, ?)",
        [
            (
                run_id, now, row.race_id, row.photo_id, row.variant, (row.sha256 or b"").hex(),
                new.content.sha256.hex(),
            )
            for row, new in replaced
        ],
    )  # fmt: skip


def old_versions(ledger: Ledger, most_bytes: int) -> list[tuple[int, str]]:
    """Find the oldest versions beyond so many bytes: their ids and keys. Foreign things are nobody's to drop."""
    query = (
        "SELECT version_id, key FROM (SELECT version_id, key, sum(coalesce(size_bytes, 0)) "
        "OVER (ORDER BY version_id DESC) AS size_bytes FROM version WHERE why = 'replaced') "
        "WHERE size_bytes > ? ORDER BY version_id"
    )
    return ledger.connection.execute(query, (most_bytes,)).fetchall()


def drop_versions(ledger: Ledger, version_ids: Sequence[int]) -> None:
    """Forget versions whose files are gone; the history still has their hashes."""
    ledger.connection.execute(
        "DELETE FROM version WHERE version_id IN (SELECT value FROM json_each(?))", (id_list(version_ids),)
    )


def drop_unkept(ledger: Ledger, keys: Sequence[str]) -> None:
    """Forget versions that this run noted and could not keep: what lay there was damaged, or nothing at all."""
    ledger.connection.execute(
        "DELETE FROM version WHERE run_id = ? AND why = 'replaced' AND key IN (SELECT value FROM json_each(?))",
        (ledger.run_id, json.dumps(keys)),
    )


def note_foreign(ledger: Ledger, moved: Sequence[tuple[str, str]]) -> None:
    """Remember where things lie now that were not ours and lay under a key."""
    ledger.connection.executemany(
        "INSERT INTO version (asset_id, run_id, key, replaced_at, why) "
        "SELECT asset_id, ?, ?, ?, 'foreign' FROM asset WHERE key = ?",
        [(ledger.run_id, place, now_text(), key) for key, place in moved],
    )


# -- what a killed run left -----------------------------------------------------------------------------------------


def leftovers(ledger: Ledger) -> list[Leftover]:
    """Read what was written down before renames and never recorded."""
    query = "SELECT asset_id, wanted_no, url, key, size_bytes, sha256, content FROM committing ORDER BY wanted_no"
    return [
        Leftover(
            asset_id=asset_id, wanted_no=wanted_no, url=url, key=key, size_bytes=size, sha256=sha256,
            content=Content(size_bytes=size, sha256=sha256, **json.loads(facts)),
        )
        for asset_id, wanted_no, url, key, size, sha256, facts in ledger.connection.execute(query)
    ]  # fmt: skip


def settle(ledger: Ledger, adopted: Sequence[int], dropped: Sequence[int]) -> int:
    """Record the adopted ones as a run would have; the dropped ones just stay wanted."""
    chosen = set(adopted) - set(dropped)
    found = [
        _Result(asset_id=each.asset_id, url=each.url, key=each.key, content=each.content)
        for each in leftovers(ledger)
        if each.asset_id in chosen
    ]
    count = _note_stored(ledger, found) if found else 0
    ledger.connection.execute("DELETE FROM committing")
    return count


# -- stored, and wanted again ---------------------------------------------------------------------------------------


def _lose_earlier(ledger: Ledger, asset_ids: Sequence[int]) -> None:
    """Forget bytes that are no longer held while newer ones are wanted: if those never come, nothing is stored."""
    ledger.connection.execute(
        f"UPDATE asset SET {_LOST} WHERE asset_id IN (SELECT value FROM json_each(?)) AND state = 'wanted'",  # noqa: S608
        (id_list(asset_ids),),
    )


def want_again(ledger: Ledger, asset_ids: Sequence[int], why: str, *, is_lost: bool) -> int:
    """Want stored assets once more; the key stays theirs."""
    if is_lost:
        _lose_earlier(ledger, asset_ids)
    run = ledger.connection
    rows = run.execute(
        "SELECT a.asset_id, a.host, a.variant, p.race_id, p.photo_id, hex(a.sha256) FROM asset AS a "
        "JOIN photo AS p USING (photo_no) "
        "WHERE a.asset_id IN (SELECT value FROM json_each(?)) AND a.state = 'stored' ORDER BY a.asset_id",
        (id_list(asset_ids),),
    ).fetchall()
    first = ledger.take_wanted_no(len(rows)) + 1
    lost = f"{_LOST}, " if is_lost else ""
    run.executemany(
        f"UPDATE asset SET state = 'wanted', {lost}{FRESH_START}, wanted_no = ? WHERE asset_id = ?",  # noqa: S608
        [(number, row[0]) for number, row in enumerate(rows, first)],
    )
    run.executemany(
        "INSERT INTO history (run_id, at, race_id, photo_id, what, variant, before) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [(ledger.run_id, now_text(), row[3], row[4], why, row[2], row[5].lower()) for row in rows],
    )
    ledger.hosts.update(row[1] for row in rows)
    return len(rows)
