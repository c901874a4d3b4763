"""Bibs on photos against bibs on a list. Pure."""

from collections.abc import Iterator, Mapping

from mirror.report.facts import Bar, ListReport, Stranger
from mirror.report.start_list import StartList

_DIGITS = "0123456789"
_MOST_NEAR = 3
_STEPS = ((0, 0), (1, 1), (2, 2), (3, 3), (4, 4), (5, 9), (10, 19), (20, None))


def compare(listed: StartList, photos: Mapping[str, int]) -> ListReport:
    """Hold the bibs of a race day's photos, each with its number of photos, against a start list."""
    known = set(listed.bibs)
    without = tuple(bib for bib in listed.bibs if bib not in photos)
    unseen = set(without)
    strangers = [
        Stranger(bib=bib, photos=count, near=near_bibs(bib, known, unseen))
        for bib, count in photos.items()
        if bib not in known
    ]
    return ListReport(
        file=listed.file,
        column=listed.column,
        listed=len(listed.bibs),
        covered=len(listed.bibs) - len(without),
        without=without,
        strangers=tuple(sorted(strangers, key=lambda each: (-each.photos, each.bib))),
        photos_each=_steps([photos.get(bib, 0) for bib in listed.bibs]),
    )


def near_bibs(bib: str, known: set[str], unseen: set[str]) -> tuple[str, ...]:
    """Name listed bibs that a misread one may be; those that no photo shows are the likeliest."""
    near = dict.fromkeys(each for each in _misreadings(bib) if each in known and each != bib)
    return tuple(sorted(near, key=lambda each: each not in unseen)[:_MOST_NEAR])


def _misreadings(bib: str) -> Iterator[str]:
    """What may have been read as this: other zeros in front, then one character changed, missing, too many, swapped."""
    bare = bib.lstrip("0")
    yield from (bare.zfill(width) for width in range(1, 7))
    for at, char in enumerate(bib):
        yield from (bib[:at] + digit + bib[at + 1 :] for digit in _DIGITS if digit != char)
    for at in range(len(bib) + 1):
        yield from (bib[:at] + digit + bib[at:] for digit in _DIGITS)
    if len(bib) > 1:
        yield from (bib[:at] + bib[at + 1 :] for at in range(len(bib)))
        yield from (bib[:at] + bib[at + 1] + bib[at] + bib[at + 2 :] for at in range(len(bib) - 1))


def _steps(counts: list[int]) -> tuple[Bar, ...]:
    """Count bibs by their number of photos; steps behind the last one with bibs are left out."""
    bars = [
        Bar(label=_label(low, high), photos=sum(low <= each <= (each if high is None else high) for each in counts))
        for low, high in _STEPS
    ]
    while bars and not bars[-1].photos:
        bars.pop()
    return tuple(bars)


def _label(low: int, high: int | None) -> str:
    if low == 0:
        return "no photo"
    return f"{low} or more" if high is None else f"{low} photo{'s' * (low > 1)}" if low == high else f"{low} to {high}"
