"""What changed, in words: each kind of change told, filters by photo, bib, race and time."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mirror.errors import ConfigError
from mirror.history import Entry, photo_facts, read_history, summary_facts
from mirror.manifest import Change, HistoryReader, Span
from tests.test_manifest_desk import HOST, RACE, Desk, desk, photo

__all__ = ["desk"]


def history(path: Path, **span: object) -> list[Entry]:
    """Read a manifest's history."""
    with HistoryReader(path) as reader:
        return read_history(reader, Span(**span))  # type: ignore[arg-type]


def told(entry: Entry) -> dict[int, str]:
    """What is said of each photo."""
    return {photo_id: words for _, photo_id, words in photo_facts(entry.changes, {(RACE, "312"): "Finish line"})}


async def lived(desk: Desk) -> None:
    """Three runs: photos come, change, and one is fetched anew."""
    await desk.read_listing(photo(1), photo(2, bibs=("7",)), photo(3, bibs=()))
    await desk.fetch(*await desk.jobs())
    await desk.run()
    await desk.read_listing(
        photo(1, bibs=("1179",)), photo(2, bibs=("7",), album_id="312"), photo(3, bibs=(), race_day_id=9), photo(4)
    )
    await desk.run()
    again = {"thumbnail": f"https://{HOST}/anew/2.jpg"}
    await desk.read_listing(photo(1, bibs=()), photo(2, bibs=("7",), album_id="312", variants=again))
    await desk.fetch(*[job for job in await desk.jobs() if job.photo_id == 2], body=b"anew")


async def test_each_run_tells_its_news(desk: Desk) -> None:
    """New photos are counted by race day, changes told photo by photo, the address of what was rendered anew is not."""
    await lived(desk)
    first, second, third = history(desk.path)
    assert sum(count for _, _, count in first.new_photos) == 3
    assert first.changes == ()
    assert told(second) == {1: "bib 1179 added, 12 removed", 2: "album 311 -> Finish line", 3: "race day 34168 -> 9"}
    assert summary_facts(second.changes) == ["bibs changed on 1 photo", "2 photos moved"]
    assert told(third) == {1: "bib 1179 removed", 2: "rendered anew: thumbnail"}


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        ({"bib": "1179"}, [{1: "bib 1179 added, 12 removed"}, {1: "bib 1179 removed"}]),
        ({"bib": "7"}, [{2: "new (bib now 7)"}, {2: "album 311 -> Finish line"}, {2: "rendered anew: thumbnail"}]),
        ({"bib": "12"}, [{1: "new (no bib now)"}, {1: "bib 1179 added, 12 removed", 4: "new (bib now 12)"}, {1: "bib 1179 removed"}]),
        ({"photo_id": 3}, [{3: "new (no bib now)"}, {3: "race day 34168 -> 9"}]),
        ({"photo_id": 3, "run_id": 2}, [{3: "race day 34168 -> 9"}]),
        ({"days": ((RACE, 9),)}, [{}, {3: "race day 34168 -> 9"}]),
        ({"days": ((RACE + 1, None),)}, []),
        ({"since": datetime.now(UTC) + timedelta(days=1)}, []),
        ({"until": datetime.now(UTC) - timedelta(days=1)}, []),
    ],
)  # fmt: skip
async def test_history_is_filtered(desk: Desk, span: dict[str, object], expected: list[dict[int, str]]) -> None:
    """By what is asked for: a bib's history knows the photos that it was taken from, too."""
    await lived(desk)
    for run_id in (1, 2, 3):
        desk.ask("UPDATE run SET ended_at = started_at WHERE run_id = ? RETURNING 1", run_id)
    assert [told(entry) for entry in history(desk.path, **span)] == expected


async def test_unknown_run_is_named(desk: Desk) -> None:
    """An empty answer would say that nothing had changed."""
    with pytest.raises(ConfigError, match="no run 9; the newest is 1"):
        history(desk.path, run_id=9)


async def test_forgotten_photos_are_told_without_a_run(desk: Desk) -> None:
    """Nothing but the id is left, and a bib must not lead to it."""
    await desk.read_listing(photo(1))
    desk.ask(
        "INSERT INTO tombstone (race_id, photo_id, forgotten_at) VALUES (?, 5, '2026-01-02T00:00:00Z') RETURNING 1",
        RACE,
    )
    first, second = history(desk.path)
    assert (first.run, told(first), first.at.year) == (None, {5: "forgotten on request"}, 2026)
    assert second.run is not None
    assert [told(each) for each in history(desk.path, photo_id=5)] == [{5: "forgotten on request"}]
    assert history(desk.path, bib="5") == []


def change(what: str, variant: str | None = None) -> Change:
    """One change of photo 1."""
    return Change(run_id=1, at=None, race_id=RACE, photo_id=1, what=what, variant=variant)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ([change("vanished", "original"), change("vanished", "large")], "vanished from the disk, wanted again: original, large"),
        ([change("unlisted"), change("listed again")], "no longer listed (kept); listed again"),
        ([change("url", "large")], "new address: large"),
        ([change("some {later} thing", "large")], "some (later) thing: large"),
        ([change("another")], "another"),
    ],
)  # fmt: skip
def test_changes_have_words(changes: Sequence[Change], words: str) -> None:
    """Variants share a line, and what a later version wrote is told as it stands."""
    assert [each for _, _, each in photo_facts(changes, {})] == [words]
