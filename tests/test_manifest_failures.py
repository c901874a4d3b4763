"""What a failed try means: still wanted, set aside, or gone."""

from typing import Any

import pytest

from mirror.model import Failed, Job, Scope
from tests.test_manifest_desk import DAY, HOST, KEY, RACE, Desk, desk, one_job, photo

__all__ = ["desk"]


def refused(job: Job, status: int = 403, *, has_answered: bool = True) -> Failed:
    """A failure that the host stands for."""
    return Failed(job=job, reason="forbidden", message="HTTP 403", status=status, has_answered=has_answered)


async def fail(desk: Desk, job: Job, status: int = 403, **more: Any) -> tuple[int, int]:
    """Record one failure; returns how many are gone and how many still wanted."""
    recorded = await desk.manifest.record([], [refused(job, status, **more)])
    return recorded.gone, recorded.failed


async def test_failure_keeps_the_asset_wanted_with_its_reason(desk: Desk) -> None:
    """Whatever the status, an asset of a listed photo stays wanted and is named with why."""
    job = await one_job(desk)
    for status in (403, 404, 410, 500):
        assert await fail(desk, job, status) == (0, 1)
    missing = await desk.manifest.missing()
    (group,) = missing.groups
    assert (missing.count, group.reason, group.host, group.count) == (1, "forbidden", HOST, 1)
    assert group.example == "photo 1 thumbnail: HTTP 403"
    assert len(await desk.jobs()) == 1


async def test_what_was_never_tried_is_named_so(desk: Desk) -> None:
    """Wanted assets without a failure are missing too."""
    await desk.read_listing(photo(1), photo(2))
    (group,) = (await desk.manifest.missing()).groups
    assert (group.reason, group.count) == ("not tried yet", 2)


async def test_success_forgets_the_failures(desk: Desk) -> None:
    """An asset that came at last owes nothing."""
    job = await one_job(desk)
    await fail(desk, job)
    await desk.fetch(job)
    assert desk.ask("SELECT failure, failed_days, failed_runs FROM asset") == [(None, 0, 0)]


async def test_only_days_on_which_the_host_answered_count(desk: Desk) -> None:
    """Two failures on one day are one day, and an outage is no failure of the asset."""
    job = await one_job(desk)
    await fail(desk, job, has_answered=False)
    assert desk.ask("SELECT failed_days, failed_runs FROM asset") == [(0, 1)]
    await fail(desk, job)
    await fail(desk, job)
    assert desk.ask("SELECT failed_days, failed_runs FROM asset") == [(1, 3)]
    desk.ask("UPDATE asset SET failed_on = '2020-01-01' RETURNING 1")
    await fail(desk, job)
    assert desk.ask("SELECT failed_days FROM asset") == [2]


async def test_asset_that_failed_on_five_days_is_tried_weekly(desk: Desk) -> None:
    """Set aside means not handed out for a week; it stays missing and named."""
    job = await one_job(desk)
    for day in range(1, 6):
        desk.ask("UPDATE asset SET failed_on = ? RETURNING 1", f"2020-01-0{day}")
        assert await desk.manifest.count_wanted() == 1
        await fail(desk, job)
    missing = await desk.manifest.missing()
    assert (await desk.jobs(), await desk.manifest.count_wanted()) == ([], 0)
    assert (missing.count, missing.set_aside) == (1, 1)
    assert [each.asset_id for each in await desk.manifest.wanted_by_ids([job.asset_id])] == [job.asset_id]
    desk.ask("UPDATE asset SET failed_at = strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-8 days') RETURNING 1")
    await desk.run()
    assert len(await desk.jobs()) == 1


async def unlist_photo_1(desk: Desk) -> None:
    """Two complete full passes that show other photos."""
    for _ in range(2):
        await desk.run()
        await desk.read_listing(photo(2), photo(3))


