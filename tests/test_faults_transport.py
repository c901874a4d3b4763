"""What a picture's host may do on the way, and what a run makes of it: whole pictures, bounded tries, nobody held up."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import web

from mirror import run_sync
from mirror.demo import Request
from mirror.demo.drawing import tiny_picture, with_comment
from mirror.tally import Tally
from tests.simulator import ALWAYS, PICTURES, Answer, SourceSimulator
from tests.test_resume import LargeRace
from tests.test_sync import assert_agrees, tree
from tests.wire import RawServer, Wire, always, answer, raw_server


def connection(request: web.Request) -> asyncio.Transport:
    """The server's end of a request's connection."""
    assert isinstance(request.transport, asyncio.Transport)
    return request.transport


async def begun(request: web.Request, honest: web.Response, *, is_chunked: bool = False) -> web.StreamResponse:
    """Send headers and half of the body."""
    assert isinstance(honest.body, bytes)
    response = web.StreamResponse(headers={"ETag": honest.headers["ETag"]})
    if is_chunked:
        response.enable_chunked_encoding()
    else:
        response.content_length = len(honest.body)
    await response.prepare(request)
    await response.write(honest.body[: len(honest.body) // 2])
    return response


async def _reset(request: web.Request, honest: web.Response) -> web.StreamResponse:
    response = await begun(request, honest)
    connection(request).abort()
    return response


async def _close(request: web.Request, honest: web.Response) -> web.StreamResponse:
    response = await begun(request, honest)
    connection(request).close()
    return response


async def _lose_the_last_chunk(request: web.Request, honest: web.Response) -> web.StreamResponse:
    response = await begun(request, honest, is_chunked=True)
    connection(request).close()
    return response


async def _no_answer(request: web.Request, honest: web.Response) -> web.StreamResponse:
    connection(request).abort()
    return honest


async def _silence(request: web.Request, honest: web.Response) -> web.StreamResponse:
    response = await begun(request, honest)
    await asyncio.Event().wait()
    return response


async def _silence_at_once(_: web.Request, honest: web.Response) -> web.StreamResponse:
    await asyncio.Event().wait()
    return honest


def only_whole_files(source: SourceSimulator, root: Path) -> Callable[[Request], None]:
    """Look at every file under a final name each time that something is asked for."""
    known: set[Path] = set()

    def look(_: Request) -> None:
        now = {path for path in root.rglob("*.jpg") if ".mirror" not in path.parts} - known
        pictures = {
            source.race.picture(f"/b/{prefix}/{photo.name}.jpg")
            for photo in (source.race.photos.values() if now else ())
            for prefix in ("customOriginal_v3", "large_watermarked_v3", "thumbs_v2")
        }
        assert all(path.read_bytes() in pictures for path in now)
        known.update(now)

    return look


@pytest.mark.parametrize("photos", [12, 0])
@pytest.mark.parametrize("does", [_reset, _close, _lose_the_last_chunk, _no_answer])
async def test_broken_transfer_is_mended_and_never_seen(tmp_path: Path, does: Answer, photos: int) -> None:
    """Small pictures or large: a cut costs a try, and at no request a short file stands under a final name."""
    async with SourceSimulator(photos=photos) as source:
        if not photos:
            source.race = LargeRace(photos=0)
            source.race.gain_uploads(1)
        source.fault(PICTURES, times=4, does=does)
        source.on_request = only_whole_files(source, tmp_path / "photos")
        report = await run_sync(source.config(tmp_path, DOWNLOAD__ATTEMPTS="8"))
        assert report.exit_code == 0
        assert source.faults[0].times == 0
        assert report.stored == len(tree(tmp_path / "photos"))
    assert_agrees(tmp_path / "photos")


@pytest.mark.parametrize("does", [_silence, _silence_at_once])
async def test_silence_ends_by_the_stall_limit(tmp_path: Path, does: Answer) -> None:
    """In the middle of a body or before any header: given up, tried again, fetched."""
    async with SourceSimulator() as source:
        source.fault("thumbs", times=2, does=does)
        report = await run_sync(source.config(tmp_path, DOWNLOAD__STALL_TIMEOUT="300ms"))
        assert report.exit_code == 0
        assert report.retries >= 2
    assert_agrees(tmp_path / "photos")


async def test_dribbled_picture_is_given_up_and_holds_nobody_up(tmp_path: Path) -> None:
    """A byte now and then is never silent: the least rate ends it, and all others are stored meanwhile."""

    async def dribble(request: web.Request, honest: web.Response) -> web.StreamResponse:
        response = await begun(request, honest)
        while not connection(request).is_closing():
            await response.write(b".")
            await asyncio.sleep(0.01)
        return response

    async with SourceSimulator() as source:
        slow = list(source.race.photos.values())[-1]
        source.fault(f"large_watermarked_v3/{slow.name}", times=ALWAYS, does=dribble)
        limits = {"DOWNLOAD__LEAST_RATE": "1MB", "DOWNLOAD__LEAST_RATE_AFTER": "200ms", "DOWNLOAD__ATTEMPTS": "2"}
        report = await run_sync(source.config(tmp_path, **limits))
        assert (report.exit_code, report.missing) == (1, 1)
        assert "too slow" in report.failures[0].example
        assert source.pictures_asked(f"large_watermarked_v3/{slow.name}") == 2
    assert_agrees(tmp_path / "photos")


async def test_connection_that_dies_between_two_pictures_costs_no_try(tmp_path: Path) -> None:
    """Kept connections that the host closed without notice are replaced at once: one try each is enough."""
    used: set[object] = set()
    closed = 0

    async def close_when_used_again(request: web.Request, honest: web.Response) -> web.StreamResponse:
        nonlocal closed
        if connection(request) in used and closed < 10:
            closed += 1
            connection(request).abort()
        used.add(connection(request))
        return honest

    async with SourceSimulator(photos=40) as source:
        source.fault(PICTURES, times=ALWAYS, does=close_when_used_again)
        report = await run_sync(source.config(tmp_path, DOWNLOAD__ATTEMPTS="1"))
        assert (report.exit_code, report.retries, closed) == (0, 0, 10)
    assert_agrees(tmp_path / "photos")


async def test_host_that_is_not_there_yet_is_tried_again(tmp_path: Path) -> None:
    """Connections are refused at first; the store comes up, and the pauses were long enough."""
    tally = Tally()
    store = RawServer(always(answer(tiny_picture()), close=True))

    async def come_up(door: socket.socket) -> asyncio.Server:
        while not tally.retries:
            await asyncio.sleep(0)
        return await asyncio.start_server(store.serve, sock=door)

    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        coming = asyncio.create_task(come_up(door))
        async with SourceSimulator(photos=0) as source:
            for photo in source.race.gain_uploads(2):
                url = f"http://127.0.0.1:{door.getsockname()[1]}/{photo.photo_id}.jpg"
                photo.extra = {"large": {"image_url": url, "width": 1, "height": 1}}
            config = source.config(tmp_path, DOWNLOAD__FIRST_WAIT="50ms", DOWNLOAD__LONGEST_WAIT="1s")
            report = await run_sync(config, tally=tally)
            assert report.exit_code == 0
        async with await coming:
            assert len(store.requests) == 2
    assert_agrees(tmp_path / "photos")


@pytest.mark.parametrize("length", [-1, None])
async def test_store_that_closes_after_each_picture_is_fine(tmp_path: Path, length: int | None) -> None:
    """The whole body at once, then the end of the connection: one request for each, with a length or without."""
    handler = always(answer(tiny_picture(), length=length, Connection="close"), close=True)
    async with raw_server(handler) as server, SourceSimulator(photos=0) as source:
        for photo in source.race.gain_uploads(20):
            photo.extra = {"large": {"image_url": server.url(f"/{photo.photo_id}.jpg"), "width": 1, "height": 1}}
        report = await run_sync(source.config(tmp_path, DOWNLOAD__ATTEMPTS="1"))
        assert report.exit_code == 0
        assert len(server.requests) == 20
    assert_agrees(tmp_path / "photos")


async def test_store_that_closes_after_megabytes_over_tls_is_fine(
    tmp_path: Path, tls: ssl.SSLContext, certificate: Path
) -> None:
    """A megabyte over https and then the end of the connection is whole in one try, each time."""
    picture = with_comment(tiny_picture(), "large") + bytes(range(256)) * 4000
    handler = always(answer(picture, Connection="close"), close=True)
    async with raw_server(handler, tls=tls) as server, SourceSimulator(photos=0) as source:
        for photo in source.race.gain_uploads(25):
            photo.extra = {"large": {"image_url": server.url(f"/{photo.photo_id}.jpg"), "width": 1, "height": 1}}
        config = source.config(tmp_path, DOWNLOAD__ATTEMPTS="1", DOWNLOAD__CA_FILE=str(certificate))
        report = await run_sync(config)
        assert (report.exit_code, report.retries) == (0, 0)
        assert len(server.requests) == 25
        large = [path for path in (tmp_path / "photos").rglob("*.jpg") if path.parent.name == "large"]
        assert {path.stat().st_size for path in large} == {len(picture)}
    assert_agrees(tmp_path / "photos")


@pytest.mark.parametrize("status", [503, 500, 429])
async def test_hopeless_picture_has_bounded_tries_and_blocks_nobody(tmp_path: Path, status: int) -> None:
    """One address that always fails is tried as often as configured; all others are stored."""
    async with SourceSimulator() as source:
        poison = list(source.race.photos.values())[-1]
        source.fault(f"large_watermarked_v3/{poison.name}", times=ALWAYS, status=status, body=b"<Error/>")
        report = await run_sync(source.config(tmp_path, DOWNLOAD__ATTEMPTS="4"))
        assert (report.exit_code, report.missing) == (1, 1)
        assert source.pictures_asked(f"large_watermarked_v3/{poison.name}") == 4
        assert str(poison.photo_id) in report.failures[0].example
    assert_agrees(tmp_path / "photos")


async def test_store_that_asks_for_a_pause_gets_it(tmp_path: Path) -> None:
    """Retry-After of one picture holds back all requests to its host."""
    async with SourceSimulator() as source:
        source.fault("thumbs", status=503, headers={"Retry-After": "1"})
        assert (await run_sync(source.config(tmp_path, DOWNLOAD__CONCURRENCY="1"))).exit_code == 0
        pictures = [each for each in source.requests if not each.is_api]
        number, held = next((n, each) for n, each in enumerate(pictures) if "thumbs" in each.path)
        assert pictures[number + 1].at - held.at >= 1
    assert_agrees(tmp_path / "photos")


@pytest.mark.parametrize("status", [401, 403, 404, 410])
async def test_refused_picture_is_asked_for_once_a_run(tmp_path: Path, status: int) -> None:
    """What another try cannot mend is tried once in each run, named in each, and mended when it comes."""
    async with SourceSimulator() as source:
        photo = list(source.race.photos.values())[-1]
        source.fault(photo.name, times=ALWAYS, status=status, body=b"<Error><Code>AccessDenied</Code></Error>")
        config = source.config(tmp_path)
        for run in (1, 2):
            report = await run_sync(config)
            assert (report.exit_code, report.missing) == (1, len(photo.offered))
            assert source.pictures_asked(photo.name) == run * len(photo.offered)
        source.faults.clear()
        assert (await run_sync(config)).exit_code == 0
    assert_agrees(tmp_path / "photos")


async def test_pool_is_the_bound_for_retries_and_redirects_too(tmp_path: Path) -> None:
    """Never more picture requests at once than configured, whatever happens to them."""

    async def elsewhere(request: web.Request, honest: web.Response) -> web.StreamResponse:
        await asyncio.sleep(0.005)
        if request.query_string:
            return honest
        return web.Response(status=307, headers={"Location": f"{request.path}?again"})

    async def slowly(_: web.Request, honest: web.Response) -> web.StreamResponse:
        await asyncio.sleep(0.005)
        return honest

    async with SourceSimulator(photos=40) as source:
        source.fault("thumbs", times=ALWAYS, does=elsewhere)
        source.fault("large_watermarked", times=15, status=500)
        source.fault(PICTURES, times=ALWAYS, does=slowly)
        report = await run_sync(source.config(tmp_path, DOWNLOAD__CONCURRENCY="4", DOWNLOAD__ATTEMPTS="20"))
        assert report.exit_code == 0
        assert source.most_image_requests == 4
    assert_agrees(tmp_path / "photos")


async def test_unread_answer_of_one_picture_harms_no_other(tmp_path: Path) -> None:
    """A body that is longer than announced is that picture's fault alone."""

    async def too_long(_: object, wire: Wire) -> None:
        await wire.send(answer(tiny_picture() + b"and more", length=len(tiny_picture())) + b"x" * 2000)

    async with raw_server(too_long) as server, SourceSimulator() as source:
        photo = list(source.race.photos.values())[-1]
        photo.extra = {"large": {"image_url": server.url(), "width": 1, "height": 1}}
        report = await run_sync(source.config(tmp_path))
        assert report.missing <= 1
    assert_agrees(tmp_path / "photos")
