"""Which races of an archive a person means."""

import pytest

from mirror.errors import ConfigError
from mirror.model import Race, RaceDay
from mirror.race_choice import Days, choose_days

RACES = (
    Race(
        race_id=48211, name="Harbour 10K", url="https://runsignup.com/Race/NJ/Camden/Harbour10K",
        days=(RaceDay(race_id=48211, race_day_id=29930), RaceDay(race_id=48211, race_day_id=34168)),
    ),
    Race(race_id=7, name="Harbour Night Run"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("48211", ((48211, None),)),
        ("34168", ((48211, 34168),)),
        ("harbour", ((48211, None), (7, None))),
        ("night HARBOUR", ((7, None),)),
        ("https://runsignup.com/race/nj/camden/harbour10k", ((48211, None),)),
        ("https://runsignup.com/Race/Photos/NJ/Camden/Harbour10K?raceEventDaysId=34168", ((48211, 34168),)),
    ],
)
def test_race_is_known_by_id_address_or_name(text: str, days: Days) -> None:
    """The id of a race day names that day; a part of a name names every race that has it."""
    assert choose_days([text], RACES) == days


@pytest.mark.parametrize("text", ["999", "marathon", " ", "https://runsignup.com/Race/NJ/Camden/Other"])
def test_unknown_race_is_refused_with_what_is_there(text: str) -> None:
    """The message lists the archive's races."""
    with pytest.raises(ConfigError, match=r"48211 \(Harbour 10K\), 7 \(Harbour Night Run\)"):
        choose_days([text], RACES)
