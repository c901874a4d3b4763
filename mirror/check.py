"""Is the setup right? Tries each part of it and says what to do; nothing is stored and nothing is left behind."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from mirror.archive import LocalArchive
from mirror.config import Config, RaceSettings
from mirror.errors import AccessError, ArchiveError, ConfigError, FetchError, RefusedError
from mirror.model import Photo, Race, RaceDay, Scope
from mirror.opening import open_objects, open_source, open_transport
from mirror.source import Source
from mirror.targets import find_race_id
from mirror.transport import Transport

_USAGE, _REFUSED, _STORAGE = 2, 3, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was tried."""

    verdict: Literal["ok", "warn", "fail"]
    what: str
    """Configuration, credentials, registration, race, image host, disk."""
    text: str
    """What was found, and what to do about it."""
    exit_code: int = 0
    """What a command should end with because of it."""


async def check_setup(config: Config) -> AsyncIterator[Finding]:
    """Try configuration, disk, credentials, races and image host, one after the other."""
    yield _check_configuration(config)
    async for finding in _check_disk(config):
        yield finding
    transport = open_transport(config)
    try:
        source = open_source(config, transport)
        is_accepted = True
        async for finding in _check_credentials(config, source):
            is_accepted = is_accepted and not (finding.what == "credentials" and finding.verdict == "fail")
            yield finding
        if is_accepted:
            async for finding in _check_races(config, source, transport):
                yield finding
    except ConfigError as error:
        yield Finding(verdict="fail", what="credentials", text=str(error), exit_code=_USAGE)
    finally:
        await transport.aclose()


def _check_configuration(config: Config) -> Finding:
    place = str(config.source_path) if config.source_path else "from the environment"
    if not config.races:
        text = f"{place} names no race: add a [[races]] block ('mirror races NAME' finds ids)"
        return Finding(verdict="fail", what="configuration", text=text, exit_code=_USAGE)
    races = ", ".join(str(each.race) for each in config.races[:5]) + (" ..." if len(config.races) > 5 else "")
    return Finding(verdict="ok", what="configuration", text=f"{place}, {_count(len(config.races), 'race')}: {races}")


# -- the disk ---------------------------------------------------------------------------------------------------------


async def _check_bucket(config: Config) -> Finding:
    """Write and delete an object, and see whether the store heeds conditions."""
    root = config.archive.root
    try:
        with tempfile.TemporaryDirectory(prefix="mirror-check-") as folder:
            archive = await open_objects(config, create=True, folder=Path(folder))
            await archive.aclose()
    except ConfigError as error:
        return Finding(verdict="fail", what="bucket", text=str(error), exit_code=_USAGE)
    except ArchiveError as error:
        return Finding(verdict="fail", what="bucket", text=str(error), exit_code=_STORAGE)
    text = f"{root} can be written, and heeds conditions; its manifest is kept in {config.archive.manifest.parent}"
    return Finding(verdict="ok", what="bucket", text=text)


async def _check_disk(config: Config) -> AsyncIterator[Finding]:
    if not config.archive.root.is_local:
        yield await _check_bucket(config)
        return
    root, least = config.archive.root.path, config.archive.min_free
    try:
        kind, how, free, is_on_network = await _try_disk(root)
    except ArchiveError as error:
        yield Finding(verdict="fail", what="disk", text=f"{error}: choose another archive.root", exit_code=_STORAGE)
        return
    text = f"{root} can be written ({kind or 'unknown file system'}, flushed by {how}); {free / 1e9:,.1f} GB free"
    if free < least:
        text = f"{root}: {free / 1e9:,.1f} GB free, archive.min_free asks for {least / 1e9:,.1f} GB: make room"
        yield Finding(verdict="fail", what="disk", text=text, exit_code=_STORAGE)
        return
    yield Finding(verdict="ok", what="disk", text=text)
    if is_on_network and config.archive.state_dir is None:
        text = f"{root} lies on a network disk ({kind}): set archive.state_dir to a local folder for the manifest"
        yield Finding(verdict="warn", what="disk", text=text)


async def _try_disk(root: Path) -> tuple[str, str, int, bool]:
    """Write where the archive is, or will be: file system, way of flushing, free bytes, and if it is on a network."""
    if (root / ".mirror").is_dir():
        return await _try_archive(root)
    parent = _nearest_folder(root)
    try:
        trial = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix=".mirror-check-", dir=parent))
    except OSError as error:
        raise ArchiveError(f"{parent}: cannot be written: {error.strerror}") from None
    try:
        return await _try_archive(trial)
    finally:
        await asyncio.to_thread(shutil.rmtree, trial, ignore_errors=True)


