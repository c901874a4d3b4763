"""Which key an asset gets when its bytes are about to be published for the first time."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from mirror.layout import asset_key, race_day_folder, race_folder
from mirror.manifest.ledger import Ledger
from mirror.manifest.races import day_of, ensure_race, ensure_race_day
from mirror.model import Race, RaceDay


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a key is made of."""

    race_id: int
    race_day_id: int
    album_id: str | None
    variant: str
    photo_id: int
    uploaded_filename: str | None
    extension: str


class Keys:
    """Makes keys for one group; folder names are frozen when they are first used."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._races: dict[int, str] = {}
        self._days: dict[tuple[int, int], tuple[str, int | None]] = {}
        self._albums: dict[tuple[int, str], str | None] = {}

    def make(self, places: Sequence[Place]) -> list[str]:
        """Make a key for each, unlike every other key of the archive."""
        keys: list[str] = []
        taken: set[str] = set()
        plain_keys = [self._fill(place) for place in places]
        there = self._taken(plain_keys)
        for plain in plain_keys:
            key, number = plain, 1
            while key.lower() in taken or (self._taken([key]) if number > 1 else key in there):
                number += 1
                stem, _, extension = plain.rpartition(".")
                key = f"{stem}~{number}.{extension}"
            taken.add(key.lower())
            keys.append(key)
        return keys

    def _taken(self, keys: Sequence[str]) -> set[str]:
        """Find those that an asset has already."""
        # The column compares without case, as macOS and Windows do.
        query = "SELECT value FROM json_each(?) WHERE EXISTS (SELECT 1 FROM asset WHERE key = value)"
        return {row[0] for row in self._ledger.connection.execute(query, (json.dumps(keys),))}

    def _fill(self, place: Place) -> str:
        race_day, year = self._race_day(place.race_id, place.race_day_id)
        return asset_key(
            self._ledger.template,
            race=self._race(place.race_id),
            race_day=race_day,
            race_id=place.race_id,
            race_day_id=place.race_day_id,
            album=self._album(place.race_id, place.album_id),
            album_id=place.album_id,
            variant=place.variant,
            photo_id=place.photo_id,
            uploaded_filename=place.uploaded_filename,
            year=year,
            extension=place.extension,
        )

    def _race(self, race_id: int) -> str:
        if race_id not in self._races:
            run = self._ledger.connection
            ensure_race(self._ledger, race_id)
            name, folder = run.execute("SELECT name, folder FROM race WHERE race_id = ?", (race_id,)).fetchone()
            if folder is None:
                folder = race_folder(Race(race_id=race_id, name=name))
                run.execute("UPDATE race SET folder = ? WHERE race_id = ?", (folder, race_id))
            self._races[race_id] = folder
        return self._races[race_id]

    def _race_day(self, race_id: int, race_day_id: int) -> tuple[str, int | None]:
        """The race day's folder and its year."""
        at = (race_id, race_day_id)
        if at not in self._days:
            run = self._ledger.connection
            ensure_race_day(self._ledger, race_id, race_day_id)
            query = "SELECT starts_on, events, folder FROM race_day WHERE race_id = ? AND race_day_id = ?"
            starts_on, events, folder = run.execute(query, at).fetchone()
            day: RaceDay = day_of(race_id, race_day_id, starts_on, events)
            if folder is None:
                folder = race_day_folder(day)
                run.execute("UPDATE race_day SET folder = ? WHERE race_id = ? AND race_day_id = ?", (folder, *at))
            self._days[at] = folder, day.starts_on.year if day.starts_on else None
        return self._days[at]

    def _album(self, race_id: int, album_id: str | None) -> str | None:
        if album_id is None or "{album}" not in self._ledger.template:
            return None
        at = (race_id, album_id)
        if at not in self._albums:
            query = "SELECT name FROM album WHERE race_id = ? AND album_id = ? LIMIT 1"
            row = self._ledger.connection.execute(query, at).fetchone()
            self._albums[at] = row[0] if row else None
        return self._albums[at]
