"""What `watch` asks: what a run brought."""

import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPhoto:
    """A photo that a run listed for the first time."""

    race_id: int
    race_day_id: int
    photo_id: int
    bibs: tuple[str, ...]
    keys: tuple[str, ...]
    """Of its variants that are stored by now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BibNews:
    """A bib that was added to a known photo, or taken away."""

    race_id: int
    photo_id: int
    added: str | None
    removed: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunNews:
    """What a run brought."""

    photos: tuple[NewPhoto, ...] = ()
    bibs: tuple[BibNews, ...] = ()


def news_of_run(connection: sqlite3.Connection, run_id: int) -> RunNews:
    """Read new photos and changed bibs of a run."""
    # New photos have the highest numbers: looked at from the end, a quiet run costs one step.
    photos = []
    newest = connection.execute(
        "SELECT photo_no, race_id, race_day_id, photo_id, first_run_id FROM photo ORDER BY photo_no DESC"
    )
    for photo_no, race_id, race_day_id, photo_id, first_run_id in newest:
        if first_run_id != run_id:
            break
        bibs = connection.execute("SELECT bib FROM bib WHERE photo_no = ? ORDER BY position", (photo_no,))
        keys = connection.execute(
            "SELECT key FROM asset WHERE photo_no = ? AND state = 'stored' ORDER BY asset_id", (photo_no,)
        )
        photos.append(
            NewPhoto(
                race_id=race_id,
                race_day_id=race_day_id,
                photo_id=photo_id,
                bibs=tuple(row[0] for row in bibs),
                keys=tuple(row[0] for row in keys),
            )
        )
    changes = connection.execute(
        "SELECT race_id, photo_id, after, before FROM history "
        "WHERE run_id = ? AND what IN ('bib added', 'bib removed') ORDER BY history_id",
        (run_id,),
    )
    return RunNews(
        photos=tuple(reversed(photos)),
        bibs=tuple(BibNews(race_id=row[0], photo_id=row[1], added=row[2], removed=row[3]) for row in changes),
    )


def count_failed(connection: sqlite3.Connection) -> int:
    """Count assets that are wanted and have failed."""
    count: int = connection.execute(
        "SELECT count(*) FROM asset INDEXED BY asset_wanted WHERE state = 'wanted' AND failure IS NOT NULL"
    ).fetchone()[0]
    return count
