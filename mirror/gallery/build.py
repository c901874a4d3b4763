"""From the manifest to a whole site: race day by race day, then the pages, then what is left over."""

import json
import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from mirror.archive import FileRef, stored_files
from mirror.errors import ConfigError, DamagedError
from mirror.gallery.entries import Entry, entry_of, zone_of
from mirror.gallery.options import GalleryOptions, GalleryReport
from mirror.gallery.pages import (
    AlbumPage,
    DayPage,
    app_files,
    app_version,
    hours_of,
    picture_of,
    render_day,
    render_index,
)
from mirror.gallery.shards import (
    Folders,
    Shard,
    bib_lists,
    cut_blocks,
    differences,
    folded,
    make_shard,
    outline_of,
    record_of,
)
from mirror.gallery.site import COPIES, Site
from mirror.manifest import GalleryReader, HeldDay, note_export
from mirror.race_ref import RaceRef, parse_race_ref
from mirror.root import ArchiveRoot

log = logging.getLogger(__name__)

_FIRST_PAGE = 24
"""Photos of each album that stand in the page itself."""
_NO_ALBUM = "Without an album"
_COMMON = "all"


def build_gallery(root: ArchiveRoot, manifest: Path, options: GalleryOptions) -> GalleryReport:
    """Make the gallery of an archive, or bring it up to date: only what changed is written.

    Whenever this ends, and however, the folder holds a whole site: the earlier one or the new one.

    Args:
        root: Where the archive lies.
        manifest: Its manifest.
    Raises:
        ConfigError: The folder holds something else or lies inside the archive, a race is unknown, or no page can point
            to the pictures.
        ManifestError: The manifest is absent, damaged or newer, or another build is on.
        ArchiveError: The folder cannot be written.
    """
    started = time.monotonic()
    _check_places(root, options)
    with GalleryReader(manifest) as reader, closing(Site(options.folder, archive_id=reader.archive_id())) as site:
        # Before the first page: a photo to be forgotten must be found there too, however this ends.
        note_export(manifest, options.folder, "gallery")
        with reader.moment():
            build = _Build(root, reader, site, options)
            pages = [build.day(day) for day in _chosen(reader.held_days(), options.races)]
            build.finish([page for page in pages if page.photos])
    return build.report(time.monotonic() - started)


def _check_places(root: ArchiveRoot, options: GalleryOptions) -> None:
    folder = options.folder
    if root.folder is None:
        if not (options.is_copy or options.link_base):
            raise ConfigError(
                f"no page can point into {root}: --copy takes the pictures along, --link-base https://... points to "
                "where they can be had on the web, --serve shows them on this machine"
            )
    elif root.holds(folder) or root.folder.resolve().is_relative_to(folder.resolve()):
        raise ConfigError(
            f"{folder}: a gallery cannot lie in its archive, nor the archive in it: give another --to DIR"
        )


def _chosen(days: list[HeldDay], races: Sequence[RaceRef]) -> list[HeldDay]:
    """Race days of the races that are asked for."""
    for ref in races:
        if not any(_is_of(day, ref) for day in days):
            known = ", ".join(sorted({str(day.race_id) for day in days})) or "none yet"
            raise ConfigError(f"--race: {ref} is not in the archive; there are {known}")
    return [day for day in days if not races or any(_is_of(day, ref) for ref in races)]


def _is_of(day: HeldDay, ref: RaceRef) -> bool:
    if ref.race_day_id and ref.race_day_id != day.race_day_id:
        return False
    if ref.race_id:
        return ref.race_id == day.race_id
    try:
        return day.race_url is not None and parse_race_ref(day.race_url).is_same_race(ref)
    except ValueError:
        return False


