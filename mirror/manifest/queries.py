"""The reading face: what commands ask of a manifest, without a lock and without changing anything."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mirror.errors import ManifestError
from mirror.manifest.exporting import ExportDay, ExportPhoto, RaceDays, export_days, export_photos
from mirror.manifest.ledger import translate, translated
from mirror.manifest.open import check_file, side_file, uri_of
from mirror.manifest.races import all_races, day_from
from mirror.manifest.rows import Counts, RaceDayStatus, RunRow
from mirror.manifest.snapshot import write_snapshot
from mirror.manifest.text import moment
from mirror.model import Race

_BUSY_S = 5.0

_STATUS = """
SELECT day.race_id, coalesce(race.name, 'Race ' || day.race_id), day.race_day_id, race_day.starts_on,
    coalesce(held.photos, 0), coalesce(held.stored, 0), coalesce(held.wanted, 0), coalesce(held.gone, 0),
    coalesce(held.unlisted, 0), coalesce(held.bytes, 0), seen.watermark_ts, seen.last_at, seen.last_full_at
FROM (SELECT race_id, race_day_id FROM race_day UNION SELECT race_id, race_day_id FROM tally) AS day
LEFT JOIN race USING (race_id)
LEFT JOIN race_day USING (race_id, race_day_id)
LEFT JOIN (
    SELECT race_id, race_day_id, sum(photos) AS photos, sum(unlisted) AS unlisted, sum(wanted) AS wanted,
        sum(stored) AS stored, sum(gone) AS gone, sum(stored_bytes) AS bytes
    FROM tally GROUP BY race_id, race_day_id
) AS held USING (race_id, race_day_id)
LEFT JOIN (
    SELECT race_id, race_day_id, max(watermark_ts) AS watermark_ts, max(ended_at) AS last_at,
        max(iif(kind = 'full', ended_at, NULL)) AS last_full_at
    FROM pass WHERE pass_id IN (
        SELECT max(pass_id) FROM pass WHERE is_complete = 1 GROUP BY race_id, race_day_id, scope, kind
    )
    GROUP BY race_id, race_day_id
) AS seen USING (race_id, race_day_id)
ORDER BY day.race_id, coalesce(race_day.starts_on, ''), day.race_day_id
"""


class ManifestReader:
    """A manifest open for reading; a run may go on meanwhile, and each query sees it as it is then.

    On a disk that cannot be written it is read without any lock; elsewhere SQLite's own files beside it come and go.

    Raises:
        ManifestError: Absent, damaged, foreign, or of a newer version.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise ManifestError(f"{path}: no manifest here: nothing was mirrored yet, or the disk is not mounted")
        check_file(path)
        self.path = path
        self._connection = _open(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; closing twice is fine."""
        with translated(self.path):
            self._connection.close()

    def copy(self, to: Path) -> None:
        """Copy the manifest, as it is now, to another file."""
        with translated(self.path):
            write_snapshot(self._connection, to)

    def _all(self, query: str, values: Sequence[object] | Mapping[str, object] = ()) -> list[tuple[Any, ...]]:
        """Ask, and read the whole answer: it must be one that memory can hold."""
        with translated(self.path):
            return self._connection.execute(query, values).fetchall()

    def _each(self, query: str, values: Sequence[object] = ()) -> Iterator[tuple[Any, ...]]:
        """Ask, and read the answer row by row: it may be longer than memory should hold."""
        with translated(self.path):
            yield from self._connection.execute(query, values)

    def archive_id(self) -> str:
        """The archive's own random id."""
        with translated(self.path):
            return str(self._connection.execute("SELECT archive_id FROM archive").fetchone()[0])

    def races(self) -> list[Race]:
        """Every race that was ever noted, with its race days."""
        with translated(self.path):
            return all_races(self._connection)

    def status(self) -> list[RaceDayStatus]:
        """What the archive holds of each race day, oldest first within its race; quick whatever its size."""
        with translated(self.path):
            rows = self._connection.execute(_STATUS).fetchall()
        return [
            RaceDayStatus(
                race_id=row[0], race_name=row[1], race_day_id=row[2], starts_on=day_from(row[3]),
                photos=row[4], stored=row[5], wanted=row[6], gone=row[7], unlisted=row[8], bytes=row[9],
                watermark_ts=row[10], last_pass_at=moment(row[11]), last_full_at=moment(row[12]),
            )
            for row in rows
        ]  # fmt: skip

    def counts(self) -> Counts:
        """The whole archive in numbers."""
        with translated(self.path):
            photos, unlisted, wanted, stored, gone, size = self._connection.execute(
                "SELECT coalesce(sum(photos), 0), coalesce(sum(unlisted), 0), coalesce(sum(wanted), 0), "
                "coalesce(sum(stored), 0), coalesce(sum(gone), 0), coalesce(sum(stored_bytes), 0) FROM tally"
            ).fetchone()
            races = self._connection.execute("SELECT count(*) FROM race").fetchone()[0]
        return Counts(
            races=races, photos=photos, unlisted=unlisted, wanted=wanted, stored=stored, gone=gone, stored_bytes=size
        )

    def last_run(self) -> RunRow | None:
        """The newest run that was to fetch something; None before the first."""
        return next(iter(self._runs("command NOT IN ('forget', 'prune') AND command NOT GLOB 'verify*'", 1)), None)

    def runs(self, limit: int) -> list[RunRow]:
        """The newest runs of any command, newest first."""
        return self._runs("true", limit)

    def _runs(self, where: str, limit: int) -> list[RunRow]:
        query = (
            "SELECT run_id, command, program, started_at, ended_at, exit_code, new_photos, stored, stored_bytes, "  # noqa: S608 - our own text
            f"failed FROM run WHERE {where} ORDER BY run_id DESC LIMIT ?"
        )
        with translated(self.path):
            rows = self._connection.execute(query, (limit,)).fetchall()
        return [_run_row(row) for row in rows]

    def export_days(self) -> list[ExportDay]:
        """Every race day that photos belong to, by race, then by date."""
        with translated(self.path):
            return export_days(self._connection)

    def export_photos(self, race_days: RaceDays | None = None) -> Iterator[ExportPhoto]:
        """The photos of some race days, or all, by race id and photo id, streamed."""
        with translated(self.path):
            yield from export_photos(self._connection, race_days)

    @contextlib.contextmanager
    def one_moment(self) -> Iterator[None]:
        """Answer all questions inside as of one moment, whatever a run changes meanwhile; not for longer than needed.

        A run that is on goes on; where its disk can have no WAL, it waits.
        """
        with translated(self.path):
            self._connection.execute("BEGIN")
        try:
            yield
        finally:
            with translated(self.path):
                self._connection.execute("ROLLBACK")


def _run_row(row: tuple[Any, ...]) -> RunRow:
    run_id, command, program, started_at, ended_at, exit_code, new_photos, stored, stored_bytes, failed = row
    return RunRow(
        run_id=run_id, command=command, program=program, started_at=_certain(started_at), ended_at=moment(ended_at),
        exit_code=exit_code, new_photos=new_photos, stored=stored, stored_bytes=stored_bytes, failed=failed,
    )  # fmt: skip


def _certain(text: str) -> datetime:
    return moment(text) or datetime.fromtimestamp(0, UTC)


def _open(path: Path) -> sqlite3.Connection:
    """Open a manifest where it can be read along with a writer, else as a file that nobody changes.

    Plain read-only opening would leave SQLite's side files behind for ever; ``query_only`` forbids writing as well.
    """
    wal = side_file(path, "-wal")
    if os.access(path, os.W_OK) or wal.exists():
        try:
            return _connect(path, "mode=rw")
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF not in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}:
                raise translate(error, path) from error
    for side in (wal, side_file(path, "-journal")):
        if side.exists() and side.stat().st_size:
            raise ManifestError(
                f"{path}: a killed run left changes in {side.name}, and nothing can be written here: "
                "copy both files to a disk that can be written and read them there"
            )
    with translated(path):
        return _connect(path, "mode=ro&immutable=1")


def _connect(path: Path, options: str) -> sqlite3.Connection:
    connection = sqlite3.connect(uri_of(path, options), uri=True, timeout=_BUSY_S, isolation_level=None)
    try:
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("SELECT archive_id FROM archive").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection
