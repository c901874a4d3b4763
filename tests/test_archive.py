"""What every archive promises, whatever it is made of. A new implementation joins ``OPENERS``."""

import asyncio
import hashlib
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from mirror.archive import Archive, Draft, Expected, LocalArchive, Publication
from mirror.archive.objects import open_bucket
from mirror.archive.objects.archive import ObjectArchive
from mirror.archive.seam import Bytes
from mirror.errors import ArchiveError, MismatchError
from mirror.root import parse_root
from tests.azure_server import AzureServer
from tests.s3_server import S3Server, memory_bucket

Opener = Callable[[], Awaitable[Archive]]
ADDRESS = "0123456789abcdef"
KEY = "Harbour-10K-48211/2025-05-17-34168/thumb/7001_start.jpg"
VERSION = f".mirror/versions/{KEY}.00ff"
BODY = b"the bytes of a picture" * 40
LARGE = os.urandom(700_001)


def local(_request: pytest.FixtureRequest, root: Path) -> Opener:
    """An archive in a folder."""
    return lambda: LocalArchive.open(root, create=True)


def in_memory(_request: pytest.FixtureRequest, folder: Path) -> Opener:
    """An archive in a store that is a part of this process."""
    bucket = memory_bucket()
    return lambda: ObjectArchive.open(bucket, folder, create=True)


def in_memory_staged(_request: pytest.FixtureRequest, folder: Path) -> Opener:
    """The same as a worker has it: checked drafts lie in the store at once."""
    bucket = memory_bucket()
    return lambda: ObjectArchive.open(bucket, folder, create=True, stage=True)


def on_s3(request: pytest.FixtureRequest, folder: Path) -> Opener:
    """An archive in a bucket of a real S3 server."""
    server: S3Server = request.getfixturevalue("s3")
    root = parse_root(f"s3://{server.new_bucket()}/club/photos")
    return lambda: ObjectArchive.open(open_bucket(root), folder, create=True)


def on_azure(request: pytest.FixtureRequest, folder: Path) -> Opener:
    """An archive in a container of a real server that speaks as Azure does."""
    server: AzureServer = request.getfixturevalue("azure")
    root = parse_root(f"az://{server.new_container()}/club/photos")
    return lambda: ObjectArchive.open(open_bucket(root), folder, create=True)


OPENERS = [local, in_memory, in_memory_staged, on_s3, pytest.param(on_azure, marks=pytest.mark.slow)]


@pytest.fixture(params=OPENERS, ids=lambda each: each.__name__)
async def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Opener]:
    """Opens the same archive anew, as the next run would; closes all in the end."""
    opened: list[Archive] = []
    opener: Opener = request.param(request, tmp_path / "archive")

    async def open_again() -> Archive:
        for each in opened:
            await each.aclose()
        opened.append(await opener())
        return opened[-1]

    yield open_again
    for each in opened:
        await each.aclose()


@pytest.fixture
async def archive(reopen: Opener) -> Archive:
    """An empty archive."""
    return await reopen()


def length(body: Bytes) -> int:
    """Stand in for the picture check."""
    return len(body)


def refuse(_body: Bytes) -> int:
    """Stand in for a picture check that finds no picture."""
    raise MismatchError("not a picture")


async def drafted(archive: Archive, asset_id: int = 1, body: bytes = BODY) -> str:
    """Put a checked draft into an archive."""
    draft = await archive.open_draft(asset_id, address=ADDRESS)
    await draft.write_whole(body, length)
    return draft.name


async def store(archive: Archive, key: str = KEY, body: bytes = BODY) -> None:
    """Take a body all the way to a key that holds nothing."""
    name = await drafted(archive, body=body)
    await archive.flush_drafts([name])
    assert await archive.publish([Publication(draft=name, key=key)]) == []


