"""What is missing and why, as commands ask for it: whatever today's configuration wants."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from mirror.manifest.finding import days_filter
from mirror.manifest.queries import ManifestReader
from mirror.manifest.selection import FAILED_OFTEN, clock
from mirror.manifest.text import cleaned, moment

TroubleState = Literal["wanted", "gone", "unusable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """Which failures are meant; everything that is given must hold."""

    reason: str = ""
    """The reason, or a part of it, in whatever case; or *gone*."""
    host: str = ""
    days: tuple[tuple[int, int | None], ...] = ()
    """Race ids, each with a race day or None; empty means all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Assets that are missing for one reason, at one host, of one race."""

    state: TroubleState
    """wanted: every run tries again; gone: refused, and no longer listed; unusable: the source's record is broken."""
    reason: str
    host: str
    race_id: int
    race_name: str
    count: int
    set_aside: int
    """Those that failed on five days and are tried weekly."""
    last_at: datetime | None
    example: str
    """One of them, with its message, fit for a terminal."""


_IS_MISSED = (
    # What was pruned is gone without a failure: nobody is to try it again.
    "a.state IN ('gone', 'wanted') AND a.failure IS NOT NULL "
    "AND (:host = '' OR a.host = :host) "
    "AND (:reason = '' OR instr(lower(a.failure), :reason) OR (a.state = 'gone' AND :reason = 'gone'))"
)


class FailureReader(ManifestReader):
    """A manifest whose failures are read."""

    def troubles(self, missed: Missed) -> list[Trouble]:
        """What failed, the largest groups first; what is gone, and what cannot be used, behind."""
        condition, values = _named(missed)
        groups = self._all(
            "SELECT a.state, coalesce(a.failure, 'gone'), a.host, p.race_id, coalesce(r.name, 'Race ' || p.race_id), "  # noqa: S608 - our own text
            f"count(*), total(a.state = 'wanted' AND {FAILED_OFTEN}), max(a.failed_at), min(a.asset_id) "
            "FROM asset AS a JOIN photo AS p USING (photo_no) LEFT JOIN race AS r USING (race_id) "
            f"WHERE {_IS_MISSED} AND {condition} GROUP BY 1, 2, 3, 4 ORDER BY a.state DESC, count(*) DESC, 2, 3, 4",
            values,
        )
        return [*(self._trouble(row) for row in groups), *self._unusable(missed)]

    def asset_ids(self, missed: Missed) -> list[int]:
        """Ids of the assets that `troubles` counts, but for what cannot be used."""
        condition, values = _named(missed)
        query = f"SELECT a.asset_id FROM asset AS a JOIN photo AS p USING (photo_no) WHERE {_IS_MISSED} AND {condition}"  # noqa: S608 - our own text
        return [row[0] for row in self._all(query, values)]

    def count_not_tried(self) -> int:
        """How many assets are wanted and were never tried since."""
        count: int = self._all("SELECT count(*) FROM asset WHERE state = 'wanted' AND failure IS NULL")[0][0]
        return count

    def _trouble(self, row: Sequence[Any]) -> Trouble:
        state, reason, host, race_id, race_name, count, set_aside, last_at, asset_id = row
        photo_id, variant, detail = self._all(
            "SELECT p.photo_id, a.variant, a.failure_detail FROM asset AS a JOIN photo AS p USING (photo_no) "
            "WHERE a.asset_id = ?",
            (asset_id,),
        )[0]
        return Trouble(
            state=state, reason=reason, host=host, race_id=race_id, race_name=race_name, count=count,
            set_aside=int(set_aside), last_at=moment(last_at),
            example=cleaned(f"photo {photo_id} {variant}" + (f": {detail}" if detail else "")),
        )  # fmt: skip

    def _unusable(self, missed: Missed) -> list[Trouble]:
        """Records that could not be used: no request can help."""
        if missed.host:
            return []
        condition, values = days_filter([(race_id, None) for race_id, _ in missed.days], photo="j")
        rows = self._all(
            "SELECT j.reason, j.race_id, coalesce(r.name, 'Race ' || j.race_id), count(*), max(run.started_at), "  # noqa: S608 - our own text
            "max(j.photo_id), max(j.variant) FROM reject AS j LEFT JOIN race AS r USING (race_id) "
            f"LEFT JOIN run USING (run_id) WHERE {condition} AND (? = '' OR instr(lower(j.reason), ?)) "
            "GROUP BY 1, 2 ORDER BY 4 DESC, 1, 2",
            (*values, missed.reason.lower(), missed.reason.lower()),
        )
        return [
            Trouble(
                state="unusable", reason=reason, host="", race_id=race_id, race_name=race_name, count=count,
                set_aside=0, last_at=moment(at),
                example=cleaned(f"photo {photo_id} {variant}") if photo_id else "a record without a photo id",
            )
            for reason, race_id, race_name, count, at, photo_id, variant in rows
        ]  # fmt: skip


def _named(missed: Missed) -> tuple[str, dict[str, object]]:
    """Write the race days of a question with named values, as the clock's are."""
    condition, values = days_filter(missed.days)
    named = {f"day_{number}": value for number, value in enumerate(values)}
    for name in named:
        condition = condition.replace("?", f":{name}", 1)
    return condition, {**named, **clock(), "reason": missed.reason.lower(), "host": missed.host}
