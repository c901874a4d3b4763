"""What the API's JSON means: one answer in, nouns out, judged by pydantic. Pure."""

import json
import re
from collections.abc import Iterable
from datetime import date
from functools import lru_cache
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BeforeValidator, ValidationError

from mirror.errors import PayloadError
from mirror.fields import Bibs, Count, Id, Lenient, Text, as_id, as_items
from mirror.hosts import origin_of
from mirror.model import VARIANTS, Album, Page, Photo, Race, RaceDay, Reject, Variant

_LONGEST_URL = 4096
_LONGEST_REJECT = 2000
_DAY = re.compile(r"(?P<month>[0-9]{1,2})/(?P<day>[0-9]{1,2})/(?P<year>[0-9]{4})")


class _Rendition(Lenient):
    image_url: Text = None
    width: Count = None
    height: Count = None


_MaybeRendition = Annotated[
    _Rendition | None, BeforeValidator(lambda value: value if isinstance(value, dict) else None)
]


class _PhotoRecord(Lenient):
    photo_id: Id = None
    race_event_days_id: Id = None
    album_id: Text = None
    bibs: Bibs = ()
    original: _MaybeRendition = None
    large: _MaybeRendition = None
    thumbnail: _MaybeRendition = None
    uploaded_filename: Text = None
    uploaded_ts: Count = None


class _AlbumRecord(Lenient):
    album_id: Text = None
    race_event_days_id: Id = None
    album_name: Text = None
    last_modified_ts: Count = None
    num_photos: Count = None


class _EventRecord(Lenient):
    race_event_days_id: Id = None
    name: Text = None
    start_time: Text = None
    start_date: Text = None


def _events(value: object) -> tuple[_EventRecord, ...]:
    return tuple(_EventRecord.model_validate(each) for each in as_items(value) if isinstance(each, dict))


class _RaceRecord(Lenient):
    race_id: Id = None
    name: Text = None
    url: Text = None
    timezone: Text = None
    events: Annotated[tuple[_EventRecord, ...], BeforeValidator(_events)] = ()
    race_event_days: Annotated[tuple[_EventRecord, ...], BeforeValidator(_events)] = ()


class Entity(Lenient):
    """What the API key belongs to."""

    entity_type: Text = None
    entity_name: Text = None
    entity_specific_id: Id = None
    """For the type ``race`` this is the race_id."""


_as_json = json.JSONEncoder(separators=(",", ":")).encode


def _usable_url(url: str) -> bool:
    """Whether an address is absolute http(s) and clean; which hosts may be asked is judged when it is asked."""
    return len(url) <= _LONGEST_URL and url.isprintable() and _is_usable_origin(origin_of(url))


@lru_cache(maxsize=512)
def _is_usable_origin(origin: str) -> bool:
    # Nearly all photos of a race come from a few hosts: each is judged once.
    if not origin.lower().startswith(("https://", "http://")):
        return False
    try:
        parts = urlsplit(origin)
        return bool(parts.hostname) and parts.port != 0 and not any(c.isspace() for c in parts.netloc)
    except ValueError:
        return False


def _variants(record: _PhotoRecord) -> tuple[list[Variant], list[str]]:
    """The variants that can be fetched, and the names of those whose URL cannot be used."""
    usable, unusable = [], []
    for name in VARIANTS:
        rendition: _Rendition | None = getattr(record, name)
        if rendition is None or not rendition.image_url:
            continue
        url = rendition.image_url.strip()
        if _usable_url(url):
            usable.append(Variant(name=name, url=url, width_px=rendition.width, height_px=rendition.height))
        else:
            unusable.append(name)
    return usable, unusable


def variants_of(record_json: str) -> tuple[Variant, ...]:
    """List the usable variants of one stored record, so that a newly configured one needs no new listing."""
    return tuple(_variants(_PhotoRecord.model_validate(json.loads(record_json)))[0])


def _photo(raw: object) -> tuple[Photo | None, list[Reject]]:
    text = _as_json(raw)
    if not isinstance(raw, dict):
        return None, [Reject(reason="record is not an object", json=text[:_LONGEST_REJECT])]
    try:
        record = _PhotoRecord.model_validate(raw)
    except ValidationError:
        return None, [Reject(reason="record cannot be read", json=text[:_LONGEST_REJECT])]
    if record.photo_id is None:
        return None, [Reject(reason="record without a photo_id", json=text[:_LONGEST_REJECT])]
    usable, unusable = _variants(record)
    rejects = [
        Reject(reason="unusable URL", photo_id=record.photo_id, variant=name, json=text[:_LONGEST_REJECT])
        for name in unusable
    ]
    photo = Photo(
        photo_id=record.photo_id,
        race_day_id=record.race_event_days_id,
        album_id=record.album_id or None,
        bibs=record.bibs,
        variants=tuple(usable),
        uploaded_filename=record.uploaded_filename or None,
        uploaded_ts=record.uploaded_ts or None,
        json=text,
    )
    return photo, rejects