def _nearest_folder(root: Path) -> Path:
    if root.exists() and not root.is_dir():
        raise ArchiveError(f"{root}: it is not a folder")
    return next(folder for folder in (root, *root.parents) if folder.is_dir())


async def _try_archive(root: Path) -> tuple[str, str, int, bool]:
    archive = await LocalArchive.open(root, create=True, min_free_bytes=0)
    try:
        return archive.filesystem, archive.flush_kind, archive.free_bytes(), archive.is_on_network
    finally:
        await archive.aclose()


# -- the service ------------------------------------------------------------------------------------------------------


async def _check_credentials(config: Config, source: Source) -> AsyncIterator[Finding]:
    family = config.credentials().family
    if family == "none":
        text = "none: set MIRROR_API__KEY and MIRROR_API__SECRET, or see [api] in the configuration"
        yield Finding(verdict="fail", what="credentials", text=text, exit_code=_USAGE)
        return
    try:
        entity = await source.entity()
    except AccessError as error:
        yield Finding(verdict="fail", what="credentials", text=f"{family}: {error}", exit_code=_REFUSED)
        return
    owner = " ".join(str(each) for each in (entity.entity_type, entity.entity_specific_id, entity.entity_name) if each)
    yield Finding(verdict="ok", what="credentials", text=f"{family} accepted; it belongs to {owner or 'nobody named'}")
    if warning := config.registration_warning(datetime.now(UTC).date()):
        yield Finding(verdict="warn", what="registration", text=warning)


async def _check_races(config: Config, source: Source, transport: Transport) -> AsyncIterator[Finding]:
    is_host_tried = False
    for wish in config.chosen_races() if config.races else ():
        try:
            race_id = wish.race.race_id or await find_race_id(wish.race, source=source)
            race = await source.race(race_id)
            photo = None
            for finding, seen in [await _look_at(race, day, wish, source) for day in _days(race, wish)]:
                yield finding
                photo = photo or seen
        except AccessError as error:
            yield Finding(verdict="fail", what="race", text=f"{wish.race}: {error}", exit_code=_REFUSED)
            continue
        if not race.days:
            text = f"{race_id} {race.name}: no race days yet, so nothing to fetch"
            yield Finding(verdict="warn", what="race", text=text)
        if photo is not None and not is_host_tried:
            is_host_tried = True
            yield await _check_host(photo, wish, transport)


def _days(race: Race, wish: RaceSettings) -> list[RaceDay]:
    """The race day to look at: one is enough to know that the race can be read."""
    if isinstance(wish.days, tuple):
        known = {day.race_day_id: day for day in race.days}
        newest = max(wish.days)
        return [known.get(newest) or RaceDay(race_id=race.race_id, race_day_id=newest)]
    return list(race.days[-1:])


async def _look_at(race: Race, day: RaceDay, wish: RaceSettings, source: Source) -> tuple[Finding, Photo | None]:
    scope = Scope(participant_uploads=wish.participant_uploads, albums=tuple(sorted(wish.albums)))
    album_id = scope.albums[0] if scope.albums else None
    page = await source.photos(race.race_id, day.race_day_id, 1, scope=scope, album_id=album_id, since_ts=None)
    albums = await source.albums(race.race_id, day.race_day_id)
    count = sum(album.num_photos or 0 for album in albums)
    date = f" ({day.starts_on})" if day.starts_on else ""
    text = (
        f"{race.race_id} {race.name}: {_count(len(race.days), 'race day')}; day {day.race_day_id}{date} has "
        f"{_count(len(albums), 'album')} with {_count(count, 'photo')}"
    )
    photo = next((each for each in page.photos if each.variants), None)
    return Finding(verdict="ok", what="race", text=text), photo


async def _check_host(photo: Photo, wish: RaceSettings, transport: Transport) -> Finding:
    """Fetch the smallest wanted picture by the same rules as a run, and forget it."""
    wanted = [each for each in photo.variants if each.name in (wish.variants or ())]
    variant = (wanted or list(photo.variants))[-1]
    try:
        async with transport.open_asset(variant.url) as body:
            size = len(await body.read())
    except RefusedError as error:
        return Finding(verdict="fail", what="image host", text=error.message, exit_code=_REFUSED)
    except FetchError as error:
        text = f"{error.message}: try again later, or look at firewall and proxy"
        return Finding(verdict="fail", what="image host", text=text, exit_code=_REFUSED)
    text = f"photo {photo.photo_id} {variant.name} fetched ({size / 1000:,.1f} kB), not stored"
    return Finding(verdict="ok", what="image host", text=text)


def _count(count: int, thing: str) -> str:
    return f"{count:,} {thing}" + ("" if count == 1 else "s")
