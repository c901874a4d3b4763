"""What an archive in a bucket promises beyond the seam: nothing is written twice, nothing in the way is lost, nothing is trusted blindly."""

import hashlib
import mmap
import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from mirror.archive import Publication
from mirror.archive.objects import open_bucket
from mirror.archive.objects.archive import ObjectArchive
from mirror.archive.objects.labels import content_type, labels_of, sha256_in
from mirror.archive.objects.own import OwnFiles
from mirror.errors import ArchiveError, ManifestError
from mirror.root import parse_root
from tests.s3_server import S3Server, memory_bucket, required
from tests.test_archive import ADDRESS, BODY, KEY, VERSION, drafted, length, stream

required("obstore")

from mirror.archive.objects.bucket import Bucket  # noqa: E402 - only where the extra is

PARTS = os.urandom(33 * 1024 * 1024)


@pytest.fixture
def bucket() -> Bucket:
    """An empty store."""
    return memory_bucket()


@pytest.fixture
async def archive(bucket: Bucket, tmp_path: Path) -> AsyncIterator[ObjectArchive]:
    """An empty archive in it."""
    archive = await ObjectArchive.open(bucket, tmp_path, create=True)
    yield archive
    await archive.aclose()


async def keys_of(bucket: Bucket) -> list[str]:
    """All objects."""
    return [each.key async for page in bucket.list_below() for each in page]


async def large_draft(archive: ObjectArchive) -> str:
    """A checked draft that goes in parts."""
    draft = await archive.open_draft(1, address=ADDRESS)
    await stream(draft, PARTS, piece_bytes=1024 * 1024)
    await draft.finish(length)
    return draft.name


