"""Where bytes go: keys that never change, folders that are frozen, versions of what was replaced."""

from datetime import date
from pathlib import Path

from mirror.model import Album, Race, RaceDay, Stored
from tests.test_manifest_desk import DAY, HOST, KEY, RACE, Desk, content_of, desk, desk_at, one_job, photo, prepare

__all__ = ["desk"]


async def test_folders_are_frozen_when_first_used(desk: Desk) -> None:
    """A race that is renamed, or a race day that gets another date, keeps its folders."""
    await desk.fetch(await one_job(desk))
    day = RaceDay(race_id=RACE, race_day_id=DAY, starts_on=date(2025, 6, 1))
    await desk.manifest.note_race(Race(race_id=RACE, name="Marathon", days=(day,)))
    await desk.read_listing(photo(2))
    assert await desk.fetch(*await desk.jobs()) == [KEY.replace("1_IMG_1", "2_IMG_1")]


async def test_key_never_changes_once_stored(desk: Desk) -> None:
    """New bytes of another kind, in another album and race day, under another name, keep the asset's key."""
    await desk.fetch(await one_job(desk))
    await desk.run()
    moved = photo(
        1, race_day_id=9, album_id="7", uploaded_filename="b.png", variants={"thumbnail": f"https://{HOST}/n/1.png"}
    )
    await desk.read_listing(moved)
    assert await desk.fetch(*await desk.jobs(), body=b"png", extension="png") == [KEY]


async def test_extension_comes_from_the_content(desk: Desk) -> None:
    """A PNG behind a .jpg URL is called what it is."""
    assert await desk.fetch(await one_job(desk), extension="png") == [KEY.replace(".jpg", ".png")]


async def test_keys_that_would_collide_are_told_apart(tmp_path: Path) -> None:
    """Where a template lets two assets meet, in one group or over groups, the later one gets a number."""
    async with desk_at(tmp_path, template="{race_id}/{album}") as desk:
        await desk.run()
        await desk.manifest.note_albums(
            RACE,
            DAY,
            [
                Album(album_id=album_id, race_day_id=DAY, name=name, last_modified_ts=None, num_photos=1)
                for album_id, name in (("1", "Finish"), ("2", "FINISH"))
            ],
        )
        await desk.read_listing(photo(1, album_id="1"), photo(2, album_id="2"))
        assert await desk.fetch(*await desk.jobs()) == [f"{RACE}/Finish.jpg", f"{RACE}/FINISH~2.jpg"]
        await desk.read_listing(photo(3, album_id="1"))
        assert await desk.fetch(*await desk.jobs()) == [f"{RACE}/Finish~3.jpg"]


async def test_race_day_that_only_photos_name_has_a_folder_but_is_not_listed(desk: Desk) -> None:
    """A stray race day is a place for its photos and no target of its own."""
    job = await one_job(desk, race_day_id=9)
    assert await desk.fetch(job) == [f"Harbour-10K-{RACE}/9/thumbnail/1_IMG_1.jpg"]
    race = await desk.manifest.race(RACE)
    assert race is not None
    assert [day.race_day_id for day in race.days] == [DAY]


async def test_replaced_bytes_are_kept_as_a_version(desk: Desk) -> None:
    """New bytes for a stored asset say where the old ones go, and leave a row and a line in the history."""
    await desk.fetch(await one_job(desk), body=b"old")
    await desk.run()
    await desk.read_listing(photo(1, variants={"thumbnail": f"https://{HOST}/new/1.jpg"}))
    (job,) = await desk.jobs()
    (commit,) = await prepare(desk, job, b"new")
    old = content_of(job, b"old").sha256.hex()
    assert commit.keep_as is not None
    assert commit.keep_as.startswith(".mirror/versions/")
    assert old[:16] in commit.keep_as
    await desk.manifest.record([Stored(job=job, content=commit.fetched.content, key=commit.key)], [])
    assert desk.ask("SELECT key, lower(hex(sha256)), size_bytes, why FROM version") == [
        (commit.keep_as, old, 3, "replaced")
    ]
    new = commit.fetched.content.sha256.hex()
    assert desk.ask("SELECT before, after FROM history WHERE what = 'replaced'") == [(old, new)]


async def test_foreign_thing_under_a_key_is_remembered(desk: Desk) -> None:
    """What had to make room has a row that says where it is."""
    await desk.fetch(await one_job(desk))
    await desk.manifest.note_foreign([(KEY, ".mirror/versions/theirs"), ("no/such/key.jpg", "elsewhere")])
    assert desk.ask("SELECT asset_id, key, sha256, why FROM version") == [
        (1, ".mirror/versions/theirs", None, "foreign")
    ]


async def test_same_bytes_from_a_new_url_replace_nothing(desk: Desk) -> None:
    """Where the source only moved the file, its asset is recorded anew and no version is made."""
    await desk.fetch(await one_job(desk), body=b"same")
    await desk.run()
    await desk.read_listing(photo(1, variants={"thumbnail": f"https://{HOST}/new/1.jpg"}))
    (job,) = await desk.jobs()
    (commit,) = await prepare(desk, job, b"same")
    assert (commit.is_same, commit.keep_as) == (True, None)
    await desk.fetch(job, body=b"same")
    assert desk.ask("SELECT state, stored_url FROM asset") == [("stored", f"https://{HOST}/new/1.jpg")]
    assert desk.ask("SELECT count(*) FROM version") == [0]


async def test_vanished_file_is_wanted_again_under_its_key(desk: Desk) -> None:
    """Bytes that are lost do not count as the same when they come again: they must be written."""
    job = await one_job(desk)
    await desk.fetch(job)
    assert await desk.manifest.want_again([job.asset_id, 999], "vanished") == 1
    (again,) = await desk.jobs()
    assert again.wanted_no > job.wanted_no
    (commit,) = await prepare(desk, again)
    assert (commit.key, commit.is_same, commit.keep_as) == (KEY, False, None)
    assert desk.ask("SELECT what, variant FROM history") == [("vanished", "thumbnail")]


async def test_changed_at_the_source_keeps_the_stored_bytes_known(desk: Desk) -> None:
    """Bytes that are wanted anew though nothing is lost become a version when others come."""
    job = await one_job(desk)
    await desk.fetch(job)
    await desk.manifest.want_again([job.asset_id], "changed", is_lost=False)
    (commit,) = await prepare(desk, (await desk.jobs())[0], b"other")
    assert commit.keep_as is not None
