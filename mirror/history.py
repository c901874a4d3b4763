"""What changed in an archive, run by run, in words."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from mirror.errors import ConfigError
from mirror.manifest import Change, HistoryReader, RunRow, Span

Names = Mapping[tuple[int, str], str]
"""Names of albums, by race id and album id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One run, or what happened without one, with its news."""

    at: datetime
    run: RunRow | None
    new_photos: tuple[tuple[int, int, int], ...] = ()
    """Race id, race day id, and how many photos of it were listed for the first time."""
    changes: tuple[Change, ...] = ()

    @property
    def has_news(self) -> bool:
        """Whether anything is worth a line."""
        done = self.run is not None and bool(self.run.stored or self.run.failed)
        return done or bool(self.new_photos or self.changes)


def read_history(reader: HistoryReader, span: Span) -> list[Entry]:
    """Read what changed within a span, oldest first; runs without news are left out.

    For a span that means some photos only, each new one is a change of its own; otherwise they are counted.

    Raises:
        ConfigError: There is no such run.
    """
    if span.run_id is not None and not reader.runs_in(Span(run_id=span.run_id)):
        last = reader.last_run()
        raise ConfigError(
            f"no run {span.run_id}; " + (f"the newest is {last.run_id}" if last else "there was none yet")
        )
    runs = reader.runs_in(span)
    run_ids = [run.run_id for run in runs]
    is_photo = bool(span.bib) or span.photo_id is not None
    listed = reader.first_listed(span, run_ids) if is_photo else []
    counts = {} if is_photo else reader.new_photos(span, run_ids)
    changes = _by_run([*listed, *reader.changes(span, run_ids)])
    entries = [
        Entry(
            at=run.started_at,
            run=run,
            new_photos=tuple((*day, count) for day, count in sorted(counts.get(run.run_id, {}).items())),
            changes=tuple(changes.get(run.run_id, ())),
        )
        for run in runs
    ]
    entries = [each for each in entries if each.changes or each.new_photos or (each.has_news and not span.is_narrow)]
    forgotten = reader.forgotten(span)
    entries += [
        Entry(at=at, run=None, changes=tuple(group))
        for at, group in groupby(forgotten, key=lambda each: each.at)
        if at is not None
    ]
    return sorted(entries, key=lambda each: each.at)


def _by_run(changes: Iterable[Change]) -> dict[int | None, list[Change]]:
    found: dict[int | None, list[Change]] = {}
    for each in changes:
        found.setdefault(each.run_id, []).append(each)
    return found


# -- words ----------------------------------------------------------------------------------------------------------

_SUMMARIES = (
    (("bib added", "bib removed"), "bibs changed on {}"),
    (("album", "race day"), "{} moved"),
    (("replaced",), "{} rendered anew"),
    (("unlisted",), "{} no longer listed"),
    (("listed again",), "{} listed again"),
    (("variant offered", "variant withdrawn"), "other variants offered of {}"),
    (("gone",), "files gone of {}"),
    (("vanished",), "files vanished of {}"),
    (("damaged",), "files damaged of {}"),
    (("changed",), "changed bytes found at the source for {}"),
    (("pruned",), "files pruned of {}"),
    (("forgotten",), "{} forgotten"),
)
"""What kinds of change a run's line counts photos of, and in which words."""

_WORDS = {
    "replaced": "rendered anew: {variant}",
    "url": "new address: {variant}",
    "variant offered": "now offered: {variant}",
    "variant withdrawn": "no longer offered: {variant}",
    "unlisted": "no longer listed (kept)",
    "listed again": "listed again",
    "gone": "gone at the source: {variant}",
    "vanished": "vanished from the disk, wanted again: {variant}",
    "damaged": "damaged on the disk, wanted again: {variant}",
    "changed": "changed at the source, wanted again: {variant}",
    "rechecked": "asked for again: {variant}",
    "pruned": "removed by prune: {variant}",
    "forgotten": "forgotten on request",
}


def summary_facts(changes: Sequence[Change]) -> list[str]:
    """Count the photos that each kind of change is about: ``bibs changed on 6 photos``."""
    facts = []
    for kinds, words in _SUMMARIES:
        count = len({(each.race_id, each.photo_id) for each in changes if each.what in kinds})
        if count:
            facts.append(words.format(f"{count:,} photo" + ("s" if count > 1 else "")))
    return facts


def photo_facts(changes: Sequence[Change], albums: Names) -> Iterator[tuple[int, int, str]]:
    """Say what changed about each photo, in one line: race id, photo id, words."""
    for (race_id, photo_id), group in groupby(
        sorted(changes, key=lambda each: (each.race_id, each.photo_id)), key=lambda each: (each.race_id, each.photo_id)
    ):
        facts = list(_facts(list(group), albums))
        if facts:
            yield race_id, photo_id, "; ".join(facts)


def _facts(changes: Sequence[Change], albums: Names) -> Iterator[str]:
    """What happened to one photo; several variants share their words."""
    for each in changes:
        if each.what == "new":
            yield f"new ({'bib now ' + each.after if each.after else 'no bib now'})"
    bibs = [
        f"{each.after} added" if each.what == "bib added" else f"{each.before} removed"
        for each in changes
        if each.what in {"bib added", "bib removed"}
    ]
    if bibs:
        yield f"bib {', '.join(bibs)}"
    replaced = {each.variant for each in changes if each.what == "replaced"}
    told: dict[str, list[str]] = {}
    for each in changes:
        if each.what in {"album", "race day"}:
            yield f"{each.what} {_place(each, each.before, albums)} -> {_place(each, each.after, albums)}"
        elif each.what == "url" and each.variant in replaced:
            continue  # the new picture is what matters, and it came
        elif each.what not in {"new", "bib added", "bib removed"}:
            told.setdefault(_WORDS.get(each.what, _other(each)), []).append(each.variant or "")
    for words, variants in told.items():
        yield words.format(variant=", ".join(dict.fromkeys(filter(None, variants))))


def _place(change: Change, where: str | None, albums: Names) -> str:
    if where is None:
        return "none"
    return albums.get((change.race_id, where), where) if change.what == "album" else where


def _other(change: Change) -> str:
    """Words for what a later version wrote into the history."""
    what = change.what.replace("{", "(").replace("}", ")")
    return f"{what}: {{variant}}" if change.variant else what