@pytest.mark.parametrize("store", ["memory", "s3"])
async def test_large_body_gets_its_key_whole(store: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """A body that goes in parts is no half object at any time: a draft in the bucket first, then a copy; what it replaces is kept."""
    if store == "s3":
        server: S3Server = request.getfixturevalue("s3")
        bucket = open_bucket(parse_root(f"s3://{server.new_bucket()}/p"))
    else:
        bucket = memory_bucket()
    archive = await ObjectArchive.open(bucket, tmp_path, create=True)
    await bucket.put(KEY, b"somebody else's")
    ((key, place),) = await archive.publish([Publication(draft=await large_draft(archive), key=KEY, photo_id=7)])
    assert (key, await archive.read(place)) == (KEY, b"somebody else's")
    again = Publication(draft=await large_draft(archive), key=KEY, is_ours_there=True, keep_as=VERSION, photo_id=8)
    await archive.publish([again])
    facts = await bucket.head(KEY)
    assert (facts.size_bytes, sha256_in(facts.labels)) == (len(PARTS), hashlib.sha256(PARTS).digest())
    assert (await archive.digest(KEY), await archive.digest(VERSION)) == (
        2 * ((len(PARTS), hashlib.sha256(PARTS).digest()),)
    )
    assert (facts.labels["photo"], (await bucket.head(VERSION)).labels["photo"]) == ("8", "7")
    assert [each for each in await keys_of(bucket) if "drafts" in each] == []
    await archive.aclose()


@pytest.mark.parametrize("labels", [{}, labels_of(hashlib.sha256(BODY).digest(), BODY)])
async def test_object_that_is_there_already_is_not_written_again(
    archive: ObjectArchive, bucket: Bucket, labels: Mapping[str, str]
) -> None:
    """The very bytes under a wanted key, left by a try whose answer was lost, are taken for what they are."""
    etag = await bucket.put(KEY, BODY, labels=labels)
    assert await archive.publish([Publication(draft=await drafted(archive), key=KEY)]) == []
    assert ((await bucket.head(KEY)).etag, len(await keys_of(bucket))) == (etag, 1)
    assert await archive.kept_drafts() == []


async def test_bytes_that_were_damaged_are_no_version(archive: ObjectArchive, bucket: Bucket) -> None:
    """What is replaced and is not what was recorded is kept as foreign: no version may claim a hash that it has not."""
    await bucket.put(KEY, b"flipped", labels={"sha256": hashlib.sha256(BODY).hexdigest()})
    again = Publication(
        draft=await drafted(archive, body=b"new"), key=KEY, is_ours_there=True, keep_as=VERSION,
        sha256_there=hashlib.sha256(BODY).digest(),
    )  # fmt: skip
    ((_, place),) = await archive.publish([again])
    assert (await archive.read(KEY), await archive.read(place)) == (b"new", b"flipped")
    assert await archive.sizes([VERSION]) == [None]


async def test_version_is_not_replaced(archive: ObjectArchive, bucket: Bucket) -> None:
    """What lies under a version's name gives way, unless it is that version."""
    await bucket.put(VERSION, b"other")
    for body, moves in ((b"new", 1), (b"newer", 0)):
        old = labels_of(hashlib.sha256(BODY).digest(), BODY)
        await bucket.put(KEY, BODY, labels=old)
        again = Publication(draft=await drafted(archive, body=body), key=KEY, is_ours_there=True, keep_as=VERSION)
        moved = await archive.publish([again])
        assert (len(moved), await archive.read(VERSION), await archive.read(KEY)) == (moves, BODY, body)


class Careless(Bucket):
    """A store that heeds no condition."""

    async def put(
        self, key: str, body: bytes | mmap.mmap, *, labels: Mapping[str, str] | None = None,
        is_new: bool = False, if_etag: str | None = None,
    ) -> str:  # fmt: skip
        """Overwrite whatever is there."""
        return await super().put(key, body, labels=labels)


async def test_store_that_heeds_no_condition_is_refused(bucket: Bucket, tmp_path: Path) -> None:
    """Everything rests on conditions: a store without them is found out before anything is stored, and left as it was."""
    careless = Careless(bucket._store, "memory://club")
    with pytest.raises(ArchiveError, match="replaces objects although a condition forbids it"):
        await ObjectArchive.open(careless, tmp_path, create=True)
    assert await keys_of(bucket) == []


async def test_place_without_an_archive_is_refused(bucket: Bucket, tmp_path: Path) -> None:
    """What is to be read must be there."""
    await bucket.put("a.jpg", b"x")
    with pytest.raises(ArchiveError, match="memory://club: there is no archive here"):
        await ObjectArchive.open(bucket, tmp_path, create=False)


async def test_second_archive_in_one_place_is_refused(archive: ObjectArchive, bucket: Bucket, tmp_path: Path) -> None:
    """Of two that begin at the same moment one is told."""
    other = await ObjectArchive.open(bucket, tmp_path / "other", create=True)
    await archive.set_archive_id("f00")
    await archive.set_archive_id("f00")
    with pytest.raises(ManifestError, match=r"another archive \(f00\) was begun here"):
        await other.set_archive_id("ba2")
    await other.aclose()


async def test_own_file_is_sent_once_and_by_one_machine(archive: ObjectArchive, bucket: Bucket, tmp_path: Path) -> None:
    """What lies there is not sent again; what another machine left is not replaced; a lost note of ours is made up for."""
    archive.own_file("x").write_bytes(b"first")
    await archive.send_own("x")
    etag = (await bucket.head(".mirror/x")).etag
    await archive.send_own("x")
    assert (await bucket.head(".mirror/x")).etag == etag
    other = await ObjectArchive.open(bucket, tmp_path / "other", create=True)
    assert (await other.is_own_current("x"), await other.fetch_own("x"), await other.is_own_current("x")) == (
        False,
        True,
        True,
    )
    other.own_file("x").write_bytes(b"second")
    await other.send_own("x")
    archive.own_file("x").write_bytes(b"third")
    assert not await archive.is_own_current("x")
    with pytest.raises(ManifestError, match="another machine"):
        await archive.send_own("x")
    assert (await bucket.get(".mirror/x"))[0] == b"second"
    await other.aclose()


class Deadly(Bucket):
    """A store that does as it is told, and whose answer never comes: we are killed before."""

    async def put(self, *arguments: Any, **named: Any) -> str:
        """Write, and end."""
        await super().put(*arguments, **named)
        raise KeyboardInterrupt


async def test_own_file_that_was_sent_by_a_killed_run_is_known_again(bucket: Bucket, tmp_path: Path) -> None:
    """Killed between the sending and its note, this machine takes what lies there for its own."""
    for body in (b"first", b"second"):
        (tmp_path / "x").write_bytes(body)
        with pytest.raises(KeyboardInterrupt):
            await OwnFiles(Deadly(bucket._store, "memory://club"), tmp_path).send("x")
        assert await OwnFiles(bucket, tmp_path).is_current("x")
    (tmp_path / "x").write_bytes(b"third")
    await OwnFiles(bucket, tmp_path).send("x")
    assert (await bucket.get(".mirror/x"))[0] == b"third"


async def test_removed_objects_are_gone_and_moved_ones_are_here(
    archive: ObjectArchive, bucket: Bucket, tmp_path: Path
) -> None:
    """Deleting says sizes, and nothing of our own is deleted; what is moved out is here before it is gone there."""
    for key in (KEY, "b.jpg", VERSION):
        await bucket.put(key, BODY)
    assert await archive.relatives([KEY]) == []
    named = f".mirror/versions/{KEY.removesuffix('.jpg')}.{'0' * 16}.jpg"
    await bucket.put(named, BODY)
    assert await archive.relatives([KEY]) == [named]
    with pytest.raises(ArchiveError, match="not to be deleted"):
        await archive.remove([".mirror/archive-id"])
    assert await archive.remove([KEY, "none.jpg", named]) == [len(BODY), None, len(BODY)]
    assert await archive.move_out(["b.jpg", "none.jpg"], tmp_path / "out") == [len(BODY), None]
    assert ((tmp_path / "out/b.jpg").read_bytes(), await keys_of(bucket)) == (BODY, [VERSION])


def test_labels_hold_what_stores_take() -> None:
    """Bibs are plain signs whatever they are, and left out when they are too many for a store; kinds follow the bytes."""
    digest = hashlib.sha256(b"").digest()
    assert labels_of(digest, b"\xff\xd8\xff\xe0", photo_id=7, bibs=("1,2", "Ä 5")) == {
        "sha256": digest.hex(), "Content-Type": "image/jpeg", "photo": "7", "bibs": "1%2C2,%C3%84%205",
    }  # fmt: skip
    assert "bibs" not in labels_of(digest, b"", bibs=["12345"] * 200)
    assert (content_type(b"RIFF0000WEBPVP8 "), content_type(b"\0\0\0 ftypavif"), content_type(b"x")) == (
        "image/webp",
        "image/avif",
        None,
    )
    assert (sha256_in({"sha256": "zz"}), sha256_in({})) == (None, None)