async def stream(draft: Draft, body: bytes, *, piece_bytes: int = 65_536) -> None:
    """Write a body in pieces."""
    for start in range(0, len(body), piece_bytes):
        await draft.write(body[start : start + piece_bytes])


async def test_small_body_gets_its_key_with_its_digest(archive: Archive) -> None:
    """A whole body is hashed, examined, published under its key, and read back byte for byte."""
    draft = await archive.open_draft(1, address=ADDRESS)
    assert await draft.write_whole(BODY, length) == (hashlib.sha256(BODY).digest(), len(BODY))
    await archive.flush_drafts([draft.name])
    assert await archive.publish([Publication(draft=draft.name, key=KEY)]) == []
    assert await archive.read(KEY) == BODY
    assert await archive.digest(KEY) == (len(BODY), hashlib.sha256(BODY).digest())
    assert await archive.kept_drafts() == []


async def test_streamed_body_gets_its_key_with_its_digest(archive: Archive) -> None:
    """A body in pieces is hashed on its way, examined as a whole, and published like a small one."""
    draft = await archive.open_draft(1, address=ADDRESS)
    await stream(draft, LARGE)
    assert draft.size_bytes == len(LARGE)
    assert await draft.finish(lambda body: bytes(body[-3:])) == (hashlib.sha256(LARGE).digest(), LARGE[-3:])
    await archive.flush_drafts([draft.name])
    await archive.publish([Publication(draft=draft.name, key=KEY)])
    assert await archive.read(KEY) == LARGE


async def test_hundreds_at_once_all_arrive(archive: Archive) -> None:
    """Bodies that pile up at the writer come back to whoever wrote them."""
    bodies = [bytes([each % 256]) * (each + 1) for each in range(300)]
    names = await asyncio.gather(*(drafted(archive, each, body) for each, body in enumerate(bodies)))
    await archive.flush_drafts(names)
    keys = [f"r/{each % 90}/{each}.jpg" for each in range(300)]
    await archive.publish([Publication(draft=name, key=key) for name, key in zip(names, keys, strict=True)])
    assert await archive.sizes(keys) == [len(each) for each in bodies]


async def test_refused_body_leaves_nothing(archive: Archive) -> None:
    """What the picture check refuses, be it no bytes at all, is not kept, and its error comes through as it is."""
    draft = await archive.open_draft(1, address=ADDRESS)
    for ending in (draft.write_whole(b"<html>", refuse), draft.finish(refuse)):
        with pytest.raises(MismatchError, match="not a picture"):
            await ending
    assert await archive.kept_drafts() == []


@pytest.mark.parametrize("is_whole", [True, False])
async def test_draft_starts_again_after_a_refused_stream(archive: Archive, is_whole: bool) -> None:
    """A draft whose stream was refused can be emptied and filled in either way, with nothing of the first bytes."""
    draft = await archive.open_draft(1, address=ADDRESS)
    await stream(draft, LARGE)
    with pytest.raises(MismatchError):
        await draft.finish(refuse)
    await draft.restart()
    assert draft.size_bytes == 0
    if is_whole:
        digest, _ = await draft.write_whole(BODY, length)
    else:
        await draft.write(BODY)
        digest, _ = await draft.finish(length)
    assert digest == hashlib.sha256(BODY).digest()
    assert [each.name for each in await archive.kept_drafts()] == [draft.name]
    assert await archive.clean_drafts([draft.name]) == 0


async def test_discarded_draft_is_gone(archive: Archive) -> None:
    """A discarded draft leaves nothing, whatever it held; a second time does nothing."""
    for fill in (lambda draft: draft.write_whole(BODY, length), lambda draft: stream(draft, LARGE), lambda _: None):
        draft = await archive.open_draft(1, address=ADDRESS)
        if (filling := fill(draft)) is not None:
            await filling
        await draft.discard()
        await draft.discard()
    assert await archive.kept_drafts() == []
    assert await archive.clean_drafts([]) == 0


