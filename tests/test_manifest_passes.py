"""What passes leave behind: watermarks, scopes, and photos that are listed no more."""

import pytest

from mirror.manifest.passes import scope_from
from mirror.model import Photo, Scope
from tests.test_manifest_desk import DAY, HOST, RACE, Desk, desk, photo

__all__ = ["desk"]

UNLISTED = "SELECT photo_id FROM photo WHERE unlisted_at IS NOT NULL ORDER BY photo_id"
STAFF = Scope(participant_uploads=False)


def photos(*numbers: int) -> list[Photo]:
    """Photos by their ids."""
    return [photo(number) for number in numbers]


async def in_a_run_of_its_own(desk: Desk, *numbers: int, scope: Scope | None = None, is_complete: bool = True) -> int:
    """One full pass in one run; returns how many photos it made unlisted."""
    await desk.run()
    _, unlisted = await desk.read_listing(*photos(*numbers), scope=scope, is_complete=is_complete)
    return unlisted.unlisted


# -- memory ---------------------------------------------------------------------------------------------------------


async def test_nothing_is_remembered_before_the_first_complete_pass(desk: Desk) -> None:
    """An incomplete pass moves no watermark and proves nothing."""
    await desk.read_listing(photo(1), is_complete=False, watermark_ts=100)
    memory = await desk.manifest.pass_memory(RACE, DAY, Scope())
    assert not memory.has_complete
    assert (memory.watermark_ts, memory.albums, memory.last_full_at) == (None, None, None)


async def test_watermark_never_falls(desk: Desk) -> None:
    """A pass that saw only older photos, or none with a stamp, leaves the watermark where it was."""
    for seen_ts, expected in ((100, 100), (None, 100), (50, 100), (200, 200)):
        await desk.read_listing(photo(1), watermark_ts=seen_ts)
        assert (await desk.manifest.pass_memory(RACE, DAY, Scope())).watermark_ts == expected
    await desk.read_listing(photo(1), watermark_ts=999, is_complete=False)
    assert (await desk.manifest.pass_memory(RACE, DAY, Scope())).watermark_ts == 200


async def test_since_pass_counts_for_the_watermark_but_not_as_full(desk: Desk) -> None:
    """The last full pass stays the last full pass, whatever since passes follow it."""
    await desk.read_listing(photo(1), photo(2), watermark_ts=100)
    full = await desk.manifest.pass_memory(RACE, DAY, Scope())
    await desk.read_listing(photo(3), kind="since", watermark_ts=300)
    memory = await desk.manifest.pass_memory(RACE, DAY, Scope())
    assert (memory.watermark_ts, memory.last_full_photos) == (300, 2)
    assert memory.last_full_at == full.last_full_started_at
    assert memory.last_full_at is not None


async def test_scopes_remember_apart(desk: Desk) -> None:
    """Another scope, or another race day, has a watermark of its own; the newest upload counts for all scopes."""
    await desk.read_listing(photo(1), watermark_ts=100)
    other = await desk.manifest.pass_memory(RACE, DAY, STAFF)
    assert (other.watermark_ts, other.has_complete, other.newest_uploaded_ts) == (None, False, 100)
    assert (await desk.manifest.pass_memory(RACE, 9, Scope())).newest_uploaded_ts is None


async def test_pass_numbers_rise_over_runs(desk: Desk) -> None:
    """Each pass has a higher number than any before it."""
    first = await desk.manifest.begin_pass(RACE, DAY, Scope(), "full", None)
    await desk.run()
    assert await desk.manifest.begin_pass(RACE, DAY, Scope(), "since", 5) > first


@pytest.mark.parametrize("scope", [Scope(), STAFF, Scope(albums=("311", "reg-34168")), Scope(albums=("7",))])
def test_scope_is_read_back_from_its_key(scope: Scope) -> None:
    """What a row says of a scope is all there is to it."""
    assert scope_from(scope.key) == scope


# -- unlisted -------------------------------------------------------------------------------------------------------


async def test_photo_is_unlisted_after_two_complete_full_passes(desk: Desk) -> None:
    """One pass that misses a photo proves nothing; the second in a row does, and says so in the history."""
    await in_a_run_of_its_own(desk, 1, 2, 3)
    assert await in_a_run_of_its_own(desk, 1, 2) == 0
    assert await in_a_run_of_its_own(desk, 1, 2) == 1
    assert desk.ask(UNLISTED) == [3]
    assert desk.ask("SELECT photo_id, what FROM history") == [(3, "unlisted")]
    assert await in_a_run_of_its_own(desk, 1, 2) == 0


async def test_photo_seen_in_between_is_not_unlisted(desk: Desk) -> None:
    """A full or since pass that shows the photo starts the count anew."""
    await in_a_run_of_its_own(desk, 1, 2, 3)
    await in_a_run_of_its_own(desk, 1, 2)
    await desk.read_listing(photo(3), kind="since")
    await in_a_run_of_its_own(desk, 1, 2)
    assert desk.ask(UNLISTED) == []


