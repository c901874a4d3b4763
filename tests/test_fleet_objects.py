"""Small objects in a real bucket: what the leases stand on."""

import asyncio
import time

import pytest

from mirror.archive.objects import open_bucket
from mirror.errors import ConfigError
from mirror.fleet.claims import Claims
from mirror.fleet.objects import BucketObjects
from mirror.leases import Done, Standing
from mirror.root import ArchiveRoot
from tests.s3_server import S3Server, required, s3, s3_process

required("obstore")
__all__ = ["s3", "s3_process"]


@pytest.fixture
def objects(s3: S3Server) -> BucketObjects:
    """A place in a new bucket."""
    return BucketObjects(open_bucket(ArchiveRoot(url=f"s3://{s3.new_bucket()}/photos"), patience_s=5.0))


async def test_object_is_written_over_what_was_seen_or_not_at_all(objects: BucketObjects) -> None:
    """Created once, replaced only by who has seen it last."""
    assert await objects.get("fleet/a") is None
    first = await objects.put("fleet/a", b"1", over=None)
    assert first is not None
    assert await objects.put("fleet/a", b"2", over=None) is None
    second = await objects.put("fleet/a", b"2", over=first)
    assert second not in {None, first}
    assert await objects.put("fleet/a", b"3", over=first) is None
    assert await objects.put("fleet/none", b"3", over=first) is None
    found = await objects.get("fleet/a")
    assert found is not None
    assert (found.body, found.version) == (b"2", second)
    assert abs(found.modified_ts - time.time()) < 3600


async def test_probe_tells_the_stores_clock_and_leaves_nothing(objects: BucketObjects) -> None:
    """A store that heeds conditions passes, and nothing of the probe stays behind."""
    assert abs(await objects.probe() - time.time()) < 3600
    assert [each async for each in objects.bucket.list_below()] == []


async def test_store_that_ignores_conditions_is_refused(
    objects: BucketObjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two machines would both believe that they hold a lease."""

    class Careless(BucketObjects):
        async def put(self, name: str, body: bytes, *, over: str | None) -> str | None:
            return await self.bucket.put(name, body)

    with pytest.raises(ConfigError, match="ignores conditions"):
        await Careless(objects.bucket).probe()


async def test_claims_of_many_machines_in_a_bucket(objects: BucketObjects) -> None:
    """Six machines look at once and claim at once: one has it, renews it and lets go of it for the next."""
    machines = [Claims(objects, holder=f"box-{n}", good_for_s=20.0, beat_s=0.05) for n in range(6)]
    looks = await asyncio.gather(*(each.look("fleet/race-1.json") for each in machines))
    claims = await asyncio.gather(*(each.claim(look) for each, look in zip(machines, looks, strict=True)))
    won = [claim for claim in claims if claim is not None]
    assert len(won) == 1
    before = (await machines[0].look("fleet/race-1.json")).version
    while (look := await machines[0].look("fleet/race-1.json")).version == before:
        assert look.standing is Standing.HELD
    await won[0].release(Done(by="box", exit_code=0))
    again = await machines[1].claim(await machines[1].look("fleet/race-1.json"))
    assert again is not None
    await again.release()
