"""What a tree turned out to hold, and what in it is left alone. Pure."""

import logging
from collections import Counter
from dataclasses import dataclass, field

log = logging.getLogger(__name__)

_MOST_NAMED = 1000


def printable(key: str) -> str:
    """Make a name of the disk fit for a terminal and a log."""
    return "".join(each if each.isprintable() else "?" for each in key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Oddity:
    """A file that was left alone."""

    kind: str
    """``unmatched`` or ``damaged``."""
    key: str
    """Its path below the root, fit for a terminal."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OddityGroup:
    """Files that were left alone for the same reason."""

    kind: str
    reason: str
    count: int
    example: str


@dataclass(slots=True, kw_only=True)
class Findings:
    """What a tree turned out to hold, counted while it is gone through."""

    known: int = 0
    """Files that hold the very bytes which were on record."""
    adopted: int = 0
    """Whole pictures recorded as held, though nothing had been known of their bytes."""
    moved: int = 0
    """Of the known: those that lie elsewhere than on record."""
    held_bytes: int = 0
    adopted_bytes: int = 0
    """Of them: those of the adopted files."""
    vanished: int = 0
    """Assets that were on record as held and whose files are not there."""
    versions: int = 0
    """Files among the versions that are on record again."""
    oddities: list[Oddity] = field(default_factory=list)
    """The first thousand files that were left alone."""
    _counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    _examples: dict[tuple[str, str], str] = field(default_factory=dict)

    def note(self, kind: str, key: str, reason: str, *, group: str = "") -> None:
        """Name a file that is left alone.

        Args:
            kind: ``unmatched`` or ``damaged``.
            group: The reason without what is peculiar to this file.
        """
        shown = printable(key)
        log.info("%s is left alone, %s: %s", shown, kind, reason)
        self._counts[kind, group or reason] += 1
        self._examples.setdefault((kind, group or reason), shown)
        if len(self.oddities) < _MOST_NAMED:
            self.oddities.append(Oddity(kind=kind, key=shown, reason=reason))

    @property
    def groups(self) -> tuple[OddityGroup, ...]:
        """What was left alone and why, the most frequent first."""
        return tuple(
            OddityGroup(kind=kind, reason=reason, count=count, example=self._examples[kind, reason])
            for (kind, reason), count in self._counts.most_common()
        )

    def count(self, kind: str) -> int:
        """How many files of a kind were left alone."""
        return sum(count for (each, _), count in self._counts.items() if each == kind)
