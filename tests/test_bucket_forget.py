"""Forget and prune in a bucket: what was to go is in no object any more, and what may still be had is told."""

from pathlib import Path

import pytest

from mirror import run_sync
from mirror.archive.objects import open_bucket
from mirror.errors import ManifestError
from mirror.forget import Receipt, forget, look_up
from mirror.manifest import KeepingReader
from mirror.prune import PruneWish, prune
from tests.simulator import SourceSimulator
from tests.test_bucket_sync import Club, club
from tests.test_bucket_verify import ask, check
from tests.test_forget import assert_no_trace, marked

__all__ = ["club"]


async def take_down(club: Club, photo_id: int) -> Receipt:
    """Forget a photo of an archive in a bucket."""
    path = club.state / "manifest.sqlite"
    with KeepingReader(path) as reader:
        takedown = look_up(reader, photo_ids=[photo_id])
    return await forget(club.root, path, takedown)


async def test_nothing_of_a_forgotten_photo_is_left_in_a_bucket(club: Club) -> None:
    """No object, no version, no draft, and no byte of the snapshot tells of it; nor does anything on this machine."""
    async with SourceSimulator() as source:
        photo = marked(source)
        await run_sync(club.config(source))
        photo.name, photo.version = f"{photo.name[:-4]}ffff", 1
        await run_sync(club.config(source), is_full=True)
        bucket, before = open_bucket(club.root), await club.keys()
        assert any("versions/Harbour" in key for key in before)
        key = next(each for each in before if each.startswith("Harbour") and f"/original/{photo.photo_id}_" in each)
        await bucket.put(f"{key}.xmp", b"a sidecar with bib 73190421")
        (asset_id,) = ask(club, "SELECT asset_id FROM asset WHERE key = ?", key)[0]
        await bucket.put(f".mirror/drafts/{asset_id}.00ff.4.{'0' * 64}", b"half")
        receipt = await take_down(club, photo.photo_id)
        assert (len(receipt.photos), receipt.versions, receipt.drafts, receipt.warnings) == (1, 3, 1, ())
        assert_no_trace(await club.fetched(), photo)
        for folder in ("bucket", "spool"):
            assert_no_trace(club.state / folder, photo)
        assert (await check(club)).is_right
        assert (await run_sync(club.config(source), is_full=True)).exit_code == 0
        assert not any(str(photo.photo_id) in key for key in await club.keys())


async def test_bucket_that_keeps_versions_is_told_of(club: Club) -> None:
    """Where the store keeps what is deleted, the receipt says so: no delete reaches that."""
    enabled = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    club.server.plainly("PUT", f"/{club.bucket}?versioning", enabled)
    async with SourceSimulator() as source:
        photo = marked(source)
        await run_sync(club.config(source))
        receipt = await take_down(club, photo.photo_id)
    (warning,) = receipt.warnings
    assert warning.startswith(f"{club.root}: the bucket keeps earlier versions of its objects")


async def test_forget_is_refused_where_another_machine_has_written(club: Club) -> None:
    """A manifest that no longer says what lies there decides nothing about it."""
    async with SourceSimulator() as source:
        await run_sync(club.config(source))
    await open_bucket(club.root).put(".mirror/manifest.sqlite", b"of another machine", labels={"sha256": "00ff"})
    before = await club.keys()
    with pytest.raises(ManifestError, match="another machine has written this archive"):
        await take_down(club, 900_101)
    assert await club.keys() == before


async def test_pruned_objects_are_kept_in_a_quarantine(club: Club, tmp_path: Path) -> None:
    """What is listed no more is brought to this machine, whole, before it is deleted; the snapshot knows of it."""
    async with SourceSimulator() as source:
        await run_sync(club.config(source))
        photo = next(each for each in source.race.photos.values() if each.race_day_id == 34168)
        source.race.remove(photo.photo_id)
        for _ in range(2):
            await run_sync(club.config(source), is_full=True)
        bodies = {
            key: (await open_bucket(club.root).get(key))[0] for key in await club.keys() if f"/{photo.photo_id}_" in key
        }
        wish, aside = PruneWish(unlisted_for_s=0.0), tmp_path / "aside"
        done = await prune(club.root, club.state / "manifest.sqlite", wish, most=1.0, quarantine=aside)
        assert done.files == len(bodies) > 0
        assert {key: (aside / key).read_bytes() for key in bodies} == bodies
        assert not set(bodies) & set(await club.keys())
        assert (await run_sync(club.config(source))).exit_code == 0
    copy = await club.fetched()
    assert (copy / ".mirror/manifest.sqlite").is_file()
    assert ask(club, "SELECT count(*) FROM asset WHERE state = 'gone'") == [(len(bodies),)]
