"""The ledger: what the source listed, what the archive wants, holds and lost. The only package that imports sqlite3."""

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
from mirror.manifest.store import Manifest

__all__ = [
    "Commit",
    "Counts",
    "HeldRow",
    "Leftover",
    "Manifest",
    "ManifestReader",
    "Missing",
    "PassMemory",
    "Planned",
    "RaceDayStatus",
    "Recorded",
    "RunRow",
    "Selected",
    "StoredRow",
    "Unlisted",
]
