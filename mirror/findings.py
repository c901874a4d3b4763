"""What a verification is asked and what it finds. Pure."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from mirror.archive import Inspection
from mirror.decode import Verdict
from mirror.manifest import StoredFile

Mark = Literal["=", "*", "-", "+", "!"]
"""As ``rclone check --combined`` writes it: right, damaged, missing, extra; and ``!`` for what cannot be decoded."""

_HOP_FILES, _HOP_BYTES = 64, 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """How much to look at, drawn by lot: so many files, or a share of them."""

    count: int | None = None
    share: float = 1.0

    def of(self, files: int) -> int:
        """How many of so many files that are."""
        return min(files, self.count if self.count is not None else math.ceil(files * self.share))


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What to verify.

    Args:
        race_id: Only this race; None means all.
        older_than_s: Only what was not verified in the last so many seconds.
        is_deep: Decode the pictures too.
        wants_again: Have damaged and missing files fetched again by the next sync, however many there are.
    """

    race_id: int | None = None
    sample: Sample | None = None
    older_than_s: float | None = None
    is_deep: bool = False
    wants_again: bool = False

    @property
    def command(self) -> str:
        """Its name in the manifest: a stopped verification goes on in the next one of the same name."""
        race = f" --race {self.race_id}" if self.race_id is not None else ""
        return f"verify{race}{' --deep' if self.is_deep else ''}"

    @property
    def is_whole(self) -> bool:
        """Whether every file of the archive is meant, now or by those that go on with it."""
        return self.race_id is None and self.sample is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One file, or what should be one."""

    mark: Mark
    path: str
    """Below the archive's root."""
    is_version: bool = False


@dataclass(slots=True, kw_only=True)
class VerifyReport:
    """What was found; paths are below the archive's root."""

    right: int = 0
    compared: int = 0
    """Of these, those that the store was asked about: by size and digest, and not read."""
    damaged: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    """Files that no asset knows; nobody touches them."""
    undecodable: list[str] = field(default_factory=list)
    """As the source served them, but no decoder can read them to the end."""
    not_decoded: int = 0
    """Pictures that were not tried: their format is unknown to the decoder, or they are too large."""
    right_versions: int = 0
    bad_versions: list[str] = field(default_factory=list)
    """Earlier bytes that are damaged or missing: the source does not have them any more."""
    bytes: int = 0
    """Read in all."""
    goes_on_from: str | None = None
    """When the verification began that this one went on with."""
    is_stopped: bool = False
    is_noted: bool = False
    """Whether the manifest knows now what was found."""
    is_withheld: bool = False
    """So many files are missing that none of those was wanted again."""
    asset_ids: list[int] = field(default_factory=list)
    """Assets of the damaged and the missing ones."""
    mended: int = 0
    """Of the damaged and missing files, those fetched again."""

    @property
    def is_right(self) -> bool:
        """Whether nothing is damaged or missing, or all of that was mended."""
        wrong = len(self.damaged) + len(self.missing) - self.mended
        return not (wrong or self.undecodable or self.bad_versions)


def judge(file: StoredFile, found: Inspection[Verdict]) -> Mark:
    """Say what one inspection means; a file that was lost before is still damaged, whatever lies there."""
    if not found.is_there:
        return "-"
    if file.sha256 is None or (found.size_bytes, found.sha256) != (file.size_bytes, file.sha256):
        return "*"
    return "!" if found.examined == "broken" else "="


def batches(files: Sequence[StoredFile], *, most: int = _HOP_FILES) -> Iterator[list[StoredFile]]:
    """Cut a list of files into pieces that one hop takes in about a moment.

    Args:
        most: Files in a piece; where they are more than one reads in a hop, their bytes do not count.
    """
    batch: list[StoredFile] = []
    size = 0
    for file in files:
        batch.append(file)
        size += file.size_bytes
        if len(batch) >= most or (size >= _HOP_BYTES and most <= _HOP_FILES):
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
