"""The ledger: what the source listed, what the archive wants, holds and lost. The only package that imports sqlite3."""

from typing import TYPE_CHECKING, Any

from mirror.manifest.adoption import Claim, Found, Owner
from mirror.manifest.arriving import install_snapshot, retire_manifest
from mirror.manifest.checking import Choice, StoredFile
from mirror.manifest.coverage import AlbumCount, CoverageReader, DayCount, DayKey, Duplicate, Hours
from mirror.manifest.exporting import ExportAsset, ExportDay, ExportPhoto, RaceDays
from mirror.manifest.exports import note_export
from mirror.manifest.finding import FoundFile, FoundPhoto, PhotoFinder, Search
from mirror.manifest.forgetting import DoomedFile, DoomedPhoto, ExportRow
from mirror.manifest.gallery_rows import GalleryReader, HeldDay, HeldFile, HeldPhoto
from mirror.manifest.history import Change, HistoryReader, Span
from mirror.manifest.missing import FailureReader, Missed, Trouble
from mirror.manifest.pruning import DayShare, Prunable
from mirror.manifest.queries import ManifestReader
from mirror.manifest.rows import (
    Commit,
    Counts,
    HeldRow,
    Leftover,
    Missing,
    PassMemory,
    Planned,
    RaceDayStatus,
    Recorded,
    RunRow,
    Selected,
    StoredRow,
    Unlisted,
)
from mirror.manifest.text import at_text
from mirror.manifest.tree_rows import OldVersion
from mirror.manifest.watching import BibNews, NewPhoto, RunNews
from mirror.manifest.workshop import Workshop, forgotten_in, id_of

if TYPE_CHECKING:
    from mirror.manifest.keeping import KeepingManifest, KeepingReader
    from mirror.manifest.rebuilt import RebuiltManifest
    from mirror.manifest.store import Manifest

__all__ = [
    "AlbumCount",
    "BibNews",
    "Change",
    "Choice",
    "Claim",
    "Commit",
    "Counts",
    "CoverageReader",
    "DayCount",
    "DayKey",
    "DayShare",
    "DoomedFile",
    "DoomedPhoto",
    "Duplicate",
    "ExportAsset",
    "ExportDay",
    "ExportPhoto",
    "ExportRow",
    "FailureReader",
    "Found",
    "FoundFile",
    "FoundPhoto",
    "GalleryReader",
    "HeldDay",
    "HeldFile",
    "HeldPhoto",
    "HeldRow",
    "HistoryReader",
    "Hours",
    "KeepingManifest",
    "KeepingReader",
    "Leftover",
    "Manifest",
    "ManifestReader",
    "Missed",
    "Missing",
    "NewPhoto",
    "OldVersion",
    "Owner",
    "PassMemory",
    "PhotoFinder",
    "Planned",
    "Prunable",
    "RaceDayStatus",
    "RaceDays",
    "RebuiltManifest",
    "Recorded",
    "RunNews",
    "RunRow",
    "Search",
    "Selected",
    "Span",
    "StoredFile",
    "StoredRow",
    "Trouble",
    "Unlisted",
    "Workshop",
    "at_text",
    "forgotten_in",
    "id_of",
    "install_snapshot",
    "note_export",
    "retire_manifest",
]

_WRITING = {
    "KeepingManifest": "mirror.manifest.keeping", "KeepingReader": "mirror.manifest.keeping",
    "Manifest": "mirror.manifest.store", "RebuiltManifest": "mirror.manifest.rebuilt",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a writing face when it is first asked for: commands that only read need no event loop."""
    if name not in _WRITING:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - the face is lazy

    return getattr(import_module(_WRITING[name]), name)
