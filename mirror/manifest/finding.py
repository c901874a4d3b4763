"""Photos looked up: by bib through the index, or by what else is known of them."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from mirror.manifest.queries import ManifestReader
from mirror.manifest.races import day_from
from mirror.manifest.text import id_list
from mirror.model import VARIANTS

_BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What is looked for; everything that is given must hold."""

    bibs: tuple[str, ...] = ()
    """Any of them."""
    is_untagged: bool = False
    """Only photos without a bib."""
    days: tuple[tuple[int, int | None], ...] = ()
    """Race ids, each with a race day or None; empty means all."""
    album: str = ""
    """Its id, or a part of its name."""
    since_ts: int | None = None
    """Uploaded at this moment or later, in Unix seconds."""
    uploaded_by: str = ""
    """How the uploader's file names begin, in whatever case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFile:
    """One variant of a found photo."""

    variant: str
    state: str
    """wanted, stored, gone."""
    key: str | None
    """Where it lies below the archive's root; None if the archive does not hold it."""
    size_bytes: int | None
    sha256: bytes | None
    width_px: int | None
    height_px: int | None
    taken_at: str | None
    stored_at: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPhoto:
    """A photo with all that a person asks of it."""

    race_id: int
    race_name: str
    race_day_id: int
    starts_on: date | None
    photo_id: int
    bibs: tuple[str, ...]
    album_id: str | None
    album_name: str | None
    uploaded_filename: str | None
    uploaded_ts: int | None
    unlisted_at: str | None
    files: tuple[FoundFile, ...]
    """Best variant first."""

    @property
    def held(self) -> tuple[FoundFile, ...]:
        """The files that the archive holds, best first."""
        return tuple(each for each in self.files if each.key is not None)

    @property
    def taken_at(self) -> str | None:
        """When it was taken by the camera's clock, of the best file that says so."""
        return next((each.taken_at for each in self.files if each.taken_at), None)


def days_filter(
    days: Sequence[tuple[int, int | None]], *, photo: str = "p", is_by_record: bool = False
) -> tuple[str, list[object]]:
    """Write a condition that photos of some races, or race days, meet; every photo where there are none.

    Args:
        photo: What the query calls the table.
        is_by_record: A race day is that of the photo's record alone, not the one whose listing shows it too.
    """
    if not days:
        return "1", []
    parts: list[str] = []
    values: list[object] = []
    for race_id, race_day_id in days:
        parts.append(f"{photo}.race_id = ?")
        values.append(race_id)
        if race_day_id is not None:
            where = (f"{photo}.race_day_id",) if is_by_record else (f"{photo}.race_day_id", f"{photo}.listed_under")
            parts[-1] += f" AND ? IN ({', '.join(where)})"
            values.append(race_day_id)
    return f"({' OR '.join(parts)})", values


