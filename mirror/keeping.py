"""An archive opened for a command that keeps it: what is stored is looked at or taken away, nothing is fetched."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from mirror.archive import LocalArchive
from mirror.errors import ConfigError, ManifestError
from mirror.manifest import KeepingManifest, KeepingReader
from mirror.opening import PROGRAM
from mirror.race_ref import parse_race_ref, same_race

_LOCK_WAIT_S = 5.0
"""A watch holds the archive for moments at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Tree and manifest of one archive, open."""

    archive: LocalArchive
    manifest: KeepingManifest | None
    """None where nothing can be written."""


def can_write(path: Path) -> bool:
    """Whether a manifest may be written where it lies: not on media that are read-only, and not if it is a copy."""
    if not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        return False
    with KeepingReader(path) as reader:
        return not reader.is_snapshot()


@asynccontextmanager
async def opened(root: Path, path: Path, *, is_read_only: bool = False) -> AsyncIterator[Kept]:
    """Open an archive that is there, tree and manifest; other writing commands are kept out unless only reading.

    Args:
        root: The tree.
        path: The manifest's file.
        is_read_only: Open the tree for reading; the manifest too, where it cannot be written.
    Raises:
        ArchiveError: The tree is not there, or cannot be written.
        ManifestError: In use, damaged, newer, or not the manifest of this tree.
    """
    archive = await LocalArchive.open(root, create=False, is_read_only=is_read_only)
    try:
        manifest = None
        if not is_read_only or can_write(path):
            is_on_network = archive.is_on_network and path.is_relative_to(archive.state)
            manifest = await KeepingManifest.open(
                path, create=False, program=PROGRAM, lock_wait_s=_LOCK_WAIT_S, is_on_network=is_on_network
            )
        try:
            await _check_pair(archive, path)
            yield Kept(archive=archive, manifest=manifest)
        finally:
            if manifest is not None:
                await manifest.aclose()
    finally:
        await archive.aclose()


async def _check_pair(archive: LocalArchive, path: Path) -> None:
    tree_id = await archive.archive_id()
    with KeepingReader(path) as reader:
        if tree_id != reader.archive_id():
            found = f"belongs to another manifest ({tree_id})" if tree_id else "is empty: is its disk mounted?"
            raise ManifestError(f"{path}: this is the manifest of an archive, but the tree at {archive.root} {found}")


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
