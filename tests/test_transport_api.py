"""The API over real sockets: two calls at once, whole answers, nothing followed."""

import asyncio
import gzip

import pytest

from mirror.errors import RefusedError, TruncatedError, UnreachableError
from mirror.transport import Answer, Transport
from tests.wire import Request, Wire, always, answer, open_transport, raw_server


async def ask(transport: Transport, url: str) -> Answer:
    """One call with a key and a secret."""
    return await transport.ask_api(url, params={"race_id": "7", "key": "a b&c"}, headers={"X-Secret": "s"})


async def test_api_call_carries_parameters_and_headers() -> None:
    """What is asked arrives, escaped; the answer comes whole with what its headers say."""
    said = answer(b"{}", Content_Type="application/json; charset=utf-8", Date="Tue, 24 Nov 2026 02:00:00 GMT")
    async with raw_server(always(said)) as server, open_transport() as transport:
        got = await ask(transport, server.url("/rest"))
        assert transport.api_calls == 1
    assert got == Answer(status=200, body=b"{}", content_type="application/json", served_ts=1_795_485_600)
    request = server.requests[0]
    assert request.target == "/rest?race_id=7&key=a+b%26c"
    assert request.headers["x-secret"] == "s"
    assert request.headers["accept-encoding"] == "gzip, deflate"


@pytest.mark.parametrize("status", ["400 Bad", "404 No", "429 Slow", "522 ???", "500 No"])
async def test_api_answer_is_not_judged(status: str) -> None:
    """Whatever the status, the body is read and handed over."""
    async with raw_server(always(answer(b"<html>", status=status))) as server, open_transport() as transport:
        got = await ask(transport, server.url())
    assert (got.status, got.body) == (int(status[:3]), b"<html>")


async def test_api_redirect_is_not_followed() -> None:
    """A redirect comes back as an answer that names its target, without query and control characters."""
    said = answer(b"", status="302 There", Location="//evil.example/a\x07b?key=secret")
    async with raw_server(always(said)) as server, open_transport() as transport:
        got = await ask(transport, server.url())
    assert got.location.startswith("http://evil.example/a")
    assert "secret" not in got.location
    assert got.location.isprintable()
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry_After": "7"}, 7.0),
        ({"Retry_After": "Tue, 24 Nov 2026 02:00:09 GMT", "Date": "Tue, 24 Nov 2026 02:00:00 GMT"}, 9.0),
        ({"Retry_After": "Tue, 24 Nov 2026 01:00:00 GMT", "Date": "Tue, 24 Nov 2026 02:00:00 GMT"}, 0.0),
        ({"Retry_After": "Mon, 01 Jan 1990 00:00:00 GMT"}, 0.0),
        ({"Retry_After": "soon"}, None),
        ({"Retry_After": "-5"}, None),
        ({"Retry_After": "\xb2"}, None),
        ({}, None),
    ],
)
async def test_retry_after_is_read(headers: dict[str, str], seconds: float | None) -> None:
    """Seconds are seconds; a date counts from the answer's own clock; nonsense is nothing."""
    said = answer(b"", length=0, status="503 Later", **headers)
    async with raw_server(always(said)) as server, open_transport() as transport:
        assert (await ask(transport, server.url())).retry_after_s == seconds


async def test_api_pages_may_be_compressed_and_chunked() -> None:
    """Gzip inside chunks is undone."""
    data = gzip.compress(b'{"photos": []}')
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    said = head + b"".join(b"%x\r\n%b\r\n" % (1, data[i : i + 1]) for i in range(len(data))) + b"0\r\n\r\n"
    async with raw_server(always(said)) as server, open_transport() as transport:
        assert (await ask(transport, server.url())).body == b'{"photos": []}'


@pytest.mark.parametrize("coding", ["identity", "gzip"])
async def test_api_page_is_capped(coding: str) -> None:
    """A page larger than the cap is refused, packed or not."""
    page = b" " * 2_000_000
    said = answer(gzip.compress(page) if coding == "gzip" else page, Content_Encoding=coding)
    async with raw_server(always(said)) as server, open_transport(largest_page_bytes=1_000_000) as transport:
        with pytest.raises(RefusedError, match=r"larger than download.largest_page \(1000000 bytes\)"):
            await ask(transport, server.url())


async def test_api_page_cut_short_is_truncated() -> None:
    """A page that ends too early is not handed over."""
    said = answer(b"{", length=100)
    async with raw_server(always(said, close=True)) as server, open_transport() as transport:
        with pytest.raises(TruncatedError):
            await ask(transport, server.url())


async def test_api_answer_has_a_total_limit() -> None:
    """An answer that comes drop by drop ends, though it is never silent."""

    async def dribble(_: Request, wire: Wire) -> None:
        await wire.send(answer(b"", length=100_000))
        await wire.dribble(b" " * 100_000, every_s=0.02)

    async with raw_server(dribble) as server, open_transport(api_answer_s=0.2) as transport:
        with pytest.raises(UnreachableError, match="no whole answer"):
            await ask(transport, server.url())


async def test_api_silence_ends() -> None:
    """Silence before the answer ends by the stall limit."""

    async def stall(_: Request, wire: Wire) -> None:
        await wire.stall()

    async with raw_server(stall) as server, open_transport(stall_s=0.1) as transport:
        with pytest.raises(UnreachableError, match="no answer in time"):
            await ask(transport, server.url())


async def test_api_gets_two_calls_at_once() -> None:
    """Never more than two calls are in flight, however many are wanted."""
    both = asyncio.Barrier(2)

    async def together(_: Request, wire: Wire) -> None:
        await both.wait()
        await wire.send(answer(b"{}"))

    async with raw_server(together) as server, open_transport() as transport:
        await asyncio.gather(*(ask(transport, server.url()) for _ in range(10)))
    assert server.most_in_flight == 2


async def test_api_is_held_back() -> None:
    """While held, no call is sent; one that is cancelled meanwhile never is."""
    async with raw_server(always(answer(b"{}"))) as server, open_transport() as transport:
        transport.hold_api(3600)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await ask(transport, server.url())
        assert (server.requests, transport.api_calls) == ([], 0)


async def test_credentials_go_to_the_apis_origin_alone() -> None:
    """With the origin given, no other address is asked."""
    async with (
        raw_server(always(answer(b"{}"))) as server,
        raw_server(always(answer(b"{}"))) as other,
        open_transport(api_origin=server.origin) as transport,
    ):
        assert (await ask(transport, server.url())).status == 200
        with pytest.raises(RefusedError, match="not at the API's address"):
            await ask(transport, other.url())
    assert other.requests == []