@pytest.mark.parametrize("is_whole", [True, False])
async def test_cancelled_draft_is_over_before_its_discard(archive: Archive, is_whole: bool) -> None:
    """What was cancelled in the middle of its check is removed by the discard that follows, not written after it."""
    entered, go_on = threading.Event(), threading.Event()

    def wait(body: Bytes) -> int:
        entered.set()
        go_on.wait()
        return len(body)

    draft = await archive.open_draft(1, address=ADDRESS)
    if not is_whole:
        await stream(draft, LARGE)
    ending = asyncio.ensure_future(draft.write_whole(BODY, wait) if is_whole else draft.finish(wait))
    await asyncio.to_thread(entered.wait)
    ending.cancel()
    await asyncio.wait({ending})
    discarding = asyncio.ensure_future(draft.discard())
    go_on.set()
    await discarding
    assert ending.cancelled()
    assert await archive.clean_drafts([]) == 0


async def test_kept_draft_goes_on_in_the_next_run(reopen: Opener) -> None:
    """A stream kept at a stop is found by the next run, hashed again, and ends with the digest of the whole."""
    archive = await reopen()
    draft = await archive.open_draft(7, address=ADDRESS)
    await stream(draft, LARGE[:300_000])
    await draft.keep("IjEyMyI")
    archive = await reopen()
    (kept,) = await archive.kept_drafts()
    assert (kept.asset_id, kept.address, kept.etag, kept.size_bytes) == (7, ADDRESS, "IjEyMyI", 300_000)
    draft = await archive.resume_draft(kept.name)
    assert draft.size_bytes == 300_000
    await stream(draft, LARGE[300_000:])
    digest, size_bytes = await draft.finish(length)
    assert (digest, size_bytes) == (hashlib.sha256(LARGE).digest(), len(LARGE))


async def test_resumed_draft_that_vanished_is_empty(archive: Archive) -> None:
    """A draft that somebody deleted meanwhile begins at zero."""
    draft = await archive.resume_draft(f"7.{ADDRESS}.IjEyMyI")
    assert draft.size_bytes == 0
    await draft.write(BODY)
    assert (await draft.finish(length))[0] == hashlib.sha256(BODY).digest()


async def test_draft_in_flight_is_swept_by_the_next_run(reopen: Opener) -> None:
    """Bytes that nobody kept are no draft to claim, and the sweep deletes them."""
    archive = await reopen()
    draft = await archive.open_draft(7, address=ADDRESS)
    await stream(draft, LARGE)
    await draft.write(b"")
    archive = await reopen()
    assert await archive.kept_drafts() == []
    assert await archive.clean_drafts([]) == 1


async def test_checked_draft_is_claimed_by_the_next_run(reopen: Opener) -> None:
    """A checked draft says what it holds, survives a sweep that keeps it, and passes its check."""
    name = await drafted(await reopen(), asset_id=9)
    archive = await reopen()
    await drafted(archive, asset_id=10)
    assert await archive.clean_drafts([name]) == 1
    (kept,) = await archive.kept_drafts()
    assert (kept.name, kept.asset_id, kept.etag) == (name, 9, None)
    assert (kept.size_bytes, kept.sha256) == (len(BODY), hashlib.sha256(BODY).digest())
    assert await archive.check_draft(name, length) == len(BODY)
    assert await archive.check_draft(name[:-2] + ("11" if name.endswith("00") else "00"), length) is None


async def test_replaced_bytes_are_kept_as_a_version(archive: Archive) -> None:
    """New bytes take a key in one step and the earlier ones lie under their version's key."""
    await store(archive)
    name = await drafted(archive, body=b"new")
    again = Publication(draft=name, key=KEY, is_ours_there=True, keep_as=VERSION)
    assert await archive.publish([again]) == []
    assert (await archive.read(KEY), await archive.read(VERSION)) == (b"new", BODY)


