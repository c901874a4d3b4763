"""What today's configuration means: which race days to list, which of their assets to want."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mirror.errors import AccessError
from mirror.manifest import Manifest, Selected
from mirror.model import Race, RaceDay, Scope
from mirror.race_ref import RaceRef, same_race
from mirror.source import Source

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One race as the configuration asks for it.

    Args:
        days: Race day ids, ``"all"`` or ``"latest"``.
    """

    race: RaceRef
    days: str | tuple[int, ...] = "all"
    variants: tuple[str, ...]
    participant_uploads: bool = True
    albums: tuple[str, ...] = ()

    @property
    def scope(self) -> Scope:
        """What a pass over its race days covers."""
        return Scope(participant_uploads=self.participant_uploads, albums=tuple(sorted(self.albums)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One race day to list."""

    race_id: int
    race_day_id: int
    scope: Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """All race days to list, the assets to want, and the races that could not be resolved."""

    targets: tuple[Target, ...] = ()
    selected: tuple[Selected, ...] = ()
    refusals: tuple[tuple[int, AccessError], ...] = ()
    """Race id, or 0 where it is not known, and why."""


async def resolve(wishes: Sequence[Wish], *, source: Source, manifest: Manifest, fresh_s: float) -> Targets:
    """Turn wishes into targets, asking the race call only for what the manifest does not know well enough.

    Args:
        fresh_s: How long an answer of the race call holds for ``"all"`` and ``"latest"``.
    Raises:
        AccessError: The API refuses this caller altogether.
    """
    targets: dict[tuple[int, int, str], Target] = {}
    selected: list[Selected] = []
    refusals: list[tuple[int, AccessError]] = []
    for wish in wishes:
        try:
            race, days = await _race_days(wish, source, manifest, fresh_s)
        except AccessError as error:
            if error.ends_run:
                raise
            refusals.append((wish.race.race_id or 0, error))
            continue
        selected.append(
            Selected(
                race_id=race.race_id,
                race_day_ids=days,
                variants=wish.variants,
                participant_uploads=wish.participant_uploads,
                albums=wish.scope.albums,
            )
        )
        for day in days:
            targets[race.race_id, day, wish.scope.key] = Target(race_id=race.race_id, race_day_id=day, scope=wish.scope)
    return Targets(targets=tuple(targets.values()), selected=tuple(selected), refusals=tuple(refusals))


async def _race_days(wish: Wish, source: Source, manifest: Manifest, fresh_s: float) -> tuple[Race, tuple[int, ...]]:
    race_id = wish.race.race_id or await find_race_id(wish.race, source=source, manifest=manifest)
    pinned = (wish.race.race_day_id,) if wish.race.race_day_id else wish.days
    race = await manifest.race(race_id)
    if isinstance(pinned, tuple):
        known = {day.race_day_id for day in race.days} if race else set()
        if race is None or not known.issuperset(pinned):
            race = await _ask_race(race_id, pinned, race, source, manifest)
        return race, pinned
    age_s = await manifest.race_age_s(race_id)
    if race is None or age_s is None or age_s > fresh_s:
        try:
            race = await source.race(race_id)
            await manifest.note_race(race)
        except AccessError as error:
            if error.ends_run or race is None or not race.days:
                raise
            log.warning("race %s: %s; going on with the race days known so far", race_id, error)
    if not race.days:
        raise AccessError(f"race {race_id} has no race days: nothing to list")
    days = race.days[-1:] if pinned == "latest" else race.days
    return race, tuple(day.race_day_id for day in days)


async def _ask_race(race_id: int, days: Sequence[int], known: Race | None, source: Source, manifest: Manifest) -> Race:
    """Names and dates for race days given by id: decoration, so a failure only warns."""
    try:
        race = await source.race(race_id)
    except AccessError as error:
        if error.ends_run:
            raise
        log.warning("race %s: no name or dates (%s)", race_id, error)
        race = known or Race(race_id=race_id, name=f"Race {race_id}")
    strangers = [
        RaceDay(race_id=race_id, race_day_id=day) for day in days if day not in {each.race_day_id for each in race.days}
    ]
    race = replace(race, days=(*strangers, *race.days))
    await manifest.note_race(race)
    return race


async def find_race_id(ref: RaceRef, *, source: Source, manifest: Manifest | None = None) -> int:
    """Find the id behind a race's URL; a name alone is never enough, since names repeat.

    Raises:
        AccessError: No race has this URL.
    """
    for race in await manifest.races() if manifest is not None else ():
        if same_race(ref, race.url):
            return race.race_id
    for race in await source.find_races(ref.search_words):
        if same_race(ref, race.url):
            return race.race_id
    raise AccessError(f"no race found at {ref}: give its numeric id ('mirror races' searches by name)")