async def test_incomplete_and_since_passes_prove_nothing(desk: Desk) -> None:
    """Only complete full passes count as having missed a photo."""
    await in_a_run_of_its_own(desk, 1, 2, 3)
    await in_a_run_of_its_own(desk, 1, is_complete=False)
    await in_a_run_of_its_own(desk, 1, is_complete=False)
    await desk.read_listing(photo(1), kind="since")
    await in_a_run_of_its_own(desk, 1, 2)
    assert desk.ask(UNLISTED) == []


async def test_listed_again_is_forgiven(desk: Desk) -> None:
    """An unlisted photo that shows up again is listed, and what was gone of it is wanted."""
    await in_a_run_of_its_own(desk, 1, 2, 3)
    await in_a_run_of_its_own(desk, 1, 2)
    await in_a_run_of_its_own(desk, 1, 2)
    desk.ask("UPDATE asset SET state = 'gone', wanted_no = NULL, failed_days = 9 WHERE photo_no = 3 RETURNING 1")
    await desk.run()
    planned, _ = await desk.read_listing(*photos(1, 2, 3))
    assert (planned.changed_photos, planned.newly_wanted) == (1, 1)
    assert desk.ask(UNLISTED) == []
    assert [each.photo_id for each in await desk.manifest.wanted(HOST, 0, 10)] == [1, 2, 3]
    assert desk.ask("SELECT what FROM history ORDER BY history_id") == ["unlisted", "listed again"]


async def test_switching_participants_off_makes_nobody_unlisted(desk: Desk) -> None:
    """A narrower scope says nothing about photos that only the wider one shows; a wider one speaks for the narrower."""
    await in_a_run_of_its_own(desk, 1, 2)
    for _ in range(3):
        await in_a_run_of_its_own(desk, 1, scope=STAFF)
    assert desk.ask(UNLISTED) == []
    await in_a_run_of_its_own(desk, 1, 3, scope=STAFF)
    await in_a_run_of_its_own(desk, 1, 2)
    await in_a_run_of_its_own(desk, 1, 2)
    assert desk.ask(UNLISTED) == [3]


async def test_album_passes_speak_for_their_albums_only(desk: Desk) -> None:
    """A pass over one album misses all other photos, and that means nothing."""
    await in_a_run_of_its_own(desk, 1, 2)
    for _ in range(3):
        await in_a_run_of_its_own(desk, 1, scope=Scope(albums=("311",)))
    assert desk.ask(UNLISTED) == []


async def test_other_race_days_listing_proves_nothing(desk: Desk) -> None:
    """A photo that another race day's listing showed last is not missed by this one."""
    await in_a_run_of_its_own(desk, 1, 2)
    await desk.run()
    await desk.read_listing(photo(1), day=9)
    await in_a_run_of_its_own(desk, 2)
    await in_a_run_of_its_own(desk, 2)
    assert desk.ask(UNLISTED) == []


async def test_empty_pass_makes_nobody_unlisted(desk: Desk) -> None:
    """A pass that came back empty is told, and nothing is marked, however often."""
    await in_a_run_of_its_own(desk, 1, 2)
    for expected in (0, 2, 2):
        await desk.run()
        _, unlisted = await desk.read_listing()
        assert (unlisted.unlisted, unlisted.withheld) == (0, expected)
    assert desk.ask(UNLISTED) == []


@pytest.mark.parametrize(
    ("known", "left", "unlisted", "withheld"),
    [(12, 2, 10, 0), (12, 1, 0, 11), (60, 48, 0, 12), (61, 49, 12, 0)],
)
async def test_too_many_at_once_are_not_believed(
    desk: Desk, *, known: int, left: int, unlisted: int, withheld: int
) -> None:
    """More than ten photos, and a fifth of all or more, do not vanish on the word of two passes."""
    await in_a_run_of_its_own(desk, *range(known))
    await in_a_run_of_its_own(desk, *range(left))
    await desk.run()
    _, found = await desk.read_listing(*photos(*range(left)))
    assert (found.unlisted, found.withheld) == (unlisted, withheld)
    assert len(desk.ask(UNLISTED)) == unlisted


async def test_heavy_loss_is_marked_when_someone_has_looked(desk: Desk) -> None:
    """Asked to believe it, any number is marked; a pass that came back empty still proves nothing."""
    await in_a_run_of_its_own(desk, *range(40))
    await in_a_run_of_its_own(desk, *range(5))
    await desk.run()
    assert (await desk.read_listing(is_loss_believed=True))[1].withheld == 35
    await desk.run()
    _, found = await desk.read_listing(*photos(*range(5)), is_loss_believed=True)
    assert (found.unlisted, found.withheld) == (35, 0)


# -- runs -----------------------------------------------------------------------------------------------------------


async def test_run_is_written_down(desk: Desk) -> None:
    """A run's row says how it ended; one that was killed has no end."""
    assert desk.ask("SELECT run_id, ended_at FROM run") == [(1, None)]
    await desk.manifest.end_run(exit_code=1, new_photos=3, stored=2, stored_bytes=20, failed=1)
    query = "SELECT command, program, exit_code, new_photos, stored, stored_bytes, failed FROM run"
    assert desk.ask(query) == [("sync", "mirror 0.1.0", 1, 3, 2, 20, 1)]
    assert desk.ask("SELECT ended_at IS NULL FROM run") == [0]
