"""The ledger: what the source listed, what the archive wants, holds and lost. The only package that imports sqlite3."""

from mirror.manifest.adoption import Claim, Found, Owner
from mirror.manifest.exporting import ExportAsset, ExportDay, ExportPhoto, RaceDays
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
    "Claim",
    "Commit",
    "Counts",
    "ExportAsset",
    "ExportDay",
    "ExportPhoto",
    "Found",
    "HeldRow",
    "Leftover",
    "Manifest",
    "ManifestReader",
    "Missing",
    "OldVersion",
    "Owner",
    "PassMemory",
    "Planned",
    "RaceDayStatus",
    "RaceDays",
    "RebuiltManifest",
    "Recorded",
    "RunRow",
    "Selected",
    "StoredRow",
    "Unlisted",
    "Workshop",
    "forgotten_in",
    "id_of",
]
