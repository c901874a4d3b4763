"""What a gallery shows: race days, their albums, and every photo with the files that the archive holds of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from operator import itemgetter
from typing import Any

from mirror.manifest.ledger import translated
from mirror.manifest.queries import ManifestReader
from mirror.manifest.races import day_from

_DAYS = """
SELECT held.race_id, coalesce(race.name, 'Race ' || held.race_id), race.url, race.timezone, held.race_day_id,
    race_day.starts_on, coalesce(race_day.events, '')
FROM (SELECT race_id, race_day_id FROM tally GROUP BY race_id, race_day_id HAVING sum(stored) > 0) AS held
LEFT JOIN race USING (race_id)
LEFT JOIN race_day USING (race_id, race_day_id)
ORDER BY coalesce(race_day.starts_on, '') DESC, held.race_id, held.race_day_id DESC
"""
_ALBUMS = "SELECT album_id, name FROM album WHERE race_id = ? AND race_day_id = ? ORDER BY name, album_id"
# The index by race and photo id gives both queries their order, so that nothing is sorted and nothing gathered.
_FILES = """
SELECT p.photo_id, p.album_id, p.uploaded_filename, p.uploaded_ts, p.unlisted_at,
    a.variant, a.key, a.width_px, a.height_px, a.size_bytes, a.stored_at, a.taken_at
FROM photo AS p CROSS JOIN asset AS a ON a.photo_no = p.photo_no
WHERE p.race_id = ? AND p.race_day_id = ? AND a.state = 'stored'
ORDER BY p.photo_id
"""
_BIBS = """
SELECT p.photo_id, b.bib FROM photo AS p CROSS JOIN bib AS b ON b.photo_no = p.photo_no
WHERE p.race_id = ? AND p.race_day_id = ? ORDER BY p.photo_id, b.position
"""
_MARK = """
SELECT (SELECT max(run_id) FROM run), (SELECT max(ended_at) FROM run), (SELECT max(history_id) FROM history),
    (SELECT total(photos) FROM tally), (SELECT total(stored) FROM tally), (SELECT total(stored_bytes) FROM tally)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldFile:
    """One stored variant of a photo."""

    variant: str
    key: str
    width_px: int | None
    """As stored, like the height: a picture that is to be turned for viewing is not turned here."""
    height_px: int | None
    size_bytes: int
    stored_at: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldPhoto:
    """One photo of which the archive holds at least one file."""

    photo_id: int
    album_id: str | None
    uploaded_filename: str | None
    """Hostile text."""
    uploaded_ts: int | None
    is_unlisted: bool
    taken_at: str | None
    """``YYYY-MM-DDTHH:MM:SS`` by the camera's clock, with the offset where it recorded one."""
    bibs: tuple[str, ...]
    files: tuple[HeldFile, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldDay:
    """One race day of which the archive holds photos."""

    race_id: int
    race_name: str
    race_url: str | None
    timezone: str | None
    race_day_id: int
    starts_on: date | None
    events: str
    albums: tuple[tuple[str, str], ...]
    """Id and name of each, by name."""


class GalleryReader(ManifestReader):
    """A manifest open for reading, asked for all that can be looked at."""

    @contextmanager
    def moment(self) -> Iterator[None]:
        """See one and the same state from here on, whatever a run writes meanwhile."""
        with translated(self.path):
            self._connection.execute("BEGIN")
            try:
                yield
            finally:
                self._connection.execute("ROLLBACK")

    def held_mark(self) -> tuple[object, ...]:
        """Something that is another when there may be something new to look at; quick whatever the archive's size."""
        with translated(self.path):
            return tuple(self._connection.execute(_MARK).fetchone())

    def held_days(self) -> list[HeldDay]:
        """Race days with something stored, newest first."""
        with translated(self.path):
            rows = self._connection.execute(_DAYS).fetchall()
            return [
                HeldDay(
                    race_id=race_id, race_name=name, race_url=url, timezone=timezone, race_day_id=day_id,
                    starts_on=day_from(starts_on), events=events,
                    albums=tuple(self._connection.execute(_ALBUMS, (race_id, day_id)).fetchall()),
                )
                for race_id, name, url, timezone, day_id, starts_on, events in rows
            ]  # fmt: skip

    def held_photos(self, race_id: int, race_day_id: int) -> Iterator[HeldPhoto]:
        """Photos of a race day by id, one at a time."""
        with translated(self.path):
            worn = _Bibs(self._connection.execute(_BIBS, (race_id, race_day_id)))
            files = self._connection.execute(_FILES, (race_id, race_day_id))
            for photo_id, rows in groupby(files, key=itemgetter(0)):
                yield _photo(list(rows), worn.of(photo_id))


class _Bibs:
    """The bibs of one photo after the other: both queries come in the order of photo ids."""

    def __init__(self, rows: Iterator[tuple[int, str]]) -> None:
        self._groups = groupby(rows, key=itemgetter(0))
        self._photo_id: int | None = None
        self._rows: Iterator[tuple[int, str]] = iter(())
        self._step()

    def _step(self) -> None:
        self._photo_id, self._rows = next(self._groups, (None, iter(())))

    def of(self, photo_id: int) -> tuple[str, ...]:
        """Bibs of a photo; those of photos before it, which have no file, are passed over."""
        while self._photo_id is not None and self._photo_id < photo_id:
            self._step()
        return tuple(bib for _, bib in self._rows) if self._photo_id == photo_id else ()


def _photo(rows: list[tuple[Any, ...]], bibs: tuple[str, ...]) -> HeldPhoto:
    photo_id, album_id, uploaded_filename, uploaded_ts, unlisted_at, *_ = rows[0]
    return HeldPhoto(
        photo_id=photo_id,
        album_id=album_id,
        uploaded_filename=uploaded_filename,
        uploaded_ts=uploaded_ts,
        is_unlisted=unlisted_at is not None,
        taken_at=next((row[-1] for row in rows if row[-1]), None),
        bibs=bibs,
        files=tuple(
            HeldFile(
                variant=variant, key=key, width_px=width, height_px=height, size_bytes=size or 0, stored_at=stored_at
            )
            for *_, variant, key, width, height, size, stored_at, _ in rows
        ),
    )
