"""What changed, run by run: as commands ask for it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mirror.manifest.finding import days_filter
from mirror.manifest.queries import ManifestReader
from mirror.manifest.rows import RunRow
from mirror.manifest.text import at_text, moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Which changes are asked for; everything that is given must hold."""

    since: datetime | None = None
    until: datetime | None = None
    """Exclusive."""
    run_id: int | None = None
    days: tuple[tuple[int, int | None], ...] = ()
    """Race ids, each with a race day or None; empty means all."""
    photo_id: int | None = None
    bib: str = ""
    """Photos that show it, or that it was taken from."""
    latest: int | None = None
    """Only so many runs, the newest of those that may have news."""

    @property
    def is_narrow(self) -> bool:
        """Whether only some photos are meant."""
        return bool(self.days or self.bib or self.photo_id is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that changed about one photo."""

    run_id: int | None
    """None for what no run did."""
    at: datetime | None
    race_id: int
    photo_id: int
    what: str
    """As in the table ``history``; or new, forgotten."""
    variant: str | None = None
    before: str | None = None
    after: str | None = None


class HistoryReader(ManifestReader):
    """A manifest whose history is read."""

    def runs_in(self, span: Span) -> list[RunRow]:
        """The runs that were on within a span, oldest first."""
        runs = [
            run
            for run in self.runs(-1)
            if span.run_id in {None, run.run_id}
            and (span.until is None or run.started_at < span.until)
            and (span.since is None or run.ended_at is None or run.ended_at >= span.since)
        ]
        if span.latest is not None:
            told = {run_id for (run_id,) in self._all("SELECT DISTINCT run_id FROM history")}
            runs = [
                run
                for run in runs
                if run.new_photos or run.stored or run.failed or run.ended_at is None or run.run_id in told
            ][: span.latest]
        return runs[::-1]

    def new_photos(self, span: Span, run_ids: Sequence[int]) -> dict[int, dict[tuple[int, int], int]]:
        """For each of these runs, how many photos it listed first, by race and race day."""
        condition, values = days_filter(span.days)
        counts: dict[int, dict[tuple[int, int], int]] = {}
        rows = self._all(
            "SELECT first_run_id, race_id, race_day_id, count(*) FROM photo AS p "  # noqa: S608 - our own text
            f"WHERE first_run_id IN (SELECT value FROM json_each(?)) AND {condition} GROUP BY 1, 2, 3",
            (json.dumps(run_ids), *values),
        )
        for run_id, race_id, race_day_id, count in rows:
            counts.setdefault(run_id, {})[race_id, race_day_id] = count
        return counts

    def changes(self, span: Span, run_ids: Sequence[int]) -> list[Change]:
        """What the history says of these runs, photo by photo within each."""
        condition, values = self._condition(span)
        rows = self._all(
            "SELECT h.run_id, h.at, h.race_id, h.photo_id, h.what, h.variant, h.before, h.after "  # noqa: S608 - our own text
            "FROM history AS h LEFT JOIN photo AS p USING (race_id, photo_id) "
            f"WHERE h.run_id IN (SELECT value FROM json_each(?)) AND {condition} "
            "ORDER BY h.run_id, h.race_id, h.photo_id, h.history_id",
            (json.dumps(run_ids), *values),
        )
        return [_change(row) for row in rows]

    def first_listed(self, span: Span, run_ids: Sequence[int]) -> list[Change]:
        """Photos that these runs listed first, for a span that is narrow enough to name them."""
        condition, values = days_filter(span.days)
        if span.photo_id is not None:
            condition += " AND p.photo_id = ?"
            values.append(span.photo_id)
        if span.bib:
            # At its first listing it showed the bib, unless the first thing ever said of both is that it was added.
            condition += (
                " AND (p.photo_no IN (SELECT photo_no FROM bib WHERE bib = ?) OR (p.race_id, p.photo_id) IN ("
                "SELECT race_id, photo_id FROM history WHERE what = 'bib removed' AND before = ?)) "
                "AND coalesce((SELECT what FROM history AS h WHERE h.race_id = p.race_id AND h.photo_id = p.photo_id "
                "AND ? IN (h.before, h.after) AND h.what GLOB 'bib *' ORDER BY history_id LIMIT 1), '') <> 'bib added'"
            )
            values += [span.bib] * 3
        rows = self._all(
            "SELECT p.first_run_id, r.started_at, p.race_id, p.photo_id, 'new', NULL, NULL, "  # noqa: S608 - our own text
            "(SELECT group_concat(bib, ', ') FROM (SELECT bib FROM bib WHERE photo_no = p.photo_no ORDER BY position)) "
            "FROM photo AS p JOIN run AS r ON r.run_id = p.first_run_id "
            f"WHERE p.first_run_id IN (SELECT value FROM json_each(?)) AND {condition} ORDER BY 1, 3, 4",
            (json.dumps(run_ids), *values),
        )
        return [_change(row) for row in rows]

    def forgotten(self, span: Span) -> list[Change]:
        """Photos that were forgotten within a span: nothing but their ids is left."""
        if span.bib or span.run_id is not None or not self._has_tombstones():
            return []
        rows = self._all(
            "SELECT NULL, forgotten_at, race_id, photo_id, 'forgotten', NULL, NULL, NULL FROM tombstone "
            "WHERE forgotten_at >= ? AND forgotten_at < ? AND coalesce(photo_id = ?, 1) ORDER BY 2, 3, 4",
            (at_text(span.since) if span.since else "", at_text(span.until) if span.until else "9", span.photo_id),
        )
        races = {race_id for race_id, _ in span.days}
        return [each for each in map(_change, rows) if not races or each.race_id in races]

    def album_names(self) -> dict[tuple[int, str], str]:
        """Names of albums by race and album id."""
        rows = self._all("SELECT race_id, album_id, name FROM album")
        return {(race_id, album_id): name for race_id, album_id, name in rows}

    def _has_tombstones(self) -> bool:
        """Version 1 of the manifest, read from media that cannot be written, has none."""
        return bool(self._all("SELECT 1 FROM sqlite_schema WHERE name = 'tombstone'"))

    def _condition(self, span: Span) -> tuple[str, list[object]]:
        condition, values = days_filter(span.days, photo="h" if all(day is None for _, day in span.days) else "p")
        if span.photo_id is not None:
            condition += " AND h.photo_id = ?"
            values.append(span.photo_id)
        if span.bib:
            condition += (
                " AND ((h.race_id, h.photo_id) IN (SELECT race_id, photo_id FROM photo WHERE photo_no IN ("
                "SELECT photo_no FROM bib WHERE bib = ?)) OR (h.race_id, h.photo_id) IN ("
                "SELECT race_id, photo_id FROM history WHERE what = 'bib removed' AND before = ?))"
            )
            values += [span.bib, span.bib]
        return condition, values


def _change(row: Sequence[Any]) -> Change:
    run_id, at, race_id, photo_id, what, variant, before, after = row
    return Change(
        run_id=run_id, at=moment(at), race_id=race_id, photo_id=photo_id, what=what, variant=variant, before=before,
        after=after,
    )  # fmt: skip
