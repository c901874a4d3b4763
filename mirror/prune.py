"""Making room: photos that the source shows no more for long, and old versions; with a brake, and a quarantine.

Files go before their rows: after a kill in between, what is missing is found missing, and the same command goes on.
"""

import json
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mirror.archive import Archive
from mirror.errors import ArchiveError, ConfigError
from mirror.keeping import opened
from mirror.manifest import DayShare, KeepingManifest, KeepingReader, Prunable, at_text, note_export
from mirror.root import ArchiveRoot

_BATCH = 500
_LIST = "pruned.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneWish:
    """What may go.

    Args:
        unlisted_for_s: Files of photos that the source lists no more for so long; None keeps them all.
        versions_older_s: Earlier bytes of pictures that were replaced so long ago; None keeps them all.
        foreign_older_s: What was not ours and lay in the way of files, moved away so long ago; None keeps it all.
    """

    unlisted_for_s: float | None = None
    versions_older_s: float | None = None
    foreign_older_s: float | None = None

    @property
    def is_any(self) -> bool:
        """Whether anything is asked for."""
        return any(each is not None for each in (self.unlisted_for_s, self.versions_older_s, self.foreign_older_s))


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What would go."""

    photos: tuple[Prunable, ...] = ()
    """Files of unlisted photos."""
    versions: tuple[Prunable, ...] = ()
    """Versions, and foreign things."""
    shares: tuple[DayShare, ...] = ()
    """How much of each race day the unlisted photos are."""
    unlisted_before: str | None = None

    @property
    def files(self) -> tuple[Prunable, ...]:
        """All of it."""
        return (*self.photos, *self.versions)

    @property
    def bytes(self) -> int:
        """By the manifest."""
        return sum(each.size_bytes for each in self.files)

    def too_much(self, most: float) -> DayShare | None:
        """Name a race day of whose photos more than a share would go, the worst first."""
        worst = max(self.shares, key=lambda each: each.pruned / each.photos, default=None)
        return worst if worst is not None and worst.pruned > most * worst.photos else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What went."""

    photos: int
    """Photos that lost files."""
    files: int
    """Removed in all, versions included."""
    versions: int
    bytes: int
    absent: int
    """Files that were to go and were not there."""
    given_up: int
    """Assets of these photos that were never fetched, and are wanted no more."""
    quarantine: str | None
    warnings: tuple[str, ...] = ()
    """Where what was deleted still takes room, as far as this program can know."""


def look_up(reader: KeepingReader, wish: PruneWish, *, now: datetime) -> Selection:
    """Find what may go; nothing is changed."""

    def before(age_s: float) -> str:
        return at_text(now - timedelta(seconds=age_s))

    unlisted = None if wish.unlisted_for_s is None else before(wish.unlisted_for_s)
    versions: list[Prunable] = []
    for age_s, why in ((wish.versions_older_s, "replaced"), (wish.foreign_older_s, "foreign")):
        versions += [] if age_s is None else reader.versions_before(before(age_s), [why])
    return Selection(
        photos=() if unlisted is None else tuple(reader.unlisted_files(unlisted)),
        versions=tuple(versions),
        shares=() if unlisted is None else tuple(reader.day_shares(unlisted)),
        unlisted_before=unlisted,
    )


async def prune(
    root: ArchiveRoot, path: Path, wish: PruneWish, *, most: float, quarantine: Path | None = None
) -> Pruned:
    """Remove what a wish means; a photo comes back only when the source lists it again.

    Args:
        path: The manifest's file.
        most: The largest share of a race day's photos that may go.
        quarantine: Where files are moved to, flushed and listed, before they go; None deletes them.
    Raises:
        ConfigError: More than ``most`` of a race day would go, or the quarantine lies in the tree.
        ArchiveError: Something cannot be written or deleted; the same command goes on.
        ManifestError: In use, damaged, newer, or not the manifest of this tree.
    """
    if quarantine is not None and root.holds(quarantine):
        raise ConfigError(f"--quarantine: {quarantine} lies in the archive: name a folder outside")
    async with opened(root, path) as kept:
        manifest = kept.manifest
        if manifest is None:
            raise ArchiveError(f"{path}: cannot be written")
        with KeepingReader(path) as reader:
            chosen = look_up(reader, wish, now=datetime.now(UTC))
        check_brake(chosen, most)
        await manifest.begin_run("prune")
        if quarantine is not None and chosen.files:
            note_export(path, quarantine, "quarantine")
        done = await _Removal(kept.archive, manifest, quarantine).to_its_end(chosen)
        await manifest.end_run(exit_code=0, new_photos=0, stored=0, stored_bytes=0, failed=0)
        await kept.renew_copy()
        return replace(done, warnings=await kept.warnings() if done.files else ())


def check_brake(chosen: Selection, most: float) -> None:
    """Refuse to take too much of a race day.

    Raises:
        ConfigError: Names the race day, and the way to do it all the same.
    """
    if (day := chosen.too_much(most)) is not None:
        raise ConfigError(
            f"{day.pruned:,} of {day.photos:,} photos of race {day.race_id} day {day.race_day_id} would go, more than "
            f"{most:.0%}: nothing was removed; look at it with --dry-run, then give --most 100% if that is right"
        )


class _Removal:
    """Batch by batch: the list, the files, the rows."""

    def __init__(self, archive: Archive, manifest: KeepingManifest, quarantine: Path | None) -> None:
        self.archive = archive
        self.manifest = manifest
        self.quarantine = quarantine
        self.files = self.bytes = self.absent = 0

    async def to_its_end(self, chosen: Selection) -> Pruned:
        await self.take(chosen.photos, self.manifest.note_pruned, "unlisted")
        versions = await self.take(chosen.versions, self.manifest.prune_versions, "version")
        given_up = 0
        if chosen.unlisted_before is not None:
            given_up = await self.manifest.give_up_unlisted(chosen.unlisted_before)
        return Pruned(
            photos=len({(each.race_id, each.photo_id) for each in chosen.photos}),
            files=self.files,
            versions=versions,
            bytes=self.bytes,
            absent=self.absent,
            given_up=given_up,
            quarantine=None if self.quarantine is None else str(self.quarantine),
        )

    async def take(
        self, files: Sequence[Prunable], note: Callable[[Sequence[Prunable]], Awaitable[None]], why: str
    ) -> int:
        """Remove files and then their rows; returns how many files were there."""
        before = self.files
        for start in range(0, len(files), _BATCH):
            batch = files[start : start + _BATCH]
            keys = [each.key for each in batch]
            if self.quarantine is None:
                sizes = await self.archive.remove(keys)
            else:
                _list(self.quarantine, batch, why)
                sizes = await self.archive.move_out(keys, self.quarantine)
            await note(batch)
            self.files += sum(size is not None for size in sizes)
            self.absent += sum(size is None for size in sizes)
            self.bytes += sum(size or 0 for size in sizes)
        return self.files - before


def _list(folder: Path, files: Sequence[Prunable], why: str) -> None:
    """Write down, durably, what is about to be moved there and whose it is; a line of JSON each."""
    lines = [
        json.dumps({**asdict(each), "sha256": each.sha256.hex() if each.sha256 else None, "why": why}) + "\n"
        for each in files
    ]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / _LIST).open("a", encoding="utf-8") as file:
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise ArchiveError(f"--quarantine: {folder} cannot be written: {error.strerror}") from error
