"""What today's configuration wants of what is known; races and albums as they were named last."""

from dataclasses import replace
from pathlib import Path

from mirror.manifest import Selected
from mirror.model import Album, Race, RaceDay
from tests.test_manifest_desk import DAY, HOST, RACE, Desk, desk, desk_at, photo

__all__ = ["desk"]

ALL = ("original", "large", "thumbnail")


def urls(photo_id: int, *names: str) -> dict[str, str]:
    """Variants of a photo."""
    return {name: f"https://{HOST}/{name}/{photo_id}.jpg" for name in names}


async def test_new_variant_is_planned_from_the_stored_records(desk: Desk) -> None:
    """A variant that is configured later needs no new listing, however many photos there are."""
    photos = [photo(number, variants=urls(number, *ALL)) for number in range(1, 1202)]
    await desk.read_listing(*photos)
    newly_wanted = await desk.run(Selected(race_id=RACE, race_day_ids=(DAY,), variants=("thumbnail", "large")))
    assert newly_wanted == 1201
    assert desk.ask("SELECT count(*), count(DISTINCT wanted_no) FROM asset WHERE state = 'wanted'") == [(2402, 2402)]
    assert await desk.run() == 0
    assert desk.ask("SELECT planned_variants FROM race") == ["large,thumbnail"]


async def test_variant_that_was_off_for_a_while_is_made_up_for(desk: Desk) -> None:
    """Photos listed while a variant was not configured get it when it is configured again."""
    both = Selected(race_id=RACE, race_day_ids=(DAY,), variants=("thumbnail", "large"))
    one = Selected(race_id=RACE, race_day_ids=(DAY,), variants=("thumbnail",))
    await desk.run(both)
    await desk.read_listing(photo(1, variants=urls(1, *ALL)))
    await desk.run(one)
    await desk.read_listing(photo(2, variants=urls(2, *ALL)))
    assert len(await desk.jobs()) == 2
    assert await desk.run(both) == 1
    assert len(await desk.jobs()) == 4


async def test_race_is_planned_for_the_variants_of_all_its_selections(desk: Desk) -> None:
    """Two race days with other variants: each fetches its own, and switching between them loses nothing."""
    first = Selected(race_id=RACE, race_day_ids=(DAY,), variants=("thumbnail",))
    second = Selected(race_id=RACE, race_day_ids=(9,), variants=("large",))
    await desk.run(first, second)
    await desk.read_listing(photo(1, variants=urls(1, *ALL)))
    await desk.read_listing(photo(2, variants=urls(2, *ALL), race_day_id=9), day=9)
    assert {(job.photo_id, job.variant) for job in await desk.jobs()} == {(1, "thumbnail"), (2, "large")}
    assert await desk.run(first) == 0
    assert await desk.run(first, second) == 0
    assert {(job.photo_id, job.variant) for job in await desk.jobs()} == {(1, "thumbnail"), (2, "large")}


async def test_what_is_not_selected_is_neither_fetched_nor_counted(desk: Desk) -> None:
    """Participant uploads, other albums and race days stay known when they are not configured, and cost nothing."""
    await desk.read_listing(photo(1), photo(2, album_id="reg-34168"), photo(3, album_id=None), photo(4, album_id="7"))
    wanted = {1, 2, 3, 4}
    for selected, expected in (
        (Selected(race_id=RACE, race_day_ids=(DAY,), variants=("thumbnail",)), wanted),
        (Selected(race_id=RACE, race_day_ids=(DAY,), variants=("thumbnail",), participant_uploads=False), {1, 3, 4}),
        (Selected(race_id=RACE, race_day_ids=(DAY,), variants=("thumbnail",), albums=("7", "311")), {1, 4}),
        (Selected(race_id=RACE, race_day_ids=(9,), variants=("thumbnail",)), set()),
        (Selected(race_id=1, race_day_ids=(DAY,), variants=("thumbnail",)), set()),
    ):
        await desk.run(selected)
        assert {job.photo_id for job in await desk.jobs()} == expected
        assert await desk.manifest.count_wanted() == len(expected)
        assert (await desk.manifest.missing()).count == len(expected)
        assert bool(await desk.manifest.hosts()) == bool(expected)


