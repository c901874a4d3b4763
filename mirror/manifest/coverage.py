"""Counts over whole race days, as a report asks for them; each takes a second or two on half a million photos."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

from mirror.manifest.finding import days_filter
from mirror.manifest.queries import ManifestReader
from mirror.manifest.races import day_from
from mirror.model import VARIANTS

DayKey = tuple[int, int]
"""Race id and race day id."""
Days = tuple[tuple[int, int | None], ...]

_HAS_BIB = "EXISTS (SELECT 1 FROM bib WHERE bib.photo_no = p.photo_no)"


@dataclass(frozen=True, slots=True, kw_only=True)
class DayCount:
    """A race day and its photos."""

    race_id: int
    race_name: str
    race_day_id: int
    starts_on: date | None
    timezone: str | None
    photos: int
    untagged: int
    """Photos without a bib."""
    unlisted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AlbumCount:
    """An album of a race day and its photos."""

    name: str
    photos: int
    untagged: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """Photos of a race day by hour."""

    taken: dict[str, int] = field(default_factory=dict)
    """By the cameras' clocks: ``2026-05-17T08``."""
    uploaded: dict[int, int] = field(default_factory=dict)
    """In hours since 1970, by the source's clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate:
    """The same bytes under several photos of a race day."""

    photo_ids: tuple[int, ...]
    size_bytes: int
    """Of one of them."""


class CoverageReader(ManifestReader):
    """A manifest whose photos are counted, those ever listed; everything by race day."""

    def day_counts(self, days: Days) -> list[DayCount]:
        """Race days with photos, by race, oldest first."""
        condition, values = days_filter(days, is_by_record=True)
        rows = self._all(
            "SELECT p.race_id, coalesce(r.name, 'Race ' || p.race_id), p.race_day_id, d.starts_on, r.timezone, "  # noqa: S608 - our own text
            f"count(*), total(NOT {_HAS_BIB}), total(p.unlisted_at IS NOT NULL) "
            "FROM photo AS p LEFT JOIN race AS r USING (race_id) LEFT JOIN race_day AS d USING (race_id, race_day_id) "
            f"WHERE {condition} GROUP BY p.race_id, p.race_day_id "
            "ORDER BY p.race_id, coalesce(d.starts_on, ''), p.race_day_id",
            values,
        )
        return [
            DayCount(
                race_id=row[0], race_name=row[1], race_day_id=row[2], starts_on=day_from(row[3]), timezone=row[4],
                photos=row[5], untagged=int(row[6]), unlisted=int(row[7]),
            )
            for row in rows
        ]  # fmt: skip

    def album_counts(self, days: Days) -> dict[DayKey, list[AlbumCount]]:
        """Albums, the largest first; photos of none are in one without a name."""
        condition, values = days_filter(days, is_by_record=True)
        rows = self._all(
            "SELECT p.race_id, p.race_day_id, coalesce(a.name, p.album_id, ''), count(*), "  # noqa: S608 - our own text
            f"total(NOT {_HAS_BIB}) FROM photo AS p LEFT JOIN album AS a ON a.race_id = p.race_id "
            "AND a.race_day_id = p.race_day_id AND a.album_id = p.album_id "
            f"WHERE {condition} GROUP BY p.race_id, p.race_day_id, p.album_id ORDER BY count(*) DESC, 3",
            values,
        )
        counts: dict[DayKey, list[AlbumCount]] = {}
        for race_id, day, name, photos, untagged in rows:
            counts.setdefault((race_id, day), []).append(AlbumCount(name=name, photos=photos, untagged=int(untagged)))
        return counts

    def hours(self, days: Days) -> dict[DayKey, Hours]:
        """Photos by the hour in which they were taken; those that nobody knows that of, by the hour of their upload."""
        condition, values = days_filter(days, is_by_record=True)
        rows = self._all(
            "SELECT race_id, race_day_id, substr(taken_at, 1, 13) AS taken, "  # noqa: S608 - our own text
            "iif(taken_at IS NULL, uploaded_ts / 3600, NULL) AS uploaded, count(*) FROM ("
            "SELECT p.race_id, p.race_day_id, p.uploaded_ts, "
            "(SELECT max(a.taken_at) FROM asset AS a WHERE a.photo_no = p.photo_no) AS taken_at "
            f"FROM photo AS p WHERE {condition}) GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4",
            values,
        )
        counts: dict[DayKey, Hours] = {}
        for race_id, day, taken, uploaded, count in rows:
            hours = counts.setdefault((race_id, day), Hours())
            if taken is not None:
                hours.taken[taken] = count
            elif uploaded is not None:
                hours.uploaded[uploaded] = count
        return counts

    def names(self, days: Days) -> Iterator[tuple[DayKey, str | None]]:
        """Each photo's name as its uploader had it, one by one."""
        condition, values = days_filter(days, is_by_record=True)
        query = f"SELECT p.race_id, p.race_day_id, p.uploaded_filename FROM photo AS p WHERE {condition}"  # noqa: S608 - our own text
        for race_id, day, name in self._each(query, values):
            yield (race_id, day), name

    def bib_counts(self, days: Days) -> dict[DayKey, dict[str, int]]:
        """Each bib with the number of photos that show it."""
        condition, values = days_filter(days, is_by_record=True)
        rows = self._each(
            f"SELECT p.race_id, p.race_day_id, b.bib, count(*) FROM photo AS p JOIN bib AS b USING (photo_no) "  # noqa: S608 - our own text
            f"WHERE {condition} GROUP BY 1, 2, 3",
            values,
        )
        counts: dict[DayKey, dict[str, int]] = {}
        for race_id, day, bib, count in rows:
            counts.setdefault((race_id, day), {})[bib] = count
        return counts

    def duplicates(self, days: Days) -> dict[DayKey, list[Duplicate]]:
        """Photos whose best held variants are the same bytes: uploaded more than once; the largest first."""
        condition, values = days_filter(days, is_by_record=True)
        rank = " ".join(f"WHEN '{name}' THEN {at}" for at, name in enumerate(VARIANTS))
        rows = self._all(
            "SELECT race_id, race_day_id, group_concat(photo_id), size_bytes FROM ("  # noqa: S608 - our own text
            "SELECT p.race_id, p.race_day_id, p.photo_id, a.sha256, a.size_bytes, "
            f"min(CASE a.variant {rank} ELSE {len(VARIANTS)} END) AS best FROM photo AS p JOIN asset AS a "
            f"USING (photo_no) WHERE a.sha256 IS NOT NULL AND {condition} GROUP BY p.photo_no) "
            "GROUP BY race_id, race_day_id, best, sha256 HAVING count(*) > 1 ORDER BY count(*) DESC, size_bytes DESC",
            values,
        )
        found: dict[DayKey, list[Duplicate]] = {}
        for race_id, day, ids, size_bytes in rows:
            photo_ids = tuple(sorted(map(int, ids.split(","))))
            found.setdefault((race_id, day), []).append(Duplicate(photo_ids=photo_ids, size_bytes=size_bytes))
        return found
