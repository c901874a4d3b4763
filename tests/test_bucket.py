"""What can be asked of a bucket: conditions, labels, listings, and refusals in our words."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from mirror.archive.objects import open_bucket
from mirror.errors import (
    AbsentError,
    ArchiveError,
    AwayError,
    ChangedError,
    ConfigError,
    DeniedError,
    OccupiedError,
)
from mirror.root import parse_root
from tests.s3_server import S3Server, free_port, memory_bucket, required

if TYPE_CHECKING:
    from mirror.archive.objects.bucket import Bucket

LARGE = os.urandom(3_000_001)


@pytest.fixture(params=["memory", "s3"])
async def bucket(request: pytest.FixtureRequest) -> "Bucket":
    """An empty place in a bucket."""
    if request.param == "memory":
        return memory_bucket()
    server: S3Server = request.getfixturevalue("s3")
    return open_bucket(parse_root(f"s3://{server.new_bucket()}/photos/2026"), stall_s=10.0, patience_s=20.0)


async def names(bucket: "Bucket", below: str = "", after: str = "") -> list[str]:
    """All keys, in the order in which they came."""
    return [each.key async for page in bucket.list_below(below, after=after) for each in page]


async def test_object_comes_back_as_it_was_put(bucket: "Bucket") -> None:
    """Bytes, size and labels are read back, large ones piece by piece."""
    etag = await bucket.put("a/b.jpg", LARGE, labels={"sha256": "00ff", "bibs": "1,2"}, is_new=True)
    body, facts = await bucket.get("a/b.jpg")
    assert (body, facts.size_bytes, facts.etag) == (LARGE, len(LARGE), etag)
    assert (facts.key, facts.labels["sha256"], facts.labels["bibs"]) == ("a/b.jpg", "00ff", "1,2")
    looked = await bucket.head("a/b.jpg")
    assert (looked.labels["bibs"], looked.modified_ts > 1.6e9) == ("1,2", True)


async def test_condition_that_fails_writes_nothing(bucket: "Bucket") -> None:
    """A new object replaces none, and a replacement only the object that was seen."""
    etag = await bucket.put("a", b"first", is_new=True)
    with pytest.raises(OccupiedError, match="something lies there already"):
        await bucket.put("a", b"other", is_new=True)
    with pytest.raises(ChangedError):
        await bucket.put("a", b"other", if_etag='"0123"')
    with pytest.raises(ChangedError):
        await bucket.put("none", b"other", if_etag=etag)
    assert ((await bucket.get("a"))[0], await bucket.find("none")) == (b"first", None)
    await bucket.put("a", b"second", if_etag=etag)
    with pytest.raises(ChangedError):
        await bucket.put("a", b"third", if_etag=etag)
    assert (await bucket.get("a"))[0] == b"second"


async def test_file_goes_in_parts_and_whole(bucket: "Bucket", tmp_path: Path) -> None:
    """A large file is put in parts, with its labels."""
    (tmp_path / "large").write_bytes(LARGE * 6)
    await bucket.put_file("a", tmp_path / "large", labels={"sha256": "00ff"})
    body, facts = await bucket.get("a")
    assert (body == LARGE * 6, facts.labels["sha256"]) == (True, "00ff")


async def test_copy_takes_the_labels_along(bucket: "Bucket") -> None:
    """A copy inside the store has the bytes and the labels; what is not there cannot be copied."""
    await bucket.put("a", b"bytes", labels={"sha256": "00ff"})
    await bucket.copy("a", ".mirror/versions/a", is_new=True)
    body, facts = await bucket.get(".mirror/versions/a")
    assert (body, facts.labels["sha256"]) == (b"bytes", "00ff")
    with pytest.raises(AbsentError):
        await bucket.copy("none", "b", is_new=False)


async def test_listing_is_in_order_and_ends(bucket: "Bucket") -> None:
    """A listing names what lies below a folder, from a key on, with sizes; strange names too."""
    keys = ["a/1.jpg", "a/10.jpg", "a/2.jpg", "a/b/x.jpg", "ab/1.jpg", "Ü ü/+ %41#?&~.jpg"]
    await asyncio.gather(*(bucket.put(key, b"x" * len(key)) for key in keys))
    assert await names(bucket) == sorted(keys)
    assert await names(bucket, "a", after="a/10.jpg") == ["a/2.jpg", "a/b/x.jpg"]
    assert [len(page) async for page in bucket.list_below("a")] == [4]
    await bucket.delete(["a/1.jpg", "none", "Ü ü/+ %41#?&~.jpg"])
    assert await names(bucket) == ["a/10.jpg", "a/2.jpg", "a/b/x.jpg", "ab/1.jpg"]


async def test_long_listing_comes_in_pages(s3: S3Server) -> None:
    """More than a page of objects costs one request for each thousand."""
    name = s3.new_bucket()
    bucket = open_bucket(parse_root(f"s3://{name}/p"))
    keys = [f"a/{number:05}.jpg" for number in range(1001)]
    await asyncio.gather(*(bucket.put(key, b"") for key in keys))
    assert await names(bucket) == keys
    assert len([each for each in s3.requests() if each.startswith(f"GET /{name}?")]) == 2


async def test_strange_names_of_others_do_not_stop_a_listing(s3: S3Server) -> None:
    """Folders that a console made are borne with; a name that no path can be is told."""
    name = s3.new_bucket()
    bucket = open_bucket(parse_root(f"s3://{name}/p"))
    await bucket.put("a/1.jpg", b"x")
    s3.plainly("PUT", f"/{name}/p/a/", b"")
    assert "a/1.jpg" in await names(bucket)
    s3.plainly("PUT", f"/{name}/p/a//b.jpg", b"y")
    with pytest.raises(ArchiveError, match=r"can be listed: p/a//b\.jpg"):
        await names(bucket)


async def test_missing_bucket_is_named(s3: S3Server) -> None:
    """A bucket that is not there is named, as what it is."""
    bucket = open_bucket(parse_root("s3://no-such-club/photos"))
    for asking in (names(bucket), bucket.put("a", b"x"), bucket.get("a")):
        with pytest.raises(ArchiveError, match="s3://no-such-club/photos: there is no bucket of that name"):
            await asking


def test_bucket_without_the_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the library is not installed, one line says how to get it."""
    monkeypatch.setitem(__import__("sys").modules, "mirror.archive.objects.bucket", None)
    with pytest.raises(ConfigError, match=r"pip install 'mirror\[s3\]'"):
        open_bucket(parse_root("s3://club/photos"))


