"""What file names tell: who uploaded, and which numbers are missing. Pure."""

import re
from collections.abc import Iterable
from itertools import pairwise

from mirror.layout import uploaded_stem
from mirror.report.facts import Gap, NameSequence

_LONGEST_GAP = 500
"""A larger step begins another sequence: another card, or another day."""
_SHORTEST = 8
"""Fewer names are no sequence."""
_MOST_GAPS = 100

NO_NAME, OTHER = "(no name)", "(no number)"


class Names:
    """File names of one race day, taken in one by one."""

    def __init__(self) -> None:
        self.prefixes: dict[str, int] = {}
        """How many photos there are of each uploader prefix."""
        self._numbers: dict[tuple[str, int], set[int]] = {}

    def add(self, name: str | None) -> None:
        """Take in a name."""
        prefix, digits = take_apart(name)
        self.prefixes[prefix] = self.prefixes.get(prefix, 0) + 1
        if digits:
            self._numbers.setdefault((prefix, len(digits)), set()).add(int(digits))

    def sequences(self) -> tuple[NameSequence, ...]:
        """Sequences with gaps, the ones that miss most first."""
        found = [
            sequence
            for (prefix, width), numbers in self._numbers.items()
            for part in _parts(sorted(numbers))
            if (sequence := _sequence(prefix, width, part)) is not None
        ]
        return tuple(sorted(found, key=lambda each: (-each.missing, each.first)))


def take_apart(name: str | None) -> tuple[str, str]:
    """Split a name before the last number in it: ``ABC_0017.jpg`` into ``ABC_`` and ``0017``."""
    stem = uploaded_stem(name or "")
    if not stem:
        return NO_NAME, ""
    # The last number counts: what stands before it may be a date.
    backwards = re.search(r"([0-9]{2,9})[^0-9]*$", stem)
    return (stem[: backwards.start()], backwards[1]) if backwards else (OTHER, "")


def _parts(numbers: list[int]) -> Iterable[list[int]]:
    part = numbers[:1]
    for before, number in pairwise(numbers):
        if number - before > _LONGEST_GAP:
            yield part
            part = []
        part.append(number)
    yield part


def _sequence(prefix: str, width: int, numbers: list[int]) -> NameSequence | None:
    """Find the gaps; None if there are none, or if more is missing than there: then nobody counted up."""
    missing = numbers[-1] - numbers[0] + 1 - len(numbers)
    if len(numbers) < _SHORTEST or not 0 < missing <= len(numbers):
        return None

    def name(number: int) -> str:
        return f"{prefix}{number:0{width}d}"

    gaps = [
        Gap(first=name(before + 1), last=name(number - 1), count=number - before - 1)
        for before, number in pairwise(numbers)
        if number - before > 1
    ]
    gaps.sort(key=lambda gap: (-gap.count, gap.first))
    return NameSequence(
        first=name(numbers[0]), last=name(numbers[-1]), photos=len(numbers), missing=missing,
        gaps=tuple(gaps[:_MOST_GAPS]),
    )  # fmt: skip