async def test_foreign_file_under_a_key_is_moved_and_named(archive: Archive) -> None:
    """What lies under a key and is not ours gives way as it is, and the caller learns where it went."""
    await store(archive, body=b"somebody else's")
    name = await drafted(archive)
    ((key, place),) = await archive.publish([Publication(draft=name, key=KEY)])
    assert key == KEY
    assert (await archive.read(KEY), await archive.read(place)) == (BODY, b"somebody else's")


async def test_missing_files_are_none(archive: Archive) -> None:
    """A key that holds nothing has no size and no digest, and cannot be read."""
    await store(archive)
    assert await archive.sizes(["a/b.jpg", KEY, "c.jpg", "Harbour-10K-48211"]) == [None, len(BODY), None, None]
    assert await archive.digest("a/b.jpg") is None
    with pytest.raises(ArchiveError, match="not there"):
        await archive.read("a/b.jpg")


async def test_glance_tells_right_from_wrong(archive: Archive) -> None:
    """What is as it should be, of another size, or not there is told so, in order, whoever looks and however."""
    digest = hashlib.sha256(BODY).digest()
    for key in ("a/1.jpg", "a/2.jpg"):
        await store(archive, key)
    wanted = [("a/2.jpg", len(BODY)), ("none.jpg", len(BODY)), ("a/1.jpg", 7)]
    found = await archive.glance(
        [Expected(key=key, size_bytes=size, sha256=digest, right_ts=0.0) for key, size in wanted]
    )
    assert [each.is_there for each in found] == [True, False, True]
    assert [each.size_bytes for each in found] == [len(BODY), None, len(BODY)]
    assert found[0].sha256 == digest
    # Of Azure it cannot be seen from here.
    assert await archive.keeps_deleted() is (None if archive.filesystem == "az" else False)


@pytest.mark.parametrize(
    "key", ["", "/etc/x", "../x", "a/../../x", "a//x", "a/./x", "a/", "a\0b", "a/\udce9", "x/" * 30 + "y"]
)
async def test_key_out_of_the_tree_is_refused(archive: Archive, key: str) -> None:
    """No key leads out of the tree, for writing or for reading."""
    name = await drafted(archive)
    with pytest.raises(ArchiveError, match="no key"):
        await archive.publish([Publication(draft=name, key=key)])
    for ask in (archive.read, archive.digest):
        with pytest.raises(ArchiveError, match="no key"):
            await ask(key)


async def test_asset_never_lies_among_our_own_files(archive: Archive) -> None:
    """No asset is published into the folder of drafts and manifest, however it is spelled, and no version out of it."""
    name = await drafted(archive)
    for key in (".mirror/manifest.sqlite", ".Mirror/x.jpg"):
        with pytest.raises(ArchiveError, match="no key"):
            await archive.publish([Publication(draft=name, key=key)])
    with pytest.raises(ArchiveError, match="no key"):
        await archive.publish([Publication(draft=name, key=KEY, is_ours_there=True, keep_as="elsewhere/x.jpg")])
    with pytest.raises(ArchiveError, match="not a draft"):
        await archive.discard_drafts(["../archive-id"])


async def test_archive_id_survives(reopen: Opener) -> None:
    """A new archive has no id; one that was written is there in the next run."""
    archive = await reopen()
    assert await archive.archive_id() is None
    await archive.set_archive_id("f00")
    assert await (await reopen()).archive_id() == "f00"


async def test_closed_archive_runs_no_thread(archive: Archive) -> None:
    """After closing, no thread works on, and what comes late is told so."""
    draft = await archive.open_draft(1, address=ADDRESS)
    await stream(draft, LARGE)
    await archive.aclose()
    await archive.aclose()
    assert [each.name for each in threading.enumerate() if each.name.startswith("mirror")] == []
    with pytest.raises(ArchiveError, match="closed"):
        await archive.sizes([KEY])
    with pytest.raises(ArchiveError, match="closed"):
        await draft.write_whole(BODY, length)
