"""Which race a person means."""

import pytest

from mirror.race_ref import RaceRef, parse_race_ref


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("048211", RaceRef(race_id=48211)),
        ("https://runsignup.com/Race/Volunteer/NJ/Mount%20Laurel/H", RaceRef(slug=("NJ", "Mount Laurel", "H"))),
        ("www.givesignup.org/Race/Results/4711/extra", RaceRef(race_id=4711)),
        ("https://harbour.example/Race/48211?x=1", RaceRef(race_id=48211)),
        ("https://test.runsignup.com/race/register/?race_id=99#top", RaceRef(race_id=99)),
        ("Race/NJ/Camden/H?race_event_days_id=5", RaceRef(slug=("NJ", "Camden", "H"), race_day_id=5)),
        (
            "https://x.example/Race/Photos/ParticipantPhotos-34168/48211",
            RaceRef(race_id=48211, race_day_id=34168),
        ),
    ],
)
def test_race_address_is_read(text: str, expected: RaceRef) -> None:
    """Any page of a race on any host, with or without scheme."""
    assert parse_race_ref(text) == expected


@pytest.mark.parametrize(
    "text", ["", "0", "-5", "٣", "9" * 30, "harbour 10k", "https://[", "ftp://x/Race/5", "/Race/NJ/Camden"]
)
def test_what_is_no_race_is_said(text: str) -> None:
    """What was found, without its query, and what is expected."""
    with pytest.raises(ValueError, match="is no race: expected its id"):
        parse_race_ref(text)


def test_query_of_a_wrong_address_is_not_repeated() -> None:
    """A pasted address may carry a secret in its query."""
    with pytest.raises(ValueError, match="is no race") as refused:
        parse_race_ref("https://x.example/?tmp_key=hush")
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize(
    ("slug", "words"),
    [("Harbour10K", "Harbour 10K"), ("5KRunFun", "5K Run Fun"), ("ABCRun", "ABC Run"), ("Läufe", "Läufe")],
)
def test_slug_becomes_words(slug: str, words: str) -> None:
    """The name is searched by the words of the slug."""
    assert RaceRef(slug=("NJ", "C", slug)).search_words == words