@pytest.mark.parametrize("status", [403, 404, 410])
async def test_refused_and_unlisted_is_gone(desk: Desk, status: int) -> None:
    """What the source refuses and lists no more is gone: told in this run, counted later, missing no more."""
    job = await one_job(desk)
    await unlist_photo_1(desk)
    assert await fail(desk, job, status) == (1, 0)
    assert desk.ask("SELECT state, wanted_no FROM asset WHERE asset_id = ?", job.asset_id) == [("gone", None)]
    assert await desk.manifest.gone_count() == 1
    assert job.asset_id not in {each.asset_id for each in await desk.jobs()}
    assert desk.ask("SELECT what FROM history ORDER BY history_id") == ["unlisted", "gone"]


@pytest.mark.parametrize("status", [401, 500, None])
async def test_other_failures_of_an_unlisted_photo_are_no_end(desk: Desk, status: int | None) -> None:
    """Only a refusal of that address makes an asset gone."""
    job = await one_job(desk)
    await unlist_photo_1(desk)
    recorded = await desk.manifest.record([], [Failed(job=job, reason="unreachable", message="", status=status)])
    assert (recorded.gone, recorded.failed) == (0, 1)


async def test_refused_and_withdrawn_is_gone_until_offered_again(desk: Desk) -> None:
    """A variant that the record no longer offers and the host refuses is gone; offered again it is wanted."""
    job = await one_job(desk)
    await desk.run()
    await desk.read_listing(photo(1, variants={}))
    assert await fail(desk, job, 404) == (1, 0)
    await desk.run()
    planned, _ = await desk.read_listing(photo(1))
    assert planned.newly_wanted == 1
    assert len(await desk.jobs()) == 1


async def test_newer_bytes_that_are_gone_leave_the_older_stored(desk: Desk) -> None:
    """An asset that holds earlier bytes never becomes gone: they are in the archive, and stay in its books."""
    job = await one_job(desk)
    await desk.fetch(job)
    await desk.run()
    await desk.read_listing(photo(1, variants={"thumbnail": f"https://{HOST}/new/1.jpg"}))
    await unlist_photo_1(desk)
    (again,) = await desk.manifest.wanted_by_ids([job.asset_id])
    assert await fail(desk, again, 404) == (0, 0)
    assert desk.ask("SELECT state, key FROM asset WHERE asset_id = ?", job.asset_id) == [("stored", KEY)]
    await desk.run()
    await desk.read_listing(photo(1, variants={"thumbnail": f"https://{HOST}/new/1.jpg"}))
    assert job.asset_id in {each.asset_id for each in await desk.jobs()}


async def test_failure_of_a_url_that_changed_meanwhile_does_not_count(desk: Desk) -> None:
    """The new address was never tried."""
    job = await one_job(desk)
    await desk.run()
    await desk.read_listing(photo(1, variants={"thumbnail": f"https://{HOST}/new/1.jpg"}))
    assert await fail(desk, job) == (0, 0)
    assert desk.ask("SELECT failure FROM asset") == [None]


async def test_403_on_an_old_url_asks_for_a_full_pass_once_a_day(desk: Desk) -> None:
    """There is no call for one photo's fresh URL: the next pass reads them all, but not day after day in vain."""
    job = await one_job(desk)
    await fail(desk, job)
    assert (await desk.manifest.pass_memory(RACE, DAY, Scope())).full_wanted is None
    await desk.run()
    await fail(desk, job)
    assert (await desk.manifest.pass_memory(RACE, DAY, Scope())).full_wanted == "a 403 on an old URL"
    await desk.read_listing(photo(1))
    assert (await desk.manifest.pass_memory(RACE, DAY, Scope())).full_wanted is None
    await desk.run()
    await fail(desk, job)
    assert (await desk.manifest.pass_memory(RACE, DAY, Scope())).full_wanted is None
    desk.ask("UPDATE race_day SET full_wanted_at = '2020-01-01T00:00:00Z' RETURNING 1")
    await fail(desk, job)
    assert (await desk.manifest.pass_memory(RACE, DAY, Scope())).full_wanted is not None
