"""A photo leaves the archive for good: its files, its rows, every copy that this program knows of; and stays away.

The order makes a kill harmless at any moment, since running it again goes on: first the tombstones, on the disk; then
the files; then the rows; then the manifest's file is made anew, and its snapshot.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from mirror.archive import Copies, Original
from mirror.current import PROGRAM
from mirror.errors import ArchiveError, ConfigError
from mirror.keeping import Kept, opened
from mirror.layout import SIDECAR
from mirror.manifest import DoomedFile, DoomedPhoto, ExportRow, KeepingManifest, KeepingReader
from mirror.root import ArchiveRoot

_HANDED_OUT = "copies"


@dataclass(frozen=True, slots=True, kw_only=True)
class Takedown:
    """What is to be forgotten.

    Args:
        photos: With all that the manifest knows of them.
        unfinished: Photos that an earlier command, which was killed, left half forgotten.
        forgotten: Of the photos asked for, those that were forgotten before.
        unknown: Those that the archive has never known.
        exports: Places that may hold copies.
    """

    photos: tuple[DoomedPhoto, ...]
    unfinished: int = 0
    forgotten: tuple[int, ...] = ()
    unknown: tuple[int, ...] = ()
    exports: tuple[ExportRow, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgottenFile:
    """One variant that was removed; its name is left out, since it holds the uploader's."""

    variant: str
    size_bytes: int | None
    sha256: str | None
    """Of the bytes (64 hex digits), so that copies elsewhere can be recognised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgottenPhoto:
    """One photo of which nothing is left but its id."""

    race_id: int
    photo_id: int
    files: tuple[ForgottenFile, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportNote:
    """A place that held, or may hold, copies."""

    path: str
    kind: str
    removed: int
    """Files that were deleted there."""
    remark: str
    """What is left to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What was removed: ids, counts and hashes, nothing of the photos themselves."""

    archive_id: str
    program: str
    forgotten_at: datetime
    photos: tuple[ForgottenPhoto, ...]
    files: int
    """Removed from the tree; sidecars, earlier versions and drafts included."""
    versions: int
    """Of them, earlier versions and what lay in the way of files."""
    drafts: int
    bytes: int
    history: int
    """Entries of the history that were erased."""
    exports: tuple[ExportNote, ...]
    manifests: int = 0
    """Earlier manifests, kept by a rebuild, that were deleted whole."""
    warnings: tuple[str, ...] = ()
    """Where what was deleted can still be had, as far as this program can know."""


def look_up(
    reader: KeepingReader, *, photo_ids: Sequence[int] = (), bibs: Sequence[str] = (), race_id: int | None = None
) -> Takedown:
    """Find the photos that a request means; nothing is changed.

    Args:
        photo_ids: The source's ids.
        bibs: Whole photos that show one of them; others may be in these photos too.
        race_id: Only photos of this race.
    Raises:
        ConfigError: A photo id stands for photos of several races.
    """
    found = {each.photo_no: each for each in reader.photos_by_id(photo_ids, race_id)}
    known = [each.photo_id for each in found.values()]
    if double := next((each for each in known if known.count(each) > 1), None):
        races = ", ".join(str(each.race_id) for each in found.values() if each.photo_id == double)
        raise ConfigError(f"photo {double} is in races {races}: say which with --race")
    for bib in bibs:
        found |= {each.photo_no: each for each in reader.photos_by_bib(bib, race_id)}
    before = reader.forgotten(photo_ids, race_id) - set(known)
    return Takedown(
        photos=tuple(sorted(found.values(), key=lambda each: (each.race_id, each.photo_id))),
        unfinished=reader.unfinished(),
        forgotten=tuple(sorted(before)),
        unknown=tuple(sorted(set(photo_ids) - set(known) - before)),
        exports=tuple(reader.exports()),
    )


async def forget(root: ArchiveRoot, path: Path, takedown: Takedown) -> Receipt:
    """Remove photos for good, and what an earlier, killed command has left of others.

    Args:
        path: The manifest's file.
    Raises:
        ArchiveError: Something cannot be deleted; what is left goes when the same is asked for again.
        ManifestError: In use, damaged, newer, not the manifest of this tree; or a reader keeps its log from being
            emptied.
    """
    async with opened(root, path) as kept:
        manifest = kept.manifest
        if manifest is None:
            raise ArchiveError(f"{path}: cannot be written")
        await manifest.forget_carefully()
        await manifest.begin_run("forget")
        await manifest.bury(takedown.photos)
        with KeepingReader(path) as reader:
            photos, exports = reader.half_forgotten(), reader.exports()
        receipt = await _Removal(kept, manifest, photos).to_its_end(exports)
        await manifest.end_run(exit_code=0, new_photos=0, stored=0, stored_bytes=0, failed=0)
        await manifest.scrub()
        manifests = await _renew_copies(kept)
        await manifest.finish_forgetting()
        warnings = await kept.warnings() if receipt.photos else ()
        return replace(receipt, manifests=manifests, warnings=warnings)


class _Removal:
    """Files first, rows second: what is not deleted yet is still known."""

    def __init__(self, kept: Kept, manifest: KeepingManifest, photos: Sequence[DoomedPhoto]) -> None:
        self.archive = kept.archive
        self.manifest = manifest
        self.photos = photos
        self.files = [(photo, file) for photo in photos for file in photo.files]

    async def to_its_end(self, exports: Sequence[ExportRow]) -> Receipt:
        keys = [file.key for _, file in self.files if file.key is not None]
        notes = await self.remove_copies(exports)
        named = {key for photo in self.photos for key in photo.versions}
        versions = sorted(named.union(await self.archive.relatives(keys)))
        # A sidecar says who is in the picture, whoever wrote it.
        sidecars = [f"{key}{SIDECAR}" for key in keys]
        sizes = await self.archive.remove([*keys, *sidecars, *versions])
        drafts = await self.archive.remove_drafts([file.asset_id for _, file in self.files])
        history = await self.manifest.erase(self.photos)
        return Receipt(
            archive_id=self.manifest.archive_id,
            program=PROGRAM,
            forgotten_at=datetime.now(UTC).replace(microsecond=0),
            photos=tuple(map(_forgotten, self.photos)),
            files=sum(size is not None for size in sizes) + drafts,
            versions=sum(size is not None for size in sizes[2 * len(keys) :]),
            drafts=drafts,
            bytes=sum(size or 0 for size in sizes),
            history=history,
            exports=notes,
        )

    async def remove_copies(self, exports: Sequence[ExportRow]) -> tuple[ExportNote, ...]:
        """Delete copies where this program has made some; before the originals, whose hashes tell what is a copy."""
        if not self.files:
            return ()
        originals = [_original(photo, file) for photo, file in self.files]
        return tuple([await asyncio.to_thread(_clear, originals, each) for each in exports])


def _original(photo: DoomedPhoto, file: DoomedFile) -> Original:
    return Original(
        photo_id=photo.photo_id, key=file.key or str(photo.photo_id), size_bytes=file.size_bytes, sha256=file.sha256
    )


def _clear(originals: Sequence[Original], export: ExportRow) -> ExportNote:
    place = Path(export.path)
    if not place.exists():
        return ExportNote(path=export.path, kind=export.kind, removed=0, remark="not there: moved, or on another disk")
    if not place.is_dir():
        return ExportNote(path=export.path, kind=export.kind, removed=0, remark="may name or hold it: make it again")
    # What people had copied into a folder of theirs is known by its bytes alone.
    removed = Copies(originals, by_name=export.kind != _HANDED_OUT).remove_below(place)
    remark = (
        "copies removed; its lists and pages may still name it: make it again"
        if removed
        else "no copy found by name or bytes"
    )
    return ExportNote(path=export.path, kind=export.kind, removed=removed, remark=remark)


def _forgotten(photo: DoomedPhoto) -> ForgottenPhoto:
    return ForgottenPhoto(
        race_id=photo.race_id,
        photo_id=photo.photo_id,
        files=tuple(
            ForgottenFile(
                variant=file.variant, size_bytes=file.size_bytes, sha256=file.sha256.hex() if file.sha256 else None
            )
            for file in photo.files
        ),
    )


async def _renew_copies(kept: Kept) -> int:
    """Write the tree's own copy of the manifest anew, where there is one, and delete those that nobody needs.

    Returns:
        How many earlier manifests were deleted, that a rebuild had kept: they know all that was to be forgotten.
    """
    await kept.renew_copy()
    path = kept.path
    folders = {path.parent, kept.archive.own_file(path.name).parent}
    try:
        return sum(_delete_kept(folder, path.name) for folder in folders)
    except OSError as error:
        raise ArchiveError(f"{path.parent}: old manifests cannot be deleted: {error.strerror}") from error


def _delete_kept(folder: Path, name: str) -> int:
    """Delete what lies beside a manifest, or is being made of one; says how many of it were whole once."""
    count = 0
    for each in (*folder.glob(f"{name}.*"), *folder.glob(f"rebuild/{name}*")):
        if each.suffix == ".sent":
            continue  # what a bucket was last sent: digests, and nothing of a photo
        count += ".kept-" in each.name and not each.name.endswith(("-wal", "-shm", "-journal"))
        each.unlink()
    return count
