"""Requests that go straight over a session's connections: the same bytes on the wire as the session's own."""

import asyncio

import aiohttp
import pytest
from multidict import CIMultiDict
from yarl import URL

from mirror.transport.direct import DirectGet
from tests.wire import PICTURE, RawServer, Request, Wire, always, answer, raw_server

_LIMIT = aiohttp.ClientTimeout(total=None, sock_connect=5)


async def _asked(server: RawServer, version: str) -> list[tuple[str, dict[str, str]]]:
    headers = CIMultiDict({"Range": "bytes=5-", "If-Range": '"a"', "User-Agent": "other"})
    session = aiohttp.ClientSession(headers={"User-Agent": "mirror/test", "Accept": "*/*"}, auto_decompress=False)
    async with session:
        direct = DirectGet(session, timeout=_LIMIT, read_bytes=65_536, version=version)
        for path, more in (("/a.jpg?sig=a%2Fb", None), ("/b.jpg", headers), ("/c.jpg", headers)):
            response = await direct.get(URL(server.url(path), encoded=True), more)
            assert (response.status, await response.read()) == (200, PICTURE)
    assert dict(headers) == {"Range": "bytes=5-", "If-Range": '"a"', "User-Agent": "other"}
    return [(each.target, each.headers) for each in server.requests]


async def test_direct_request_is_the_session_s_own() -> None:
    """With a release of aiohttp that is not known the session asks; the source cannot tell the two ways apart."""
    async with raw_server(always(answer())) as one, raw_server(always(answer())) as other:
        straight, by_session = await _asked(one, aiohttp.__version__), await _asked(other, "9.9.9")
        assert (one.connections, other.connections) == (1, 1)
    assert len(straight) == 3
    assert [(target, {**said, "host": ""}) for target, said in straight] == [
        (target, {**said, "host": ""}) for target, said in by_session
    ]


@pytest.mark.parametrize("version", [aiohttp.__version__, "9.9.9"])
async def test_direct_request_gives_its_connection_back_when_it_is_cancelled(version: str) -> None:
    """A request that is cancelled while it waits closes its connection, and the next one gets a new one."""
    asked = asyncio.Event()

    async def silent(_: Request, wire: Wire) -> None:
        asked.set()
        await wire.stall()

    async with raw_server(silent) as server, aiohttp.ClientSession() as session:
        direct = DirectGet(session, timeout=_LIMIT, read_bytes=65_536, version=version)
        task = asyncio.create_task(direct.get(URL(server.url()), None))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        server.handler = always(answer())
        response = await direct.get(URL(server.url()), None)
        assert await response.read() == PICTURE
        assert server.connections == 2


@pytest.mark.parametrize("version", [aiohttp.__version__, "9.9.9"])
async def test_direct_request_fails_in_aiohttp_s_words(version: str) -> None:
    """Nobody listens: the error is the one that the session raises."""
    async with raw_server(always(answer())) as server:
        url = URL(server.url())
    async with aiohttp.ClientSession() as session:
        direct = DirectGet(session, timeout=_LIMIT, read_bytes=65_536, version=version)
        with pytest.raises(aiohttp.ClientConnectorError):
            await direct.get(url, None)
