"""The ledger: what the source listed, what the archive wants, holds and lost. The only package that imports sqlite3."""

from mirror.manifest.adoption import Claim, Found, Owner
from mirror.manifest.coverage import AlbumCount, CoverageReader, DayCount, DayKey, Duplicate, Hours
from mirror.manifest.finding import FoundFile, FoundPhoto, PhotoFinder, Search
from mirror.manifest.history import Change, HistoryReader, Span
from mirror.manifest.missing import FailureReader, Missed, Trouble
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
from mirror.manifest.tree_rows import OldVersion
from mirror.manifest.workshop import Workshop, forgotten_in, id_of

__all__ = [
    "AlbumCount",
    "Change",
    "Claim",
    "Commit",
    "Counts",
    "CoverageReader",
    "DayCount",
    "DayKey",
    "Duplicate",
    "FailureReader",
    "Found",
    "FoundFile",
    "FoundPhoto",
    "HeldRow",
    "HistoryReader",
    "Hours",
    "Leftover",
    "Manifest",
    "ManifestReader",
    "Missed",
    "Missing",
    "OldVersion",
    "Owner",
    "PassMemory",
    "PhotoFinder",
    "Planned",
    "RaceDayStatus",
    "RebuiltManifest",
    "Recorded",
    "RunRow",
    "Search",
    "Selected",
    "Span",
    "StoredRow",
    "Trouble",
    "Unlisted",
    "Workshop",
    "forgotten_in",
    "id_of",
]
