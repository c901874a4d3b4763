"""An archive opened for a command that keeps it: what is stored is looked at or taken away, nothing is fetched."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from mirror.archive import Archive, LocalArchive
from mirror.current import PROGRAM, require_current
from mirror.errors import ConfigError, ManifestError
from mirror.manifest import KeepingManifest, KeepingReader
from mirror.race_ref import parse_race_ref, same_race
from mirror.root import ArchiveRoot

_LOCK_WAIT_S = 5.0
"""A watch holds the archive for moments at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Tree and manifest of one archive, open."""

    root: ArchiveRoot
    archive: Archive
    path: Path
    """The manifest's file."""
    manifest: KeepingManifest | None
    """None where nothing can be written."""

    async def renew_copy(self) -> None:
        """Write the tree's own copy of the manifest anew, where it has one.

        Raises:
            ArchiveError: It cannot be written.
            ManifestError: Another machine has left its own there meanwhile.
        """
        copy = self.archive.own_file(self.path.name)
        is_apart = copy != self.path and not (copy.exists() and copy.samefile(self.path))
        if self.manifest is None or not is_apart or (self.root.is_local and not copy.exists()):
            return
        # Deleted first: one that a run left meanwhile may look as if it knew all, and holds old bytes all the same.
        copy.unlink(missing_ok=True)
        await self.manifest.snapshot(copy)
        await self.archive.send_own(self.path.name)

    async def warnings(self) -> tuple[str, ...]:
        """Say where a store may keep what is deleted: no delete of ours reaches that."""
        match await self.archive.keeps_deleted():
            case False:
                return ()
            case True:
                found = "keeps earlier versions of its objects (versioning is, or was, switched on)"
            case None:
                found = "may keep what was deleted for a time (soft delete, versions), which cannot be seen from here"
        return (f"{self.archive.place}: the bucket {found}: only its lifecycle rules, or its owner, remove those",)


def can_write(path: Path) -> bool:
    """Whether a manifest may be written where it lies: not on media that are read-only, and not if it is a copy."""
    if not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        return False
    with KeepingReader(path) as reader:
        return not reader.is_snapshot()


@asynccontextmanager
async def opened(root: ArchiveRoot, path: Path, *, is_read_only: bool = False) -> AsyncIterator[Kept]:
    """Open an archive that is there, tree and manifest; other writing commands are kept out unless only reading.

    Args:
        path: The manifest's file.
        is_read_only: Open the tree for reading; the manifest too, where it cannot be written.
    Raises:
        ArchiveError: The tree is not there, or cannot be written; or the store refuses.
        ManifestError: In use, damaged, newer, not the manifest of this tree, or older than what lies there.
    """
    archive = await _open(root, path.parent, is_read_only=is_read_only)
    try:
        manifest = None
        if not is_read_only or can_write(path):
            is_on_network = archive.is_on_network and path == archive.own_file(path.name)
            manifest = await KeepingManifest.open(
                path, create=False, program=PROGRAM, lock_wait_s=_LOCK_WAIT_S, is_on_network=is_on_network
            )
        try:
            await _check_pair(archive, path)
            yield Kept(root=root, archive=archive, path=path, manifest=manifest)
        finally:
            if manifest is not None:
                await manifest.aclose()
    finally:
        await archive.aclose()


async def _open(root: ArchiveRoot, folder: Path, *, is_read_only: bool) -> Archive:
    """Open the tree; what a bucket needs on this machine lies beside the manifest."""
    if root.is_local:
        return await LocalArchive.open(root.path, create=False, is_read_only=is_read_only)
    from mirror.archive.objects import open_bucket  # noqa: PLC0415 - for buckets alone, and heavy
    from mirror.archive.objects.archive import ObjectArchive  # noqa: PLC0415

    return await ObjectArchive.open(open_bucket(root), folder, create=False, is_read_only=is_read_only)


async def _check_pair(archive: Archive, path: Path) -> None:
    await require_current(archive, path.name)
    tree_id = await archive.archive_id()
    with KeepingReader(path) as reader:
        if tree_id != reader.archive_id():
            found = f"belongs to another manifest ({tree_id})" if tree_id else "is empty: is its disk mounted?"
            raise ManifestError(f"{path}: this is the manifest of an archive, but the tree at {archive.place} {found}")


def race_id_of(text: str, reader: KeepingReader) -> int:
    """Find the race that a person means among those that the archive knows.

    Raises:
        ConfigError: It is none of them.
    """
    try:
        ref = parse_race_ref(text)
    except ValueError as error:
        raise ConfigError(f"--race: {error}") from None
    races = reader.races()
    for race in races:
        if race.race_id == ref.race_id or same_race(ref, race.url):
            return race.race_id
    known = ", ".join(str(race.race_id) for race in races[:10]) or "none"
    raise ConfigError(f"--race: the archive knows no race {ref}; it knows {known}")
