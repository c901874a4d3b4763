"""Which race a person means: an id, or one of the addresses that people paste. Pure."""

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

_SLUG = re.compile(
    r"/race/(?:(?:photos|results|register|info)/)?(?:location/[^/]+/)?([a-z]{2})/([^/]+)/([^/?#]+)", re.IGNORECASE
)
_PARTICIPANTS = re.compile(r"/race/photos/participantphotos-(\d+)/(\d+)", re.IGNORECASE)
_NUMBER = re.compile(r"/race/(?:[a-z]+/)?(\d+)(?:/|$)", re.IGNORECASE)
_SHOWN = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class RaceRef:
    """A race by id, or by the state, city and slug of its URL; and one of its race days, if the address names it."""

    race_id: int | None = None
    slug: tuple[str, str, str] | None = None
    race_day_id: int | None = None

    def __str__(self) -> str:
        return str(self.race_id) if self.race_id else "/Race/" + "/".join(self.slug or ())

    @property
    def search_words(self) -> str:
        """The slug as words, for the search by name."""
        last = self.slug[2] if self.slug else ""
        return " ".join(re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+[A-Za-z]*", last)) or last


def _digits(query: dict[str, list[str]], *names: str) -> int | None:
    lowered = {name.lower(): values[-1] for name, values in query.items()}
    return next((int(lowered[name]) for name in names if lowered.get(name, "").isdigit()), None)


def parse_race_ref(text: str) -> RaceRef:
    """Read a race id or a race's address.

    Raises:
        ValueError: It is neither; the message says what was found and what is expected.
    """
    text = text.strip()
    if text.isascii() and text.isdigit() and 0 < int(text) < 2**63:
        return RaceRef(race_id=int(text))
    parts = urlsplit(text if "://" in text else f"https://{text}")
    query = parse_qs(parts.query)
    race_id, race_day_id = _digits(query, "raceid", "race_id"), _digits(query, "raceeventdaysid", "race_event_days_id")
    path = unquote(parts.path).replace("//", "/")
    if found := _PARTICIPANTS.search(path):
        return RaceRef(race_id=int(found[2]), race_day_id=int(found[1]))
    if race_id:
        return RaceRef(race_id=race_id, race_day_id=race_day_id)
    if found := _SLUG.search(path):
        return RaceRef(slug=(found[1], found[2], found[3]), race_day_id=race_day_id)
    if found := _NUMBER.search(path):
        return RaceRef(race_id=int(found[1]), race_day_id=race_day_id)
    raise ValueError(
        f"{text[:_SHOWN]!r} is no race: expected its id (such as 48211) or its address "
        "(such as https://runsignup.com/Race/NJ/Camden/Harbour10K)"
    )


def same_race(ref: RaceRef, url: str | None) -> bool:
    """Whether a race's own address has the same state, city and slug, compared without case."""
    if ref.slug is None or not url:
        return False
    found = _SLUG.search(unquote(urlsplit(url).path).replace("//", "/"))
    return found is not None and [part.casefold() for part in found.groups()] == [part.casefold() for part in ref.slug]
