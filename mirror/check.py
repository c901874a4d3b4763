"""Is the setup right? Tries each part of it and says what to do."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date

from mirror.archive import LocalArchive
from mirror.config import Config
from mirror.errors import AccessError, ArchiveError, FetchError
from mirror.model import Photo, Race, Scope
from mirror.opening import open_source, open_transport
from mirror.source import Source
from mirror.targets import find_race_id
from mirror.transport import Transport

_REGISTRATION_FROM = date(2027, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was tried."""

    verdict: str
    """``ok``, ``warn`` or ``fail``."""
    text: str
    exit_code: int = 0
    """What the command should end with because of it."""


def _ok(text: str) -> Finding:
    return Finding(verdict="ok", text=text)


def _warn(text: str) -> Finding:
    return Finding(verdict="warn", text=text)


async def check_setup(config: Config) -> AsyncIterator[Finding]:
    """Try configuration, credentials, races, image host and disk, one after the other."""
    yield _ok(f"configuration: {len(config.races)} race(s), archive in {config.archive.root}")
    if not config.races:
        yield Finding(verdict="fail", text="no race is configured: add a [[races]] block", exit_code=2)
    async for finding in _check_disk(config):
        yield finding
    transport = open_transport(config)
    try:
        source = open_source(config, transport)
        async for finding in _check_credentials(config, source):
            yield finding
        async for finding in _check_races(config, source, transport):
            yield finding
    finally:
        await transport.aclose()


async def _check_disk(config: Config) -> AsyncIterator[Finding]:
    try:
        archive = await LocalArchive.open(config.archive.root, create=True, min_free_bytes=config.archive.min_free)
    except ArchiveError as error:
        yield Finding(verdict="fail", text=f"disk: {error}", exit_code=4)
        return
    yield _ok(f"disk: writable, {archive.free_bytes() / 1e9:.1f} GB free")
    await archive.aclose()


async def _check_credentials(config: Config, source: Source) -> AsyncIterator[Finding]:
    family = config.credentials().family
    if family == "none":
        yield _warn("credentials: none; set MIRROR_API__KEY and MIRROR_API__SECRET (see [api])")
    else:
        try:
            entity = await source.entity()
            yield _ok(f"credentials: {family} accepted, belongs to {entity.entity_type} {entity.entity_name or ''}")
        except AccessError as error:
            yield Finding(verdict="fail", text=f"credentials: {error}", exit_code=3)
    if not config.credentials().registration_id:
        yield _warn(
            f"caller registration: none; from {_REGISTRATION_FROM} on every call needs one "
            "(api.registration_id and registration_secret)"
        )


async def _check_races(config: Config, source: Source, transport: Transport) -> AsyncIterator[Finding]:
    example: Photo | None = None
    for wish in config.races:
        try:
            race_id = wish.race.race_id or await find_race_id(wish.race, source=source)
            race = await source.race(race_id)
            if not race.days:
                yield _warn(f"race {race_id} {race.name}: no race days yet")
                continue
            text, photo = await _look_at(race, source)
            example = example or photo
            yield _ok(text)
        except AccessError as error:
            yield Finding(verdict="fail", text=f"race {wish.race}: {error}", exit_code=3)
    if example is not None and example.variants:
        yield await _check_host(example, transport)


async def _look_at(race: Race, source: Source) -> tuple[str, Photo | None]:
    day = race.days[-1]
    albums = await source.albums(race.race_id, day.race_day_id)
    page = await source.photos(race.race_id, day.race_day_id, 1, scope=Scope(), album_id=None, since_ts=None)
    count = sum(album.num_photos or 0 for album in albums)
    text = (
        f"race {race.race_id} {race.name}: {len(race.days)} race day(s), the latest is {day.race_day_id} "
        f"with {len(albums)} albums that count {count:,} photos"
    )
    return text, page.photos[0] if page.photos else None


async def _check_host(photo: Photo, transport: Transport) -> Finding:
    variant = photo.variants[-1]
    try:
        async with transport.open_asset(variant.url) as body:
            await body.read()
    except FetchError as error:
        return Finding(verdict="fail", text=f"image host: {error.message}", exit_code=3)
    return _ok(f"image host: photo {photo.photo_id} can be fetched ({variant.name})")
