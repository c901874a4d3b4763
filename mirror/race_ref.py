"""Which race a person means: an id, or one of the addresses that people paste. Pure."""

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

_LONGEST_ID = 18
_SHOWN = 80
_PARTICIPANTS = re.compile(r"participantphotos-([0-9]+)", re.IGNORECASE)
_STATE = re.compile(r"[A-Za-z]{2,3}")
_WORDS = re.compile(r"[0-9]+(?:[A-Z](?![a-z])|[a-z]+)?|[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class RaceRef:
    """A race by its id, or by the state, city and slug of its address; and one race day, if the address names it."""

    race_id: int | None = None
    slug: tuple[str, str, str] | None = None
    """State, city and slug, as they were written."""
    race_day_id: int | None = None

    def __str__(self) -> str:
        return str(self.race_id) if self.race_id else "/Race/" + "/".join(self.slug or ())

    @property
    def search_words(self) -> str:
        """The slug as words, for the search by name: ``Harbour 10K``."""
        name = self.slug[2] if self.slug else ""
        return (" ".join(_WORDS.findall(name)) if name.isascii() else "") or name

    def is_same_race(self, other: "RaceRef") -> bool:
        """Whether both name one race, by id or by address without case; an id and an address cannot be compared."""
        if self.race_id and other.race_id:
            return self.race_id == other.race_id
        if self.slug and other.slug:
            return [part.casefold() for part in self.slug] == [part.casefold() for part in other.slug]
        return False


def parse_race_ref(text: str) -> RaceRef:
    """Read a race's id, or its address in one of the forms that people paste.

    Understood are the race's page, its photo, album, participant photo, result and registration pages, and
    ``raceId`` and ``raceEventDaysId`` in a query; on any host, since races have domains of their own.

    Raises:
        ValueError: It is neither; the message says what was found and what is expected.
    Source: RunSignup pages and public clients; ``/Race/<state>/<city>/<slug>`` is unique and never changes.
    """
    text = text.strip()
    if race_id := _id(text):
        return RaceRef(race_id=race_id)
    segments, query = _take_apart(text)
    race_id = _id(query.get("raceid", "") or query.get("race_id", ""))
    race_day_id = _id(query.get("raceeventdaysid", "") or query.get("race_event_days_id", ""))
    slug = None
    while segments:
        if (found := _PARTICIPANTS.fullmatch(segments[0])) and len(segments) > 1:
            race_id, race_day_id = race_id or _id(segments[1]), _id(found[1]) or race_day_id
            break
        if number := _id(segments[0]):
            race_id = race_id or number
            break
        if _STATE.fullmatch(segments[0]) and len(segments) > 2:
            slug = (segments[0], segments[1], segments[2])
            break
        # Page names stand before: Photos, Results, Register; "Location" brings an album's name with it.
        segments = segments[2 if segments[0].casefold() == "location" else 1 :]
    if race_id is None and slug is None:
        shown = re.sub(r"[^\x20-\x7e]", "?", re.split(r"[?#]", text)[0])[:_SHOWN]
        raise ValueError(
            f"'{shown}' is no race: expected its id (such as 48211) or its address "
            "(such as https://runsignup.com/Race/NJ/Camden/Harbour10K)"
        )
    return RaceRef(race_id=race_id, slug=slug, race_day_id=race_day_id)


def same_race(ref: RaceRef, url: str | None) -> bool:
    """Whether a race's own address has the same state, city and slug, compared without case."""
    try:
        return url is not None and ref.slug is not None and parse_race_ref(url).is_same_race(ref)
    except ValueError:
        return False


def _id(text: str) -> int | None:
    is_number = text.isascii() and text.isdigit() and len(text) <= _LONGEST_ID
    return int(text) or None if is_number else None


def _take_apart(text: str) -> tuple[list[str], dict[str, str]]:
    """What follows ``/Race/`` in the path, and the query with its names in lower case; empty if there is none."""
    if text.lower().lstrip("/").startswith("race/"):
        text = "https://any/" + text.lstrip("/")
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        query = {name.lower(): values[-1] for name, values in parse_qs(parts.query).items()}
    except ValueError:
        return [], {}
    if parts.scheme not in {"http", "https"}:
        return [], {}
    segments = [segment for segment in map(unquote, parts.path.split("/")) if segment.strip() and segment.isprintable()]
    start = next((number for number, segment in enumerate(segments) if segment.casefold() == "race"), len(segments))
    return segments[start + 1 :], query
