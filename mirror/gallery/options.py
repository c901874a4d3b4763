"""What a gallery is to be, and what became of it."""

from dataclasses import dataclass
from pathlib import Path

from mirror.model import VARIANTS
from mirror.race_ref import RaceRef
from mirror.root import ArchiveRoot


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryOptions:
    """Where a gallery goes and what it shows."""

    folder: Path
    title: str = ""
    """Empty: the race's name where there is one race only, else "Race photos"."""
    variants: tuple[str, ...] = VARIANTS
    """Which files it may point to, or copy."""
    races: tuple[RaceRef, ...] = ()
    """Empty means all."""
    is_private: bool = False
    """Leave out every bib, and photos that are no longer listed."""
    is_copy: bool = False
    """Copy the pictures, so that the folder stands alone; else its pages point into the archive."""
    link_base: str = ""
    """Where the archive's root can be had on the web: pages point there instead; no slash at its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryReport:
    """What one build did."""

    index: Path
    """The page to open."""
    race_days: int
    photos: int
    left_out: int
    """Photos of which nothing is held that a browser can show."""
    pages: int
    """Pages of the site, like the files of its index below: written now or kept as they were."""
    shards: int
    shard_bytes: int
    written: int
    """Files of either kind that were written."""
    copied: int
    """Pictures."""
    copied_bytes: int
    missing: int
    """Pictures that were to be copied and could not be read; each is named in the log."""
    removed: int
    """Files that belonged to an earlier state."""
    seconds: float


def default_folder(root: ArchiveRoot) -> Path:
    """Say where a gallery goes unless told otherwise: beside the archive, or here if that lies in a bucket."""
    place = root.folder.absolute() if root.folder is not None else Path.cwd() / root.name
    return place.with_name(f"{place.name or 'archive'}-gallery")
