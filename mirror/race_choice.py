"""Which races of an archive a person means, without asking anybody. Pure."""

from collections.abc import Sequence

from mirror.errors import ConfigError
from mirror.model import Race
from mirror.race_ref import parse_race_ref, same_race

Days = tuple[tuple[int, int | None], ...]
"""Race ids, each with the race day that is meant, or None for all of them; empty means every race."""


def choose_days(texts: Sequence[str], races: Sequence[Race]) -> Days:
    """Read ids and addresses of races, ids of race days, and parts of names, as the archive knows them.

    Raises:
        ConfigError: One of them names nothing in the archive; the message says what is there.
    """
    return tuple(dict.fromkeys(each for text in texts for each in _choose(text, races)))


def _choose(text: str, races: Sequence[Race]) -> list[tuple[int, int | None]]:
    found = _by_ref(text, races)
    if not found:
        words = text.casefold().split()
        found = [
            (race.race_id, None) for race in races if words and all(word in race.name.casefold() for word in words)
        ]
    if not found:
        there = ", ".join(f"{race.race_id} ({race.name})" for race in races) or "none"
        raise ConfigError(f"'{text}' is no race of this archive; there are: {there}")
    return found


def _by_ref(text: str, races: Sequence[Race]) -> list[tuple[int, int | None]]:
    try:
        ref = parse_race_ref(text)
    except ValueError:
        return []
    found = [race for race in races if race.race_id == ref.race_id or same_race(ref, race.url)]
    if found:
        return [(race.race_id, ref.race_day_id) for race in found]
    return [(race.race_id, day.race_day_id) for race in races for day in race.days if day.race_day_id == ref.race_id]
