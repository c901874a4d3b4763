"""What a rebuild reports."""

from dataclasses import dataclass

from mirror.model import PassReport
from mirror.rebuild.findings import Oddity, OddityGroup


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildReport:
    """What the new manifest is made of, and what of the tree it leaves out."""

    archive: str
    manifest: str
    basis: str
    """The file that it began from; empty if it began from nothing."""
    is_offline: bool
    files: int
    """In the tree, but for litter and our own."""
    known: int
    """Files that hold the very bytes which the basis knew."""
    adopted: int
    """Whole pictures recorded as stored, though nothing had been known of their bytes."""
    moved: int
    """Of the known: those that lie elsewhere than the basis knew."""
    held_bytes: int
    vanished: int
    """Assets that the basis knew as stored and that are not there: wanted again."""
    wanted: int
    """Assets that the next sync will fetch."""
    versions: int
    """Files among the versions that are on record again."""
    unmatched: int
    damaged: int
    groups: tuple[OddityGroup, ...]
    """What was left alone and why, the most frequent first."""
    oddities: tuple[Oddity, ...]
    """The first thousand of them, by name."""
    passes: tuple[PassReport, ...] = ()
    notes: tuple[str, ...] = ()
    """What a person should know besides."""
    kept: tuple[str, ...] = ()
    """Where the manifest that had its name before lies now, and a snapshot that nothing was taken from."""

    @property
    def exit_code(self) -> int:
        """What a command that ends with this report exits with: 0, or 1 when something was left alone."""
        return 1 if self.unmatched or self.damaged else 0
