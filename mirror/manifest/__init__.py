"""The ledger: what the source listed, what the archive wants, holds and lost. The only package that imports sqlite3."""

from typing import TYPE_CHECKING, Any

from mirror.manifest.adoption import Claim, Found, Owner
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
from mirror.manifest.tree_rows import OldVersion
from mirror.manifest.workshop import Workshop, forgotten_in, id_of

if TYPE_CHECKING:
    from mirror.manifest.rebuilt import RebuiltManifest
    from mirror.manifest.store import Manifest

__all__ = [
    "Claim",
    "Commit",
    "Counts",
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

_WRITING = {"Manifest": "mirror.manifest.store", "RebuiltManifest": "mirror.manifest.rebuilt"}


def __getattr__(name: str) -> Any:
    """Import a writing face when it is first asked for: commands that only read need no event loop."""
    if name not in _WRITING:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - the face is lazy

    return getattr(import_module(_WRITING[name]), name)