def _rows(answer: object, name: str) -> list[Any] | None:
    """The list under a name; None when the answer is an empty object or list."""
    if answer in ({}, []):
        return None
    if not isinstance(answer, dict) or name not in answer:
        found = f"keys {', '.join(sorted(map(str, answer))[:5])}" if isinstance(answer, dict) else type(answer).__name__
        raise PayloadError(f"answer without '{name}': found {found[:200]}")
    rows = answer[name]
    if rows is not None and not isinstance(rows, list | dict):
        raise PayloadError(f"'{name}' is {type(rows).__name__}, expected a list")
    return as_items(rows)


def parse_page(answer: object, *, number: int, served_ts: int | None) -> Page:
    """Turn one answer of a photo listing into a page.

    Odd types are read as what they mean; a record that cannot be used becomes a reject and harms no other.

    Args:
        answer: The decoded JSON, free of ``error``.
        served_ts: The answer's ``Date`` as Unix seconds.
    Raises:
        PayloadError: The answer has no ``photos`` and is not empty either.
    Source: RunSignup, Get Race Photos; an empty list may come as ``[]``, ``null``, ``{}``.
    """
    rows = _rows(answer, "photos")
    photos: list[Photo] = []
    rejects: list[Reject] = []
    for raw in rows or ():
        photo, faults = _photo(raw)
        if photo is not None:
            photos.append(photo)
        rejects += faults
    return Page(
        number=number,
        photos=tuple(photos),
        rejects=tuple(rejects),
        rows=len(rows or ()),
        served_ts=served_ts,
        is_doubtful=rows is None,
    )


def parse_albums(answer: object) -> tuple[Album, ...]:
    """Turn the answer of the album call into albums, sorted by id.

    Raises:
        PayloadError: The answer has no ``albums`` and is not empty either.
    """
    records = (_AlbumRecord.model_validate(raw) for raw in _rows(answer, "albums") or () if isinstance(raw, dict))
    albums = (
        Album(
            album_id=record.album_id,
            race_day_id=record.race_event_days_id,
            name=record.album_name or "",
            last_modified_ts=record.last_modified_ts,
            num_photos=record.num_photos,
        )
        for record in records
        if record.album_id
    )
    return tuple(sorted(albums, key=lambda album: album.album_id))


def _start(event: _EventRecord) -> date | None:
    """The day of ``5/17/2025 08:00``, in the race's own time zone: month and day are not padded."""
    words = (event.start_time or event.start_date or "").split()
    found = _DAY.fullmatch(words[0]) if words else None
    try:
        return date(int(found["year"]), int(found["month"]), int(found["day"])) if found else None
    except ValueError:
        return None


def _race_days(race_id: int, events: Iterable[_EventRecord]) -> tuple[RaceDay, ...]:
    by_day: dict[int, list[_EventRecord]] = {}
    for event in events:
        if event.race_event_days_id:
            by_day.setdefault(event.race_event_days_id, []).append(event)
    days = [
        RaceDay(
            race_id=race_id,
            race_day_id=race_day_id,
            starts_on=min((start for start in map(_start, group) if start), default=None),
            events=tuple(dict.fromkeys(event.name for event in group if event.name)),
        )
        for race_day_id, group in by_day.items()
    ]
    return tuple(sorted(days, key=lambda day: (day.starts_on or date.min, day.race_day_id)))


def parse_race(answer: object) -> Race:
    """Turn the answer of the race call into a race with its race days, oldest first.

    Raises:
        PayloadError: No race with an id stands in it.
    """
    raw = answer.get("race") if isinstance(answer, dict) else None
    record = _RaceRecord.model_validate(raw) if isinstance(raw, dict) else _RaceRecord()
    if record.race_id is None:
        raise PayloadError("answer without a race: expected 'race' with a 'race_id'")
    return Race(
        race_id=record.race_id,
        name=record.name or f"Race {record.race_id}",
        url=record.url,
        timezone=record.timezone,
        days=_race_days(record.race_id, (*record.events, *record.race_event_days)),
    )


def parse_races(answer: object) -> tuple[Race, ...]:
    """Turn the answer of the race search into races; rows come wrapped in ``race``.

    Raises:
        PayloadError: The answer has no ``races`` and is not empty either.
    """
    rows = (raw if "race" in raw else {"race": raw} for raw in _rows(answer, "races") or () if isinstance(raw, dict))
    return tuple(parse_race(row) for row in rows if isinstance(row["race"], dict) and as_id(row["race"].get("race_id")))


def parse_entity(answer: object) -> Entity:
    """Turn the answer of the entity-info call into what the key belongs to; it may come wrapped in ``entity_info``."""
    if isinstance(answer, dict) and isinstance(answer.get("entity_info"), dict):
        answer = answer["entity_info"]
    if not isinstance(answer, dict) or "entity_type" not in answer:
        raise PayloadError("answer without 'entity_type'")
    return Entity.model_validate(answer)
