"""Photos as exports read them: all of them, once, in a fixed order, as of one moment."""

from pathlib import Path

import pytest

from mirror.errors import ConfigError
from mirror.export.exports import choose
from mirror.manifest import ManifestReader, RaceDays
from mirror.manifest import exporting as room
from tests.export_archive import Shelf, both, shelf
from tests.test_manifest_desk import DAY, RACE

__all__ = ["shelf"]


def ids(reader: ManifestReader, race_days: RaceDays | None = None) -> list[int]:
    """The photos in their order."""
    return [each.photo_id for each in reader.export_photos(race_days)]


@pytest.mark.parametrize("count", [0, 1, 7])
async def test_every_photo_comes_once_in_order_of_its_id(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """Whatever the order of uploads, and wherever batches end."""
    monkeypatch.setattr(room, "_BATCH", 3)
    await shelf.store([both(number) for number in reversed(range(1, count + 1))])
    with ManifestReader(shelf.desk.path) as reader:
        assert ids(reader) == list(range(1, count + 1))


async def test_race_days_narrow_the_choice(shelf: Shelf) -> None:
    """None means all, and no race day no photo."""
    await shelf.store([both(1), both(2, race_day_id=9)])
    with ManifestReader(shelf.desk.path) as reader:
        assert ids(reader) == ids(reader, [(RACE, DAY), (RACE, 9)]) == [1, 2]
        assert ids(reader, [(RACE, 9)]) == [2]
        assert ids(reader, [(1, 9)]) == []
        assert ids(reader, []) == []
        days = reader.export_days()
    assert [(day.race_day_id, day.starts_on, day.photos) for day in days] == [(9, None, 1), (DAY, "2025-05-17", 1)]
    assert [day.race_day_id for day in choose(days, ["2025-05-17"])] == [DAY]
    assert [day.race_day_id for day in choose(days, ["9"])] == [9]
    assert choose(days, []) == tuple(days)
    with pytest.raises(ConfigError, match=r"there are: no date \(9\), 2025-05-17 \(34168\)"):
        choose(days, ["2024-01-01"])


async def test_one_moment_is_kept_while_a_run_goes_on(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a run writes meanwhile comes with the next export; the run is not held up."""
    monkeypatch.setattr(room, "_BATCH", 1)
    await shelf.store([both(1), both(2)])
    with ManifestReader(shelf.desk.path) as reader:
        with reader.one_moment():
            photos = reader.export_photos()
            seen = [next(photos).photo_id]
            await shelf.desk.read_listing(both(1), both(2), both(3))
            seen += [each.photo_id for each in photos]
        assert seen == [1, 2]
        assert ids(reader) == [1, 2, 3]


async def test_race_day_that_a_run_meets_meanwhile_is_no_trouble(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long export asks for no one moment: photos of a day that is new by then are told with their day."""
    monkeypatch.setattr(room, "_BATCH", 1)
    await shelf.store([both(1)])
    with ManifestReader(shelf.desk.path) as reader:
        photos = reader.export_photos()
        assert next(photos).photo_id == 1
        await shelf.desk.read_listing(both(1), both(2, race_day_id=77))
        (late,) = photos
    assert (late.photo_id, late.day.race_day_id, late.day.race) == (2, 77, "Harbour 10K")


async def test_what_is_not_stored_has_no_path(shelf: Shelf, tmp_path: Path) -> None:
    """Earlier bytes of a file that is wanted again may be gone or damaged: they are not promised."""
    await shelf.store([both(1)])
    assert tmp_path in shelf.root.parents
    shelf.desk.ask("UPDATE asset SET state = 'wanted' WHERE variant = 'original' RETURNING 1")
    with ManifestReader(shelf.desk.path) as reader:
        (photo,) = reader.export_photos()
    original, thumbnail = photo.assets
    assert (original.variant, original.state, original.key, original.sha256) == ("original", "wanted", None, None)
    assert thumbnail.key is not None
