"""A page becomes rows: new photos, what changed about known ones, and what is to be fetched."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from mirror.manifest import bulk
from mirror.manifest.changes import Changes, known_photos
from mirror.manifest.ledger import Ledger, PassState
from mirror.manifest.rows import Planned
from mirror.manifest.selection import want_new
from mirror.manifest.text import address_of, id_list
from mirror.model import Page, Photo, Reject

_DAY_S = 86_400
_MILLISECONDS_TS = 10**11
"""Later than the year 5000 in seconds: a stamp in milliseconds."""


def plan(ledger: Ledger, pass_id: int, page: Page) -> Planned:
    """Write down what one page shows.

    Known photos with the very record that is stored cost a mark that they were seen, and nothing if this run has
    seen them before.
    """
    this = ledger.passes[pass_id]
    page = _without_forgotten(ledger, this, page)
    warnings: list[str] = []
    photos, doubles = _first_of_each(page.photos)
    known = known_photos(ledger, this.race_id, [photo.photo_id for photo in photos])
    changes = Changes(ledger, pass_id)
    new: list[Photo] = []
    seen: list[int] = []
    for photo in photos:
        old = known.get(photo.photo_id)
        if old is None:
            new.append(photo)
        elif (
            old.json == photo.json and old.unlisted_at is None and (old.is_seen or old.listed_under == this.race_day_id)
        ):
            if not old.is_seen:
                seen.append(old.photo_no)
        else:
            changes.note(old, photo)
    if seen:
        _mark_seen(ledger, pass_id, seen)
    wanted = _add(ledger, pass_id, new) if new else 0
    changes.write()
    doubtful = [*doubles, *changes.contradictory]
    warnings += _warn_once(this, "twice", doubtful, "was listed twice in this run, differently: the first counts")
    warnings += _warn_once(this, "stamp", _absurd(page), "has an upload time in the future: taken as unknown")
    rejects = _note_rejects(ledger, this, page)
    ledger.connection.execute(
        "UPDATE pass SET pages = pages + 1, photos = photos + ? WHERE pass_id = ?", (len(page.photos), pass_id)
    )
    return Planned(
        new_photos=len(new),
        changed_photos=changes.changed_photos,
        newly_wanted=wanted + changes.newly_wanted,
        bib_changes=tuple(changes.bib_changes),
        known_photos=len(known),
        warnings=tuple(warnings),
        rejects=rejects,
    )


def _without_forgotten(ledger: Ledger, this: PassState, page: Page) -> Page:
    """Leave out photos that were forgotten on request, as if they were not listed: nothing of them is kept."""
    ids = {photo.photo_id for photo in page.photos} | {each.photo_id for each in page.rejects if each.photo_id}
    rows = ledger.connection.execute(
        "SELECT photo_id FROM tombstone WHERE race_id = ? AND photo_id IN (SELECT value FROM json_each(?))",
        (this.race_id, id_list(ids)),
    ).fetchall()
    if not rows:
        return page
    forgotten = {row[0] for row in rows}
    return replace(
        page,
        photos=tuple(photo for photo in page.photos if photo.photo_id not in forgotten),
        rejects=tuple(each for each in page.rejects if each.photo_id not in forgotten),
    )


def _first_of_each(photos: Sequence[Photo]) -> tuple[list[Photo], list[int]]:
    """Photos without repeats, and the ids of those that a later record contradicts."""
    first: dict[int, Photo] = {}
    for photo in photos:
        first.setdefault(photo.photo_id, photo)
    if len(first) == len(photos):
        return list(first.values()), []
    doubles = [photo.photo_id for photo in photos if _place(photo) != _place(first[photo.photo_id])]
    return list(first.values()), doubles


def _place(photo: Photo) -> tuple[object, ...]:
    addresses = {variant.name: address_of(variant.url) for variant in photo.variants}
    return photo.race_day_id, photo.album_id, addresses


def _mark_seen(ledger: Ledger, pass_id: int, photo_nos: Iterable[int]) -> None:
    ledger.connection.execute(
        "UPDATE photo SET seen_pass_id = ? WHERE photo_no IN (SELECT value FROM json_each(?))",
        (pass_id, id_list(photo_nos)),
    )


def _add(ledger: Ledger, pass_id: int, photos: Sequence[Photo]) -> int:
    """Insert photos that were never listed; returns how many assets became wanted."""
    this, run = ledger.passes[pass_id], ledger.connection
    first = run.execute("SELECT coalesce(max(photo_no), 0) + 1 FROM photo").fetchone()[0]
    numbered = list(enumerate(photos, first))
    bulk.change(
        run,
        "INSERT INTO photo (photo_no, race_id, photo_id, race_day_id, listed_under, album_id, uploaded_filename, "
        "uploaded_ts, first_run_id, seen_pass_id) VALUES {rows}",
        [
            (
                photo_no, this.race_id, photo.photo_id, photo.race_day_id or this.race_day_id, this.race_day_id,
                photo.album_id, photo.uploaded_filename, photo.uploaded_ts, ledger.run_id, pass_id,
            )
            for photo_no, photo in numbered
        ],
    )  # fmt: skip
    bulk.change(
        run,
        "INSERT INTO photo_json (photo_no, json) VALUES {rows}",
        [(photo_no, photo.json) for photo_no, photo in numbered],
    )
    bulk.change(
        run,
        "INSERT INTO bib (photo_no, position, bib) VALUES {rows}",
        [(photo_no, at, bib) for photo_no, photo in numbered for at, bib in enumerate(photo.bibs)],
    )
    names = ledger.variants.get(this.race_id, ())
    return want_new(
        ledger,
        [(photo_no, variant) for photo_no, photo in numbered for variant in photo.variants if variant.name in names],
    )


# -- what is odd ----------------------------------------------------------------------------------------------------


def _absurd(page: Page) -> list[int]:
    """Photos whose upload time cannot be: more than a day ahead of the source's own clock, or in milliseconds."""
    latest_ts = _MILLISECONDS_TS if page.served_ts is None else min(page.served_ts + _DAY_S, _MILLISECONDS_TS)
    return [photo.photo_id for photo in page.photos if (photo.uploaded_ts or 0) > latest_ts]


def _warn_once(this: PassState, kind: str, photo_ids: Sequence[int], text: str) -> list[str]:
    """One warning of a kind in a pass, with an example: a whole race may be odd in the same way."""
    if not photo_ids or kind in this.warned:
        return []
    this.warned.add(kind)
    return [f"photo {photo_ids[0]} {text} (told once a pass)"]


def _note_rejects(ledger: Ledger, this: PassState, page: Page) -> int:
    """Remember what could not be used, and forget what can be used by now; returns how many are on this page."""
    run = ledger.connection
    if this.has_rejects:
        run.execute(
            "DELETE FROM reject WHERE race_id = ? AND photo_id IN (SELECT value FROM json_each(?))",
            (this.race_id, id_list(photo.photo_id for photo in page.photos)),
        )
    if page.rejects:
        this.has_rejects = True
        run.executemany(
            "INSERT INTO reject (race_id, race_day_id, photo_id, variant, reason, json, run_id) "
            "VALUES (?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT DO UPDATE SET json = excluded.json, run_id = excluded.run_id",
            [_reject_row(ledger, this, each) for each in page.rejects],
        )
    return len(page.rejects)


def _reject_row(ledger: Ledger, this: PassState, reject: Reject) -> tuple[int | str, ...]:
    return (
        this.race_id, this.race_day_id, reject.photo_id or 0, reject.variant or "", reject.reason, reject.json,
        ledger.run_id,
    )  # fmt: skip