@dataclass
class _Build:
    """One build on its way."""

    root: ArchiveRoot
    reader: GalleryReader
    site: Site
    options: GalleryOptions
    shards: int = 0
    shard_bytes: int = 0
    photos: int = 0
    left_out: int = 0
    copied: int = 0
    copied_bytes: int = 0
    missing: int = 0
    pages: int = 0
    found: dict[str, list[int]] = field(default_factory=dict)
    """By bib, race days and how many of their photos show it: one after the other, flat."""

    # -- a race day ---------------------------------------------------------------------------------------------

    def day(self, day: HeldDay) -> DayPage:
        """Write the shards of a race day, and say what its page is to show."""
        entries = sorted(self.entries(day), key=lambda each: each.order)
        self.photos += len(entries)
        key = f"{day.race_id}-{day.race_day_id}"
        names = dict(day.albums)
        album_ids = sorted({each.album_id for each in entries}, key=lambda each: (each not in names, names.get(each)))
        albums = [(each, _album_name(each, names)) for each in album_ids]
        folders = Folders(each.key for entry in entries for each in entry.files)
        blocks = [
            [self.put(key, [record_of(each, folders) for each in block]), len(block)] for block in cut_blocks(entries)
        ]
        outline = {
            "root": self.link, "folders": folders.names(), "albums": albums, "blocks": blocks,
            "bibs": None if self.options.is_private else self.put_bibs(key, entries, day.race_day_id),
            **outline_of(entries, album_ids),
        }  # fmt: skip
        self.copy(entries)
        return DayPage(
            race_id=day.race_id, race_name=day.race_name, race_day_id=day.race_day_id, starts_on=day.starts_on,
            events=day.events, photos=len(entries), bibs=len({bib for each in entries for bib in each.bibs}),
            hours=hours_of(entries), cover=picture_of(_cover(entries), self.link) if entries else None,
            albums=tuple(self.first_page(album_id, name, entries) for album_id, name in albums),
            outline=self.put(key, outline),
        )  # fmt: skip

    def entries(self, day: HeldDay) -> Iterator[Entry]:
        """The photos of a race day that the gallery shows."""
        zone = zone_of(day.timezone)
        for photo in self.reader.held_photos(day.race_id, day.race_day_id):
            if photo.is_unlisted and self.options.is_private:
                continue
            entry = entry_of(
                photo, variants=self.options.variants, with_bibs=not self.options.is_private, zone=zone,
                day=day.starts_on,
            )  # fmt: skip
            if entry is None:
                self.left_out += 1
            else:
                yield entry

    def first_page(self, album_id: str, name: str, entries: Sequence[Entry]) -> AlbumPage:
        """What of an album stands in the page itself."""
        own = [each for each in entries if each.album_id == album_id]
        pictures = tuple(picture_of(each, self.link) for each in own[:_FIRST_PAGE])
        return AlbumPage(album_id=album_id, name=name, photos=len(own), pictures=pictures)

    def put_bibs(self, key: str, entries: Sequence[Entry], race_day_id: int) -> list[tuple[str, str]]:
        """Write the bib lists of a race day."""
        found: dict[str, list[int]] = {}
        for entry in entries:
            for bib in {folded(each): None for each in entry.bibs}:
                found.setdefault(bib, []).append(entry.photo_id)
        for bib, photo_ids in found.items():
            self.found.setdefault(bib, []).extend((race_day_id, len(photo_ids)))
        lists = bib_lists(found)
        return [(prefix, self.put(key, [[bib, differences(ids)] for bib, ids in bibs])) for prefix, bibs in lists]

    # -- files --------------------------------------------------------------------------------------------------

    @property
    def link(self) -> str:
        """The way from a page to the pictures: percent-encoded, with a slash at its end."""
        if self.options.is_copy:
            return f"{COPIES}/"
        if self.options.link_base:
            return f"{self.options.link_base}/"
        try:
            way = os.path.relpath(self.root.path.absolute(), self.options.folder.absolute())
        except ValueError:  # another drive
            raise ConfigError(
                f"{self.options.folder}: no relative path leads to {self.root}: choose a folder on its drive, or --copy"
            ) from None
        return f"{quote(Path(way).as_posix())}/"

    @property
    def origin(self) -> str:
        """Where else than in the site's own place pictures may come from, as a page's policy names it."""
        scheme, _, rest = self.options.link_base.partition("://")
        return f"{scheme}://{rest.partition('/')[0]}" if rest else ""

    def put(self, folder: str, content: object) -> str:
        """Write a shard; returns its name."""
        shard: Shard = make_shard(content)
        self.site.put(f"data/{folder}/{shard.name}.js", shard.text)
        self.shards += 1
        self.shard_bytes += len(shard.text)
        return shard.name

    def copy(self, entries: Sequence[Entry]) -> None:
        """Copy the pictures of a race day, where that is asked for."""
        if not self.options.is_copy:
            return
        held = {each.key: each for entry in entries for each in entry.files}
        wanted = (
            FileRef(key=each.key, size_bytes=each.size_bytes or None, stored_at=each.stored_at)
            for each in held.values()
        )
        with stored_files(self.root) as files, closing(self.site.copy_each(files, wanted)) as copied:
            for each in copied:
                if isinstance(each, DamagedError):
                    log.warning("not copied: %s", each)
                    self.missing += 1
                else:
                    self.copied += bool(each)
                    self.copied_bytes += each

    # -- the end ------------------------------------------------------------------------------------------------

    def finish(self, days: Sequence[DayPage]) -> None:
        """Write the pages, which make everything else visible, and remove what they no longer name."""
        app, is_private = app_files(), self.options.is_private
        version, title = app_version(app), self.options.title or _title(days)
        for name, content in app.items():
            self.site.put(f"app/{version}/{name}", content)
        outline = self.put(_COMMON, self.common(days))
        self.site.flush()
        for day in days:
            self.site.swap(
                f"{day.key}.html", render_day(day, title=title, app=version, is_private=is_private, origin=self.origin)
            )
        self.site.swap(
            "index.html",
            render_index(days, title=title, outline=outline, app=version, is_private=is_private, origin=self.origin),
        )
        # Last of all: an open page that asks for this finds everything that it names.
        now = json.dumps([["", outline], *([day.key, day.outline] for day in days)])
        self.site.swap("now.js", f"mirror.now({now});\n".encode())
        self.pages = len(days) + 1
        self.site.sweep()

    def common(self, days: Sequence[DayPage]) -> dict[str, object]:
        """What the page of all races searches."""
        lists = [] if self.options.is_private else bib_lists(self.found)
        return {
            "days": [[day.race_day_id, f"{day.key}.html", day.race_name, day.day_text] for day in days],
            "bibs": None if self.options.is_private else [(prefix, self.put(_COMMON, bibs)) for prefix, bibs in lists],
        }

    def report(self, seconds: float) -> GalleryReport:
        """Say what was done."""
        return GalleryReport(
            index=self.options.folder / "index.html", race_days=self.pages - 1, photos=self.photos,
            left_out=self.left_out, pages=self.pages, shards=self.shards, shard_bytes=self.shard_bytes,
            written=self.site.written, copied=self.copied, copied_bytes=self.copied_bytes, missing=self.missing,
            removed=self.site.removed, seconds=seconds,
        )  # fmt: skip


def _album_name(album_id: str, names: dict[str, str]) -> str:
    return names.get(album_id, f"Album {album_id}") if album_id else _NO_ALBUM


def _cover(entries: Sequence[Entry]) -> Entry:
    """The photo that stands for a race day: from its middle, with a runner who is known, and wide."""
    middle = len(entries) // 2
    near = [*entries[middle : middle + 200], *entries[max(0, middle - 200) : middle]]
    return next((each for each in near if len(each.bibs) == 1 and each.ratio > 120), near[0])


def _title(days: Sequence[DayPage]) -> str:
    races = {day.race_id: day.race_name for day in days}
    return next(iter(races.values())) if len(races) == 1 else "Race photos"