class PhotoFinder(ManifestReader):
    """A manifest in which photos are looked up."""

    def find(self, search: Search) -> list[int]:
        """Numbers of the photos, for `photos`: by race and race day, then as they were uploaded."""
        condition, values = _condition(search)
        query = (
            "SELECT p.photo_no FROM photo AS p LEFT JOIN race_day AS d USING (race_id, race_day_id) "  # noqa: S608 - our own text
            f"WHERE {condition} ORDER BY p.race_id, coalesce(d.starts_on, ''), p.race_day_id, p.uploaded_ts, p.photo_id"
        )
        return [row[0] for row in self._all(query, values)]

    def photos(self, numbers: Sequence[int]) -> Iterator[FoundPhoto]:
        """Read photos by the numbers that `find` gave, in that order, a few hundred at a time."""
        for start in range(0, len(numbers), _BATCH):
            batch = numbers[start : start + _BATCH]
            found = self._batch(id_list(batch))
            yield from (found[number] for number in batch if number in found)

    def spelled(self, bibs: Sequence[str]) -> dict[str, int]:
        """Of these bibs, as text, those that photos show, each with how many."""
        query = "SELECT bib, count(*) FROM bib WHERE bib IN (SELECT value FROM json_each(?)) GROUP BY bib"
        return dict(self._all(query, (json.dumps(bibs),)))

    def _batch(self, ids: str) -> dict[int, FoundPhoto]:
        bibs: dict[int, tuple[str, ...]] = {}
        for number, bib in self._all(
            "SELECT photo_no, bib FROM bib WHERE photo_no IN (SELECT value FROM json_each(?)) ORDER BY 1, position",
            (ids,),
        ):
            bibs[number] = (*bibs.get(number, ()), bib)
        files: dict[int, list[FoundFile]] = {}
        for number, *row in self._all(
            "SELECT photo_no, variant, state, iif(sha256 IS NULL, NULL, key), size_bytes, sha256, width_px, height_px, "
            "taken_at, stored_at FROM asset WHERE photo_no IN (SELECT value FROM json_each(?))",
            (ids,),
        ):
            files.setdefault(number, []).append(_file(row))
        rows = self._all(
            "SELECT p.photo_no, p.race_id, coalesce(r.name, 'Race ' || p.race_id), p.race_day_id, d.starts_on, "
            "p.photo_id, p.album_id, a.name, p.uploaded_filename, p.uploaded_ts, p.unlisted_at "
            "FROM photo AS p LEFT JOIN race AS r USING (race_id) "
            "LEFT JOIN race_day AS d USING (race_id, race_day_id) "
            "LEFT JOIN album AS a ON a.race_id = p.race_id AND a.race_day_id = p.race_day_id "
            "AND a.album_id = p.album_id WHERE p.photo_no IN (SELECT value FROM json_each(?))",
            (ids,),
        )
        return {row[0]: _photo(row, bibs.get(row[0], ()), files.get(row[0], [])) for row in rows}


def _condition(search: Search) -> tuple[str, list[object]]:
    """Write a search as SQL."""
    condition, values = days_filter(search.days)
    parts = [condition]
    if search.bibs:
        parts.append("p.photo_no IN (SELECT photo_no FROM bib WHERE bib IN (SELECT value FROM json_each(?)))")
        values.append(json.dumps(search.bibs))
    if search.is_untagged:
        parts.append("NOT EXISTS (SELECT 1 FROM bib WHERE bib.photo_no = p.photo_no)")
    if search.album:
        parts.append(
            "(p.album_id = ? OR EXISTS (SELECT 1 FROM album AS a WHERE a.race_id = p.race_id "
            "AND a.race_day_id IN (p.race_day_id, p.listed_under) AND a.album_id = p.album_id "
            "AND instr(lower(a.name), lower(?))))"
        )
        values += [search.album, search.album]
    if search.since_ts is not None:
        parts.append("p.uploaded_ts >= ?")
        values.append(search.since_ts)
    if search.uploaded_by:
        parts.append("substr(p.uploaded_filename, 1, ?) = ? COLLATE NOCASE")
        values += [len(search.uploaded_by), search.uploaded_by]
    return " AND ".join(parts), values


def _file(row: Sequence[Any]) -> FoundFile:
    variant, state, key, size_bytes, sha256, width_px, height_px, taken_at, stored_at = row
    return FoundFile(
        variant=variant, state=state, key=key, size_bytes=size_bytes, sha256=sha256, width_px=width_px,
        height_px=height_px, taken_at=taken_at, stored_at=stored_at,
    )  # fmt: skip


def _photo(row: Sequence[Any], bibs: tuple[str, ...], files: Sequence[FoundFile]) -> FoundPhoto:
    rank = {name: at for at, name in enumerate(VARIANTS)}
    return FoundPhoto(
        race_id=row[1], race_name=row[2], race_day_id=row[3], starts_on=day_from(row[4]), photo_id=row[5], bibs=bibs,
        album_id=row[6], album_name=row[7], uploaded_filename=row[8], uploaded_ts=row[9], unlisted_at=row[10],
        files=tuple(sorted(files, key=lambda each: (rank.get(each.variant, len(rank)), each.variant))),
    )  # fmt: skip
