"""The ledger: what the source listed, what the archive wants, holds and lost. The only package that imports sqlite3."""

from typing import TYPE_CHECKING

from mirror.faces import lazy_face

if TYPE_CHECKING:
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
    from mirror.manifest.keeping import KeepingManifest, KeepingReader
    from mirror.manifest.missing import FailureReader, Missed, Trouble
    from mirror.manifest.pruning import DayShare, Prunable
    from mirror.manifest.queries import ManifestReader
    from mirror.manifest.rebuilt import RebuiltManifest
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
    from mirror.manifest.store import Manifest
    from mirror.manifest.text import at_text
    from mirror.manifest.tree_rows import OldVersion
    from mirror.manifest.watching import BibNews, NewPhoto, RunNews
    from mirror.manifest.workshop import Workshop, forgotten_in, id_of

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

__getattr__ = lazy_face(
    __name__,
    {
        "adoption": "Claim Found Owner",
        "arriving": "install_snapshot retire_manifest",
        "checking": "Choice StoredFile",
        "coverage": "AlbumCount CoverageReader DayCount DayKey Duplicate Hours",
        "exporting": "ExportAsset ExportDay ExportPhoto RaceDays",
        "exports": "note_export",
        "finding": "FoundFile FoundPhoto PhotoFinder Search",
        "forgetting": "DoomedFile DoomedPhoto ExportRow",
        "gallery_rows": "GalleryReader HeldDay HeldFile HeldPhoto",
        "history": "Change HistoryReader Span",
        "keeping": "KeepingManifest KeepingReader",
        "missing": "FailureReader Missed Trouble",
        "pruning": "DayShare Prunable",
        "queries": "ManifestReader",
        "rebuilt": "RebuiltManifest",
        "rows": "Commit Counts HeldRow Leftover Missing PassMemory "
        "Planned RaceDayStatus Recorded RunRow Selected StoredRow Unlisted",
        "store": "Manifest",
        "text": "at_text",
        "tree_rows": "OldVersion",
        "watching": "BibNews NewPhoto RunNews",
        "workshop": "Workshop forgotten_in id_of",
    },
)
