"""Photos as exports need them: streamed in a fixed order, with their bibs, albums and assets; flat in memory."""

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from mirror.manifest.text import id_list

_BATCH = 2000

_PHOTOS = """
SELECT photo_no, race_id, photo_id, race_day_id, album_id, uploaded_filename, uploaded_ts, unlisted_at
FROM photo WHERE (race_id, photo_id) > (?, ?) {where} ORDER BY race_id, photo_id LIMIT ?
"""
_BIBS = "SELECT photo_no, bib FROM bib WHERE photo_no IN (SELECT value FROM json_each(?)) ORDER BY photo_no, position"
_ASSETS = """
SELECT photo_no, variant, state, key, size_bytes, sha256, width_px, height_px, taken_at, stored_at
FROM asset WHERE photo_no IN (SELECT value FROM json_each(?)) ORDER BY photo_no, asset_id
"""


RaceDays = Sequence[tuple[int, int]]
"""Race days, each a race id and a race day id."""


class ExportDay(NamedTuple):
    """A race day that photos belong to, and its race."""

    race_id: int
    race_day_id: int
    race: str
    race_url: str | None
    starts_on: str | None
    """``2026-05-17`` in the race's time zone."""
    folder: str | None
    """The race's and the race day's folder, joined by a dash; None before anything of it was stored."""
    photos: int
    stored_bytes: int


class ExportAsset(NamedTuple):
    """One variant of a photo. What follows the state is given only for a stored one."""

    variant: str
    state: str
    key: str | None
    size_bytes: int | None
    sha256: str | None
    """64 hex digits."""
    width_px: int | None
    height_px: int | None
    taken_at: str | None
    stored_at: str | None


class ExportPhoto(NamedTuple):
    """One photo; a tuple, since a dataclass would double the time of a large export."""

    day: ExportDay
    photo_id: int
    album_id: str | None
    album: str | None
    uploaded_filename: str | None
    uploaded_ts: int | None
    unlisted_at: str | None
    bibs: tuple[str, ...]
    assets: tuple[ExportAsset, ...]

    def asset(self, variant: str) -> ExportAsset | None:
        """Find one variant."""
        return next((each for each in self.assets if each.variant == variant), None)


def export_days(connection: sqlite3.Connection) -> list[ExportDay]:
    """Read every race day that photos belong to, by race, then by date."""
    rows = connection.execute(
        "SELECT race_id, race_day_id, coalesce(race.name, 'Race ' || race_id), race.url, day.starts_on, "
        "race.folder || '-' || day.folder, sum(photos), sum(stored_bytes) "
        "FROM tally LEFT JOIN race USING (race_id) LEFT JOIN race_day AS day USING (race_id, race_day_id) "
        "GROUP BY race_id, race_day_id HAVING sum(photos) > 0 "
        "ORDER BY race_id, coalesce(day.starts_on, ''), race_day_id"
    )
    return [ExportDay._make(row) for row in rows]


def export_photos(connection: sqlite3.Connection, race_days: RaceDays | None) -> Iterator[ExportPhoto]:
    """Stream photos by race id and photo id, whenever they came to be in the manifest.

    Args:
        race_days: Those whose photos are meant; None for all.
    """
    days = _days_by_id(connection)
    albums: dict[tuple[int, int, str], str] = {
        row[:3]: row[3] for row in connection.execute("SELECT race_id, race_day_id, album_id, name FROM album")
    }
    for batch in _batches(connection, race_days):
        ids = id_list(row[0] for row in batch)
        bibs = {
            photo_no: tuple(bib for _, bib in group)
            for photo_no, group in groupby(connection.execute(_BIBS, (ids,)), key=itemgetter(0))
        }
        assets = {
            photo_no: tuple(_asset(row) for row in group)
            for photo_no, group in groupby(connection.execute(_ASSETS, (ids,)), key=itemgetter(0))
        }
        if any((row[1], row[3]) not in days for row in batch):
            days = _days_by_id(connection)  # a run that is on met a new one
        for photo_no, race_id, photo_id, race_day_id, album_id, filename, uploaded_ts, unlisted_at in batch:
            yield ExportPhoto(
                days[race_id, race_day_id], photo_id, album_id,
                albums.get((race_id, race_day_id, album_id)) if album_id is not None else None,
                filename, uploaded_ts, unlisted_at, bibs.get(photo_no, ()), assets.get(photo_no, ()),
            )  # fmt: skip


def _days_by_id(connection: sqlite3.Connection) -> dict[tuple[int, int], ExportDay]:
    return {(day.race_id, day.race_day_id): day for day in export_days(connection)}


def _batches(connection: sqlite3.Connection, race_days: RaceDays | None) -> Iterator[Sequence[tuple[Any, ...]]]:
    """The index of photos has the order: nothing is sorted, and each batch begins where the last one ended."""
    where = ""
    if race_days is not None:
        pairs = (f"(race_id = {race_id:d} AND race_day_id = {day:d})" for race_id, day in race_days)
        where = f"AND ({' OR '.join(pairs) or 'FALSE'})"
    query = _PHOTOS.format(where=where)
    last = (-(2**63), -(2**63))
    while batch := connection.execute(query, (*last, _BATCH)).fetchall():
        yield batch
        last = batch[-1][1:3]


def _asset(row: tuple[Any, ...]) -> ExportAsset:
    _, variant, state, key, size_bytes, sha256, *more = row
    if state != "stored" or key is None or sha256 is None:
        return ExportAsset(variant, state, None, None, None, None, None, None, None)
    return ExportAsset(variant, state, key, size_bytes, sha256.hex(), *more)