# -- a store in trouble -------------------------------------------------------------------------------------------------


@pytest.fixture
async def refusals(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[tuple[int, str]]]:
    """A store that answers every request with the first of these, and drops it; without any, with an empty 200."""
    answers: list[tuple[int, str]] = []

    async def answer(_request: web.Request) -> web.Response:
        status, code = answers.pop(0) if answers else (200, "")
        return web.Response(
            status=status, headers={"ETag": '"1"'}, text=f"<Error><Code>{code}</Code><Message>hush</Message></Error>"
        )

    async with _serving(answer, monkeypatch):
        yield answers


@asynccontextmanager
async def _serving(
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[None]:
    """Let a store of our own answer all requests."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    for name, value in (("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}"), ("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "hush")):  # fmt: skip
        monkeypatch.setenv(name, value)
    yield
    await runner.cleanup()


@pytest.mark.parametrize(
    ("status", "code", "error", "words"),
    [
        (403, "InvalidAccessKeyId", DeniedError, r"refuses these credentials \(InvalidAccessKeyId\)"),
        (403, "AccessDenied", DeniedError, r"cannot write a: the store refuses .* \(AccessDenied\)"),
        (400, "InvalidRequest", ArchiveError, r"the store refused \(InvalidRequest\)"),
        (301, "PermanentRedirect", ArchiveError, "set AWS_REGION"),
    ],
)
async def test_refusal_is_told_and_not_repeated(
    refusals: list[tuple[int, str]], status: int, code: str, error: type[ArchiveError], words: str
) -> None:
    """What no second try can mend ends at once, with the store's code and no other word of its answer."""
    refusals += [(status, code)] * 2
    bucket = open_bucket(parse_root("s3://club/photos"))
    with pytest.raises(error, match=words) as caught:
        await bucket.put("a", b"x")
    assert ("hush" in str(caught.value), isinstance(caught.value, AwayError), len(refusals)) == (False, False, 1)


async def test_interrupted_read_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that breaks off, again and again, is asked for from there on, as long as it is the same object."""
    asked: list[tuple[str, str]] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append((request.headers.get("Range", ""), request.headers.get("If-Match", "")))
        start = int(request.headers.get("Range", "bytes=0-")[6:].partition("-")[0])
        headers = {
            "ETag": '"1"',
            "Last-Modified": "Wed, 25 Nov 2026 12:00:00 GMT",
            "Content-Length": str(len(LARGE) - start),
        }
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(LARGE) - 1}/{len(LARGE)}"
        response = web.StreamResponse(status=206 if start else 200, headers=headers)
        await response.prepare(request)
        await response.write(LARGE[start : start + 400_000])
        if start + 400_000 < len(LARGE):
            assert request.transport is not None
            request.transport.abort()
        return response

    async with _serving(answer, monkeypatch):
        body, facts = await open_bucket(parse_root("s3://club/photos")).get("a")
    assert (body == LARGE, facts.size_bytes) == (True, len(LARGE))
    # The library goes on by itself a few times, and compares what comes; then we ask.
    assert len([ranged for ranged, _ in asked if ranged]) > 2
    assert {match for _, match in asked} == {"", '"1"'}


async def test_trouble_is_waited_out(refusals: list[tuple[int, str]], caplog: pytest.LogCaptureFixture) -> None:
    """A store that asks for fewer requests, or breaks down, is asked again; that is told once, and its end."""
    refusals += [(503, "SlowDown"), (500, "InternalError"), *[(503, "SlowDown")] * 5]
    await open_bucket(parse_root("s3://club/photos")).put("a", b"x")
    assert refusals == []
    told = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    assert told == [
        "s3://club/photos: cannot write a: the store has trouble (SlowDown): asking again",
        "s3://club/photos: the store answers again",
    ]


async def test_store_that_is_away_for_too_long_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that nobody answers for is told by its place, once patience is used up."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    bucket = open_bucket(parse_root("s3://club/photos"), patience_s=0.1)
    with pytest.raises(AwayError, match="s3://club/photos: cannot look at a: the store does not answer"):
        await bucket.head("a")


async def test_missing_credentials_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the usual chain finds none, the message says what to set."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    bucket = open_bucket(parse_root("s3://club/photos"), patience_s=0.1)
    with pytest.raises(ArchiveError, match="AWS_ACCESS_KEY_ID"):
        await bucket.head("a")


async def test_profile_of_other_tools_is_used(s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no key is in the environment, that of a profile in ~/.aws signs the requests."""
    required("boto3")
    name = s3.new_bucket()
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/credentials").write_text(
        "[default]\naws_access_key_id = profiled\naws_secret_access_key = hush\n"
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert await names(open_bucket(parse_root(f"s3://{name}/p"), patience_s=0.1)) == []
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(ConfigError, match="nobody"):
        open_bucket(parse_root(f"s3://{name}/p"))
