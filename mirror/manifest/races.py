"""Races, race days and albums: names and dates, noted as the source gave them last."""

import sqlite3
from collections.abc import Sequence
from datetime import UTC, date, datetime

from mirror.manifest.ledger import Ledger
from mirror.manifest.text import moment, now_text
from mirror.model import Album, Race, RaceDay


def note_race(ledger: Ledger, race: Race) -> None:
    """Upsert a race and its days; days that the source names no more stay, but are known no more."""
    run = ledger.connection
    run.execute(
        "INSERT INTO race (race_id, name, url, timezone, listed_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
        "name = excluded.name, url = excluded.url, timezone = excluded.timezone, listed_at = excluded.listed_at",
        (race.race_id, race.name, race.url, race.timezone, now_text()),
    )
    run.execute("UPDATE race_day SET is_known = 0 WHERE race_id = ?", (race.race_id,))
    run.executemany(
        "INSERT INTO race_day (race_id, race_day_id, starts_on, events) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
        "starts_on = excluded.starts_on, events = excluded.events, is_known = 1",
        [
            (race.race_id, day.race_day_id, day.starts_on and day.starts_on.isoformat(), ", ".join(day.events))
            for day in race.days
        ],
    )


def ensure_race(ledger: Ledger, race_id: int) -> None:
    """Make sure of a row for a race that was never noted."""
    ledger.connection.execute(
        "INSERT INTO race (race_id, name) VALUES (?, ?) ON CONFLICT DO NOTHING", (race_id, f"Race {race_id}")
    )


def ensure_race_day(ledger: Ledger, race_id: int, race_day_id: int) -> None:
    """Make sure of a row for a race day that only photos name."""
    ledger.connection.execute(
        "INSERT INTO race_day (race_id, race_day_id, is_known) VALUES (?, ?, 0) ON CONFLICT DO NOTHING",
        (race_id, race_day_id),
    )


def race(ledger: Ledger, race_id: int) -> Race | None:
    """Read one race; None if it was never noted."""
    found = _races(ledger.connection, "WHERE race_id = ? AND listed_at IS NOT NULL", (race_id,))
    return found[0] if found else None


def races(ledger: Ledger) -> list[Race]:
    """Read every race."""
    return all_races(ledger.connection)


def all_races(connection: sqlite3.Connection) -> list[Race]:
    """Read every race that was ever noted, by id."""
    return _races(connection, "WHERE listed_at IS NOT NULL ORDER BY race_id", ())


def _races(connection: sqlite3.Connection, where: str, values: tuple[int, ...]) -> list[Race]:
    query = f"SELECT race_id, name, url, timezone FROM race {where}"  # noqa: S608 - our own text
    return [
        Race(race_id=race_id, name=name, url=url, timezone=timezone, days=days_of(connection, race_id))
        for race_id, name, url, timezone in connection.execute(query, values).fetchall()
    ]


def days_of(connection: sqlite3.Connection, race_id: int) -> tuple[RaceDay, ...]:
    """Race days that the source named last, oldest first; those without a date come before all others."""
    query = (
        "SELECT race_day_id, starts_on, events FROM race_day WHERE race_id = ? AND is_known "
        "ORDER BY coalesce(starts_on, ''), race_day_id"
    )
    return tuple(
        day_of(race_id, race_day_id, starts_on, events)
        for race_day_id, starts_on, events in connection.execute(query, (race_id,))
    )


def day_of(race_id: int, race_day_id: int, starts_on: str | None, events: str) -> RaceDay:
    """Make a race day of its row."""
    return RaceDay(
        race_id=race_id,
        race_day_id=race_day_id,
        starts_on=day_from(starts_on),
        events=tuple(events.split(", ")) if events else (),
    )


def day_from(text: str | None) -> date | None:
    """Read a date back."""
    return date.fromisoformat(text) if text else None


def race_age_s(ledger: Ledger, race_id: int) -> float | None:
    """Seconds since a race was noted."""
    row = ledger.connection.execute("SELECT listed_at FROM race WHERE race_id = ?", (race_id,)).fetchone()
    noted_at = moment(row[0]) if row else None
    age_s = (datetime.now(UTC) - noted_at).total_seconds() if noted_at else -1.0
    return age_s if age_s >= 0 else None


def note_albums(ledger: Ledger, race_id: int, race_day_id: int, albums: Sequence[Album]) -> None:
    """Upsert the albums of a race day."""
    ledger.connection.executemany(
        "INSERT INTO album (race_id, race_day_id, album_id, name, num_photos, last_modified_ts) "
        "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
        "name = excluded.name, num_photos = excluded.num_photos, last_modified_ts = excluded.last_modified_ts",
        [
            (race_id, race_day_id, album.album_id, album.name, album.num_photos, album.last_modified_ts)
            for album in albums
        ],
    )
