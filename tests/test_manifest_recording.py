"""What becomes of assets: keys, groups, failures, versions, and what a killed run left."""

from pathlib import Path

from mirror.manifest import Selected
from mirror.model import Fetched, Stored
from tests.test_manifest_desk import DAY, HOST, KEY, Desk, content_of, desk, desk_at, one_job, photo, prepare

__all__ = ["desk"]


# -- stored ---------------------------------------------------------------------------------------------------------


async def test_recorded_asset_is_stored_with_all_that_was_learnt(desk: Desk) -> None:
    """After its group is recorded an asset is wanted no more, and its row describes its bytes."""
    job = await one_job(desk, variants={"thumbnail": f"https://{HOST}/thumbs/1.jpg?sig=secret"})
    (commit,) = await prepare(desk, job)
    assert (commit.key, commit.keep_as, commit.is_same) == (KEY, None, False)
    assert desk.ask("SELECT key, url FROM committing") == [(KEY, f"https://{HOST}/thumbs/1.jpg")]
    recorded = await desk.manifest.record([Stored(job=job, content=commit.fetched.content, key=KEY)], [])
    assert (recorded.stored, recorded.gone, recorded.failed) == (1, 0, 0)
    query = "SELECT state, wanted_no, key, stored_url, size_bytes, sha256 FROM asset"
    content = commit.fetched.content
    assert desk.ask(query) == [
        ("stored", None, KEY, f"https://{HOST}/thumbs/1.jpg", content.size_bytes, content.sha256)
    ]
    assert desk.ask("SELECT count(*) FROM committing") == [0]
    assert await desk.jobs() == []


async def test_headers_with_stray_bytes_can_be_stored(desk: Desk) -> None:
    """A validator that is no text does not end the run."""
    job = await one_job(desk)
    content = content_of(job)
    odd = type(content)(size_bytes=1, sha256=content.sha256, extension="jpg", etag='"\udcff"', last_modified="\udc80")
    await desk.manifest.prepare_commit([Fetched(job=job, content=odd, draft="d")])
    recorded = await desk.manifest.record([Stored(job=job, content=odd, key=KEY)], [])
    assert recorded.stored == 1


async def test_draft_of_an_asset_that_is_listed_elsewhere_is_not_committed(desk: Desk) -> None:
    """A draft from a URL that is no longer the listed one is dropped; the asset stays wanted."""
    job = await one_job(desk)
    await desk.run()
    await desk.read_listing(photo(1, variants={"thumbnail": f"https://{HOST}/new/1.jpg"}))
    assert await prepare(desk, job) == []
    assert [each.url for each in await desk.jobs()] == [f"https://{HOST}/new/1.jpg"]


async def test_draft_of_an_asset_that_is_wanted_no_more_is_not_committed(desk: Desk) -> None:
    """What is stored or gone takes no draft; neither does one asset take two."""
    job = await one_job(desk)
    double = [Fetched(job=job, content=content_of(job), draft=name) for name in ("a", "b")]
    commits = await desk.manifest.prepare_commit(double)
    assert [each.fetched.draft for each in commits] == ["a"]
    await desk.fetch(job)
    assert await prepare(desk, job) == []


async def test_new_signature_does_not_drop_a_draft(desk: Desk) -> None:
    """Fetched with an older signature of the same address is fetched."""
    job = await one_job(desk, variants={"thumbnail": f"https://{HOST}/1.jpg?sig=1"})
    await desk.run()
    await desk.read_listing(photo(1, variants={"thumbnail": f"https://{HOST}/1.jpg?sig=2"}))
    assert len(await desk.fetch(job)) == 1
    assert await desk.jobs() == []


async def test_url_that_changes_between_key_and_record_stays_wanted(desk: Desk) -> None:
    """Bytes that were given their name are recorded, but the new address is still to be fetched."""
    job = await one_job(desk)
    (commit,) = await prepare(desk, job, b"old")
    await desk.run()
    await desk.read_listing(photo(1, variants={"thumbnail": f"https://{HOST}/new/1.jpg"}))
    recorded = await desk.manifest.record([Stored(job=job, content=commit.fetched.content, key=commit.key)], [])
    assert recorded.stored == 0
    (again,) = await desk.jobs()
    (second,) = await prepare(desk, again, b"new")
    assert second.key == KEY
    assert second.keep_as is not None


# -- keys -----------------------------------------------------------------------------------------------------------


# -- new bytes ------------------------------------------------------------------------------------------------------


async def test_stored_assets_come_in_batches(desk: Desk) -> None:
    """Every stored asset of the selection is named once, with key and size."""
    await desk.read_listing(*(photo(number) for number in range(1, 6)))
    assert not await desk.manifest.has_stored()
    keys = await desk.fetch(*await desk.jobs())
    found, after = [], 0
    while batch := await desk.manifest.stored_batch(after, 2):
        found += [row.key for row in batch]
        after = batch[-1].asset_id
    assert found == keys
    assert await desk.manifest.has_stored()
    assert (await desk.manifest.known_sizes())["thumbnail"] == (5, 5 * len("bytes of 1"))
    await desk.run(Selected(race_id=1, race_day_ids=(DAY,), variants=("thumbnail",)))
    assert await desk.manifest.stored_batch(0, 10) == []


# -- failures -------------------------------------------------------------------------------------------------------


# -- what a killed run left -----------------------------------------------------------------------------------------


async def test_group_that_was_named_but_not_recorded_is_adopted(tmp_path: Path) -> None:
    """Killed between the renames and the rows: whole files are recorded, the rest is wanted again."""
    async with desk_at(tmp_path) as desk:
        await desk.run()
        await desk.read_listing(photo(1), photo(2))
        jobs = await desk.jobs()
        group = [Fetched(job=job, content=content_of(job), draft=str(job.asset_id)) for job in jobs]
        commits = await desk.manifest.prepare_commit(group)
    async with desk_at(tmp_path) as desk:
        await desk.run()
        left = await desk.manifest.leftovers()
        assert [(each.key, each.content) for each in left] == [(each.key, each.fetched.content) for each in commits]
        assert await desk.manifest.settle([left[0].asset_id], [left[1].asset_id]) == 1
        assert desk.ask("SELECT state FROM asset ORDER BY asset_id") == ["stored", "wanted"]
        assert await desk.manifest.leftovers() == []
        assert [each.asset_id for each in await desk.jobs()] == [left[1].asset_id]


async def test_leftover_of_an_old_url_is_held_but_stays_wanted(desk: Desk) -> None:
    """The file is ours and stays in the books; the asset's new address is still to be fetched."""
    job = await one_job(desk)
    await prepare(desk, job, b"old")
    await desk.run()
    await desk.read_listing(photo(1, variants={"thumbnail": f"https://{HOST}/new/1.jpg"}))
    assert await desk.manifest.settle([job.asset_id], []) == 0
    (commit,) = await prepare(desk, (await desk.jobs())[0], b"new")
    assert commit.key == KEY
    assert commit.keep_as is not None
