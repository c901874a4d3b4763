"""Photos of the archive looked up, and what a person may have meant where there are none."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mirror.manifest import PhotoFinder, Search

_LONGEST_PADDED = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """A bib that no found photo shows."""

    bib: str
    elsewhere: int = 0
    """How many photos show it in the rest of the archive."""
    near: tuple[tuple[str, int], ...] = ()
    """The same bib spelled otherwise, each spelling with how many photos show it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a search brought."""

    numbers: tuple[int, ...]
    """For `PhotoFinder.photos`."""
    absent: tuple[Absent, ...]


def find(finder: PhotoFinder, search: Search) -> Found:
    """Look photos up, and account for each bib that was asked for."""
    numbers = finder.find(search)
    shown = finder.spelled(search.bibs)
    is_filtered = search != Search(bibs=search.bibs)
    absent = [
        Absent(bib=bib, elsewhere=shown.get(bib, 0), near=_near(finder, bib))
        for bib in search.bibs
        if bib not in shown or (is_filtered and not finder.find(replace(search, bibs=(bib,))))
    ]
    return Found(numbers=tuple(numbers), absent=tuple(absent))


def _near(finder: PhotoFinder, bib: str) -> tuple[tuple[str, int], ...]:
    found = finder.spelled([each for each in spellings(bib) if each != bib])
    return tuple(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def spellings(bib: str) -> Sequence[str]:
    """List how else a bib may be written: with other zeros in front, other case, without what is no letter or digit."""
    bare = "".join(each for each in bib if each.isalnum()) or bib
    stripped = bare.lstrip("0") or "0"
    padded = [stripped.zfill(width) for width in range(1, _LONGEST_PADDED + 1)]
    cased = [form for each in (bib, bare, stripped) for form in (each, each.upper(), each.lower())]
    return tuple(dict.fromkeys([*padded, *cased]))
