"""The names of drafts, and which keys are no keys; pure."""

import re

from mirror.archive.seam import KeptDraft
from mirror.errors import ArchiveError
from mirror.root import STATE

__all__ = ["DRAFTS", "FOREIGN", "STATE", "VERSIONS"]

DRAFTS = "drafts"
VERSIONS = f"{STATE}/versions"
FOREIGN = f"{VERSIONS}/foreign"

_UNSAFE = frozenset({"", ".", ".."})
_SURROGATE = re.compile("[\ud800-\udfff]")
_MOST_PARTS = 24
_IN_FLIGHT = re.compile(r"\d+\.[0-9a-f]+")
_CHECKED = re.compile(r"(\d+)\.([0-9a-f]+)\.(\d+)\.([0-9a-f]{64})(?:\.[0-9a-f]{16})?")
_TO_RESUME = re.compile(r"(\d+)\.([0-9a-f]+)\.([A-Za-z0-9_-]{1,180})")


def checked_name(asset_id: int, address: str, size_bytes: int, digest: bytes, *, mark: str = "") -> str:
    """Name a draft that is whole: with what it takes to check it again.

    Args:
        mark: Sixteen hex digits of its own, where several processes write into one archive.
    """
    return f"{asset_id}.{address}.{size_bytes}.{digest.hex()}" + (f".{mark}" if mark else "")


def kept_name(asset_id: int, address: str, label: str) -> str:
    """Name a draft that can be resumed.

    Raises:
        ArchiveError: The label does not fit into a name.
    """
    name = f"{asset_id}.{address}.{label}"
    if not _TO_RESUME.fullmatch(name):
        raise ArchiveError(f"no name for a draft: {name!r}")
    return name


def parse_draft(name: str, size_bytes: int) -> KeptDraft | None:
    """Read the name of a draft that a run may claim; None for one in flight and for what is no draft."""
    if found := _CHECKED.fullmatch(name):
        return KeptDraft(
            name=name,
            asset_id=int(found[1]),
            address=found[2],
            etag=None,
            size_bytes=int(found[3]),
            sha256=bytes.fromhex(found[4]),
        )
    if found := _TO_RESUME.fullmatch(name):
        return KeptDraft(
            name=name, asset_id=int(found[1]), address=found[2], etag=found[3], size_bytes=size_bytes, sha256=None
        )
    return None


def is_draft(name: str) -> bool:
    """Whether this is a name that only we give."""
    return bool(_IN_FLIGHT.fullmatch(name) or _CHECKED.fullmatch(name) or _TO_RESUME.fullmatch(name))


def split_key(key: str) -> tuple[tuple[str, ...], str]:
    """Take a key apart into folders and name: the second fence, behind whoever made it.

    Raises:
        ArchiveError: It could lead out of the tree, or no file system takes it.
    """
    parts = tuple(key.split("/"))
    if "\0" in key or len(parts) > _MOST_PARTS or not _UNSAFE.isdisjoint(parts) or _SURROGATE.search(key):
        raise ArchiveError(f"no key: {key!r}")
    return parts[:-1], parts[-1]


def is_state(key: str) -> bool:
    """Whether a key lies in our own folder, on a disk that does not tell case apart either."""
    return key.partition("/")[0].casefold() == STATE


def is_text(key: str) -> bool:
    """Whether a name that a disk gave us is text; any bytes can be a name."""
    return not _SURROGATE.search(key)
