"""The pages as HTML. Whatever comes from outside goes through the templates' escaping, and nothing goes around it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from importlib.resources import files
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined

from mirror.gallery.entries import UNDATED, Entry
from mirror.gallery.shards import hash_of

SCRIPTS = ("archive.js", "layout.js", "grid.js", "timeline.js", "search.js", "viewer.js", "sheet.js", "day.js")
"""Of a race day's page, in the order in which they need each other."""
INDEX_SCRIPTS = ("archive.js", "search.js", "index.js")
_STYLES = ("style.css", "viewer.css", "print.css")
_EARLY = "early.js"


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture that stands in the page itself."""

    photo_id: int
    src: str
    """The small file, for the grid."""
    href: str
    """The large one."""
    name: str
    """What it is called where it cannot be seen: ``Photo 12, bibs 1179 and 1308``."""
    ratio: int
    """Width by height, in hundredths."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlbumPage:
    """The first page of an album."""

    album_id: str
    name: str
    photos: int
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DayPage:
    """A race day as its page, and the page of all races, show it."""

    race_id: int
    race_name: str
    race_day_id: int
    starts_on: date | None
    events: str
    photos: int
    bibs: int
    hours: str
    cover: Picture | None
    albums: tuple[AlbumPage, ...]
    outline: str
    """Name of its shard."""

    @property
    def key(self) -> str:
        """What its page and its folder of shards are called."""
        return f"{self.race_id}-{self.race_day_id}"

    @property
    def day_text(self) -> str:
        """Its date as people write it."""
        return long_date(self.starts_on) if self.starts_on else f"Race day {self.race_day_id}"


def app_files() -> dict[str, bytes]:
    """Styles and scripts of the site, by name."""
    names = dict.fromkeys((_EARLY, *_STYLES, *SCRIPTS, *INDEX_SCRIPTS))
    folder = files("mirror.gallery").joinpath("static")
    return {name: folder.joinpath(name).read_bytes() for name in names}


def app_version(app: Mapping[str, bytes]) -> str:
    """Name styles and scripts by their content."""
    return hash_of(*(name.encode() + content for name, content in sorted(app.items())))


def render_index(
    days: Sequence[DayPage], *, title: str, outline: str, app: str, is_private: bool, origin: str = ""
) -> bytes:
    """Write the page of all races.

    Args:
        origin: Where else pictures may come from: ``https://photos.example.org``.
    """
    races: dict[int, list[DayPage]] = {}
    for day in days:
        races.setdefault(day.race_id, []).append(day)
    template = _environment().get_template("index.html")
    return template.render(
        title=title, races=list(races.values()), photos=sum(day.photos for day in days), outline=outline, app=app,
        styles=_STYLES, scripts=INDEX_SCRIPTS, early=_EARLY, is_private=is_private, origin=origin,
    ).encode()  # fmt: skip


def render_day(day: DayPage, *, title: str, app: str, is_private: bool, origin: str = "") -> bytes:
    """Write the page of a race day."""
    return (
        _environment()
        .get_template("day.html")
        .render(
            title=title, day=day, outline=day.outline, app=app, styles=_STYLES, scripts=SCRIPTS, early=_EARLY,
            is_private=is_private, origin=origin,
        )
        .encode()
    )  # fmt: skip


def picture_of(entry: Entry, root: str) -> Picture:
    """Describe a photo for the page itself."""
    return Picture(
        photo_id=entry.photo_id,
        src=root + quote(entry.small.key),
        href=root + quote(entry.big.key),
        name=name_of(entry.photo_id, entry.bibs),
        ratio=entry.ratio,
    )


def name_of(photo_id: int, bibs: Sequence[str]) -> str:
    """Name a photo for those who cannot see it; `static/archive.js` does the same."""
    if not bibs:
        return f"Photo {photo_id}"
    words = bibs[0] if len(bibs) == 1 else f"{', '.join(bibs[:-1])} and {bibs[-1]}"
    return f"Photo {photo_id}, {'bib' if len(bibs) == 1 else 'bibs'} {words}"


def hours_of(entries: Sequence[Entry]) -> str:
    """Say from when to when most photos are, such as ``08:01 to 11:42``; empty where that says nothing."""
    times = [each.time for each in entries if each.time != UNDATED]
    if not times:
        return ""
    first, last = (datetime.fromtimestamp(times[at], UTC) for at in (len(times) // 100, -1 - len(times) // 100))
    return f"{first:%H:%M} to {last:%H:%M}" if first.date() == last.date() and first < last else ""


def long_date(day: date) -> str:
    """Write a date as people do: ``Sunday, 17 May 2026``."""
    return f"{day:%A}, {day.day} {day:%B} {day.year}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("mirror.gallery"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["thousands"] = lambda number: f"{number:,}"
    return environment