async def test_photo_belongs_to_its_own_race_day_and_to_the_listing_that_shows_it(desk: Desk) -> None:
    """One listing can hold several race days: either of the two names makes the photo selected."""
    await desk.read_listing(photo(1, race_day_id=9))
    for day, expected in ((DAY, 1), (9, 1), (8, 0)):
        await desk.run(Selected(race_id=RACE, race_day_ids=(day,), variants=("thumbnail",)))
        assert await desk.manifest.count_wanted() == expected


async def test_asset_that_moves_into_the_selection_is_handed_out_in_this_run(desk: Desk) -> None:
    """A cursor that has passed an unselected asset meets it again when its photo moves to a selected race day."""
    await desk.read_listing(photo(1, race_day_id=9), day=9)
    await desk.run()
    await desk.read_listing(photo(2))
    (job,) = await desk.jobs()
    assert job.photo_id == 2
    await desk.read_listing(photo(1, race_day_id=9))
    assert [each.photo_id for each in await desk.manifest.wanted(HOST, job.wanted_no, 10)] == [1]


async def test_jobs_come_once_in_order_and_in_batches(desk: Desk) -> None:
    """A cursor over a host's jobs sees each once, in the order in which they became wanted."""
    await desk.read_listing(*(photo(number) for number in range(1, 8)))
    seen, after_no = [], 0
    while batch := await desk.manifest.wanted(HOST, after_no, 3):
        seen += [job.photo_id for job in batch]
        after_no = batch[-1].wanted_no
    assert seen == [1, 2, 3, 4, 5, 6, 7]
    await desk.read_listing(photo(8))
    assert [job.photo_id for job in await desk.manifest.wanted(HOST, after_no, 3)] == [8]
    assert await desk.manifest.wanted(HOST, after_no + 1, 3) == []


async def test_race_is_remembered_with_its_days_oldest_first(tmp_path: Path) -> None:
    """What the race call said last is what is known: days it no longer names are not listed any more."""
    race = Race(race_id=5, name="Loop", url="https://x.example/Loop", timezone="America/New_York", days=(
        RaceDay(race_id=5, race_day_id=3), RaceDay(race_id=5, race_day_id=1, events=("10K", "5K")),
    ))  # fmt: skip
    async with desk_at(tmp_path) as desk:
        assert await desk.manifest.race(5) is None
        assert await desk.manifest.race_age_s(5) is None
        await desk.manifest.note_race(race)
        known = await desk.manifest.race(5)
        assert known is not None
        assert {day.race_day_id for day in known.days} == {1, 3}
        age_s = await desk.manifest.race_age_s(5)
        assert age_s is not None
        assert age_s >= 0
        await desk.manifest.note_race(replace(race, name="Loop II", days=race.days[:1]))
        assert await desk.manifest.race(5) == replace(race, name="Loop II", days=race.days[:1])
        desk.ask("UPDATE race SET listed_at = '2999-01-01T00:00:00Z' RETURNING 1")
        assert await desk.manifest.race_age_s(5) is None


async def test_albums_are_remembered_as_named_last(desk: Desk) -> None:
    """An album's name, count and stamp follow the source."""
    album = Album(album_id="reg-34168", race_day_id=DAY, name="Yours", last_modified_ts=None, num_photos=3)
    await desk.manifest.note_albums(RACE, DAY, [album])
    await desk.manifest.note_albums(RACE, DAY, [replace(album, name="Uploads", num_photos=4)])
    assert desk.ask("SELECT album_id, name, num_photos FROM album") == [("reg-34168", "Uploads", 4)]
