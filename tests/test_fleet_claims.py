"""Leases in a store: one claimer wins, a lost answer is no lost lease, and who cannot renew stops in time."""

import asyncio
import time

import pytest

from mirror.errors import ArchiveError, ManifestError
from mirror.fleet.claims import Claims
from mirror.leases import Done, Standing, read_lease
from tests.fleet_store import MemoryObjects

NAME = "fleet/race-1.json"


def claims(objects: MemoryObjects, who: str = "box-a", *, good_for_s: float = 60.0, beat_s: float = 0.02) -> Claims:
    """The leases as one machine sees them."""
    return Claims(objects, holder=who, good_for_s=good_for_s, beat_s=beat_s)


async def test_one_of_many_claimers_wins() -> None:
    """All look before any of them writes; the others hear that they were too late."""
    objects = MemoryObjects(time.time)
    machines = [claims(objects, f"box-{number}") for number in range(5)]
    looks = await asyncio.gather(*(machine.look(NAME) for machine in machines))
    won = await asyncio.gather(*(machine.claim(look) for machine, look in zip(machines, looks, strict=True)))
    assert sum(claim is not None for claim in won) == 1
    await next(claim for claim in won if claim is not None).release()


async def test_holder_is_seen_as_holder_until_it_lets_go() -> None:
    """Renewals keep it; the release tells how the work ended."""
    objects = MemoryObjects(time.time)
    ours, theirs = claims(objects), claims(objects, "box-b")
    claim = await ours.claim(await ours.look(NAME))
    assert claim is not None
    before = objects.writes
    while objects.writes < before + 3:
        await asyncio.sleep(0.005)
    assert (await theirs.look(NAME)).standing is Standing.HELD
    await claim.release(Done(by="box-a", exit_code=1))
    look = await theirs.look(NAME)
    assert look.standing is Standing.FREE
    assert look.lease is not None
    assert look.lease.done == Done(by="box-a", exit_code=1)


async def test_lost_answer_is_no_lost_lease() -> None:
    """A write that arrived while its answer did not is recognised by its bytes, at every step."""
    seen: set[int] = set()
    objects = MemoryObjects(time.time)

    def once_each(_: str) -> bool:
        is_first = objects.writes not in seen and len(seen) < 4
        seen.add(objects.writes)
        return is_first

    objects.lost_answer = once_each
    ours = claims(objects)
    claim = await ours.claim(await ours.look(NAME))
    assert claim is not None
    while objects.writes < 6:
        await asyncio.sleep(0.005)
    assert claim.is_good
    await claim.release()
    assert read_lease(objects.objects[NAME].body).is_free


async def test_holder_that_cannot_renew_is_told_before_others_may_begin() -> None:
    """A store that answers nothing costs the lease after three quarters of its time; then it is left alone."""
    objects = MemoryObjects(time.time)
    lost = asyncio.Event()
    now_s = 0.0
    ours, theirs = (
        Claims(objects, holder=who, good_for_s=100.0, beat_s=0.02, now=lambda: now_s) for who in ("box-a", "box-b")
    )
    claim = await ours.claim(await ours.look(NAME), on_lost=lost.set)
    assert claim is not None
    await theirs.look(NAME)

    def down(_: str, what: str) -> None:
        nonlocal now_s
        if what == "put":
            now_s += 10.0
            raise ArchiveError("no connection")

    objects.trouble = down
    now_s = 1.0
    await lost.wait()
    assert not claim.is_good
    assert now_s < 100.0
    assert (await theirs.look(NAME)).standing is Standing.HELD
    objects.trouble = lambda *_: None
    written = objects.writes
    await claim.release()
    assert objects.writes == written


async def test_holder_that_was_replaced_is_told() -> None:
    """Somebody else's lease in the place of ours is never written over."""
    objects = MemoryObjects(time.time)
    lost = asyncio.Event()
    ours = claims(objects)
    claim = await ours.claim(await ours.look(NAME), on_lost=lost.set)
    assert claim is not None
    found = objects.objects[NAME]
    assert await objects.put(NAME, found.body.replace(b"box-a", b"box-b"), over=found.version)
    await lost.wait()
    await claim.release()
    assert read_lease(objects.objects[NAME].body).holder == "box-b"


async def test_foreign_object_is_no_lease() -> None:
    """What cannot be read is refused with its name, not taken over."""
    objects = MemoryObjects(time.time)
    await objects.put(NAME, b"<html>", over=None)
    with pytest.raises(ManifestError, match=r"fleet/race-1\.json: expected a lease"):
        await claims(objects).look(NAME)


async def test_machine_that_slept_knows_soon_after_it_woke() -> None:
    """The clock went on while the event loop's stood still: the lease is lost long before its next renewal is due."""
    objects = MemoryObjects(time.time)
    asleep_s = 0.0
    lost = asyncio.Event()
    ours = Claims(objects, holder="box-a", good_for_s=7200.0, beat_s=1800.0, now=lambda: time.monotonic() + asleep_s)
    claim = await ours.claim(await ours.look(NAME), on_lost=lost.set)
    assert claim is not None
    asleep_s = 8000.0
    assert not claim.is_good
    await lost.wait()
    assert objects.writes == 1
