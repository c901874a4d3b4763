"""What archives are asked and what they answer, as plain data."""

from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Literal, TypeVar

T_co = TypeVar("T_co", covariant=True)
How = Literal["copy", "link"]
"""A copy, which shares the disk's blocks where the file system can; or a hard link: the very same file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """One checked draft and the key it is to get.

    Args:
        photo_id: For whoever meets the file without the manifest, where a store can keep that beside it.
        bibs: Likewise, as they were when it was stored.
        is_ours_there: Whether bytes of ours lie under ``key`` now, to be replaced.
        keep_as: Key under ``.mirror/versions/`` that keeps those; None when they are not kept.
        sha256_there: Digest that those should have (32 bytes); bytes that have another one are kept apart, as foreign.
    """

    draft: str
    key: str
    photo_id: int | None = None
    bibs: tuple[str, ...] = ()
    is_ours_there: bool = False
    keep_as: str | None = None
    sha256_there: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptDraft:
    """A draft of an earlier run that a wanted asset may claim.

    Args:
        address: Short hash of the host and path it was fetched from.
        etag: Label under which it can be resumed; None for a checked one.
        size_bytes: What it holds; for a checked one, what its name promises.
        sha256: Digest that the name of a checked one promises; None for one to be resumed.
    """

    name: str
    asset_id: int
    address: str
    etag: str | None
    size_bytes: int
    sha256: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection(Generic[T_co]):
    """What was found under one key.

    Args:
        is_there: Whether anything lies there.
        size_bytes: What was read; None where no regular file lies, or none that can be read to its end.
        sha256: Of what was read (32 bytes).
        examined: What the caller's own look at the bytes said.
        is_read: Whether the bytes themselves were read; else this is what the store says of them.
    """

    is_there: bool
    size_bytes: int | None = None
    sha256: bytes | None = None
    examined: T_co | None = None
    is_read: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """One stored file as it should be.

    Args:
        sha256: 32 bytes; None where nobody knows any more.
        right_ts: When it was last known to be right, in Unix seconds; None where that is not known.
    """

    key: str
    size_bytes: int
    sha256: bytes | None
    right_ts: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRef:
    """One stored file, as the manifest knows it, for those who hand it out.

    Args:
        size_bytes: None where it is not to be checked.
        sha256: 32 bytes; None where nobody told.
        stored_at: When it was stored, as the manifest writes it.
    """

    key: str
    size_bytes: int | None = None
    sha256: bytes | None = None
    stored_at: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One name in the archive that is no folder, or a folder that cannot be looked into."""

    key: str
    """Its path below the root; bytes that are no text are lone surrogates in it."""
    size_bytes: int = 0
    modified_ts: float = 0.0
    """Unix seconds."""
    trouble: str = ""
    """Why it is no file that can be read; empty if it is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One stored file and the name outside the archive that it is to get."""

    file: FileRef
    target: Path
