"""What goes wrong on the way: cuts, silence, dribbles, dead connections, certificates."""

import asyncio
import socket
import ssl
from pathlib import Path

import pytest

from mirror.errors import ConfigError, FetchError, RefusedError, TruncatedError, UnreachableError
from mirror.hosts import HostRules
from mirror.transport import Transport
from tests.wire import (
    LOOPBACK,
    PICTURE,
    Handler,
    Request,
    Wire,
    always,
    answer,
    fetch,
    in_turn,
    open_transport,
    raw_server,
)

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


async def _reset(_: Request, wire: Wire) -> None:
    wire.reset()


async def _close(_: Request, wire: Wire) -> None:
    wire.close()


async def _stall(_: Request, wire: Wire) -> None:
    await wire.stall()


async def _half_then_reset(_: Request, wire: Wire) -> None:
    await wire.send(answer(PICTURE[:100], length=len(PICTURE)))
    wire.reset()


async def _half_then_stall(_: Request, wire: Wire) -> None:
    await wire.send(answer(PICTURE[:100], length=len(PICTURE)))
    await wire.stall()


async def _dribbled_body(_: Request, wire: Wire) -> None:
    await wire.send(answer(b"", length=len(PICTURE)))
    await wire.dribble(PICTURE, every_s=0.01)


async def _dribbled_headers(_: Request, wire: Wire) -> None:
    await wire.dribble(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 5000, every_s=0.02)


async def _dribbled_chunk_size(_: Request, wire: Wire) -> None:
    await wire.send(CHUNKED + b"5\r\nhello\r\n")
    await wire.dribble(b"5;" + b"x" * 5000, every_s=0.02)


async def stream(transport: Transport, url: str, parts: list[bytes] | None = None) -> None:
    """Read one picture in pieces."""
    async with transport.open_asset(url) as body:
        async for piece in body.chunks(1_000_000):
            if parts is not None:
                parts.append(piece)


@pytest.mark.parametrize(
    ("handler", "error"),
    [
        (_half_then_reset, TruncatedError),
        (always(answer(PICTURE[:100], length=len(PICTURE)), close=True), TruncatedError),
        (always(CHUNKED + b"5\r\nhello\r\n", close=True), TruncatedError),
        (always(CHUNKED + b"zz\r\nhello\r\n", close=True), UnreachableError),
        (_reset, UnreachableError),
        (_close, UnreachableError),
        (always(b"SSH-2.0-OpenSSH_9\r\n\r\n", close=True), UnreachableError),
        (always(answer(length=None, Content_Length="1, 2"), close=True), UnreachableError),
    ],
    ids=["reset", "short", "no last chunk", "bad chunk", "reset at once", "closed at once", "no HTTP", "two lengths"],
)
@pytest.mark.parametrize("is_streamed", [False, True])
async def test_broken_answer_fails_by_its_kind(handler: Handler, error: type[FetchError], *, is_streamed: bool) -> None:
    """However a transfer breaks off, it is a transient failure with a clean text, never a short body."""
    async with raw_server(handler) as server, open_transport() as transport:
        with pytest.raises(error) as caught:
            await (stream if is_streamed else fetch)(transport, server.url("/1.jpg?sig=secret"))
    assert caught.value.transient
    assert caught.value.url == server.url("/1.jpg")
    assert "secret" not in str(caught.value)
    assert transport.in_flight == 0


async def test_bytes_before_a_cut_come_out_before_the_failure() -> None:
    """What arrived before a transfer broke off is not lost: it can be resumed from."""
    parts: list[bytes] = []

    async def cut(_: Request, wire: Wire) -> None:
        await wire.send(answer(PICTURE, length=2 * len(PICTURE)))
        await wire.stall()

    async with raw_server(cut) as server, open_transport(stall_s=0.2) as transport:
        with pytest.raises(UnreachableError, match="stalled"):
            await stream(transport, server.url(), parts)
    assert b"".join(parts) == PICTURE


@pytest.mark.parametrize(
    ("handler", "why"),
    [
        (_stall, "no answer in time"),
        (_half_then_stall, "stalled"),
        (_dribbled_headers, "no answer in time"),
        (_dribbled_chunk_size, "stalled"),
    ],
)
async def test_silence_and_chatter_end(handler: Handler, why: str) -> None:
    """Silence ends by the stall limit; bytes that bring the picture no further end soon after."""
    async with raw_server(handler) as server, open_transport(stall_s=0.1, connect_s=0.1) as transport:
        with pytest.raises(UnreachableError, match=why):
            await fetch(transport, server.url())


async def test_dribbled_body_is_too_slow() -> None:
    """A byte now and then is never silent; the least rate ends it."""
    async with (
        raw_server(_dribbled_body) as server,
        open_transport(least_rate_after_s=0.1, least_rate_bytes_s=1000) as transport,
    ):
        with pytest.raises(UnreachableError, match="too slow"):
            await fetch(transport, server.url())


async def test_slow_but_steady_body_is_read() -> None:
    """A transfer above the least rate may take as long as it takes."""
    async with (
        raw_server(_dribbled_body) as server,
        open_transport(least_rate_after_s=0.01, least_rate_bytes_s=1) as transport,
        transport.open_asset(server.url()) as body,
    ):
        async for _ in body.chunks(1):
            if body.read_bytes >= 20:
                break
        assert body.read_bytes >= 20


async def test_refused_connection_is_unreachable() -> None:
    """A port where nobody listens is a transient failure without an answer."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/1.jpg"
        async with open_transport() as transport:
            with pytest.raises(UnreachableError) as caught:
                await fetch(transport, url)
    assert caught.value.status is None


async def test_unknown_host_name_is_unreachable() -> None:
    """A name that cannot be found is a transient failure: name servers have bad days."""
    too_long = "x" * 64
    async with open_transport(rules=HostRules(allowed=("*.invalid",), allow_http=True)) as transport:
        with pytest.raises(UnreachableError, match="host name not found"):
            await fetch(transport, f"http://{too_long}.invalid/1.jpg")


async def test_kept_connection_that_died_is_no_failure() -> None:
    """Connections closed without notice cost nothing but another request at once."""

    async def once_each(request: Request, wire: Wire) -> None:
        if sum(each.connection_no == request.connection_no for each in server.requests) > 1:
            wire.reset()
        else:
            await wire.send(answer())

    async with raw_server(once_each) as server, open_transport() as transport:
        for _ in range(20):
            assert await fetch(transport, server.url()) == PICTURE
    assert transport.asset_requests == 20


async def test_body_then_close_is_whole() -> None:
    """A store that sends everything and closes is in order, with and without a length."""
    handler = in_turn(
        always(answer(Connection="close"), close=True),
        always(answer(length=None), close=True),
        always(answer(), close=True),
    )
    async with raw_server(handler) as server, open_transport() as transport:
        for _ in range(3):
            assert await fetch(transport, server.url()) == PICTURE


async def test_unread_body_costs_its_connection_only() -> None:
    """Leaving a body unread closes its connection; the next picture comes over another."""
    async with raw_server(always(answer(PICTURE * 100))) as server, open_transport() as transport:
        async with transport.open_asset(server.url()) as body:
            assert body.length == 100 * len(PICTURE)
        assert len(await fetch(transport, server.url())) == 100 * len(PICTURE)
        assert transport.in_flight == 0


async def test_certificate_nobody_vouches_for_is_refused(tls: ssl.SSLContext) -> None:
    """No request is made over a connection that is not trusted; not a picture's, not the API's."""
    async with raw_server(always(answer()), tls=tls) as server, open_transport() as transport:
        with pytest.raises(RefusedError, match="certificate refused"):
            await fetch(transport, server.url())
        with pytest.raises(RefusedError, match="certificate refused"):
            await transport.ask_api(server.url(), params={}, headers={})
    assert server.requests == []


async def test_certificates_can_be_added(tls: ssl.SSLContext, certificate: Path) -> None:
    """A file of certificates makes their hosts trusted."""
    async with raw_server(always(answer()), tls=tls) as server, open_transport(ca_file=certificate) as transport:
        assert await fetch(transport, server.url()) == PICTURE


async def test_https_is_not_left_by_a_redirect(tls: ssl.SSLContext, certificate: Path) -> None:
    """A redirect from https to http is refused, even where http is allowed."""
    handler = always(answer(b"", status="302 Down", Location="http://127.0.0.1/1.jpg"))
    async with raw_server(handler, tls=tls) as server, open_transport(ca_file=certificate) as transport:
        with pytest.raises(RefusedError, match="from https to http://127"):
            await fetch(transport, server.url())


async def test_failed_handshake_is_unreachable() -> None:
    """A handshake that fails for another reason than trust may work later."""

    async def no_tls(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(b"", status="400 Bad"))
        writer.close()

    async with await asyncio.start_server(no_tls, "127.0.0.1", 0) as server, open_transport() as transport:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(UnreachableError, match="TLS handshake failed"):
            await fetch(transport, f"https://127.0.0.1:{port}/1.jpg")


@pytest.mark.parametrize("text", [None, "no certificate"])
def test_unusable_ca_file_is_a_wrong_setting(tmp_path: Path, text: str | None) -> None:
    """It is found before anything is asked."""
    file = tmp_path / "ca.pem"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError, match="ca_file"):
        Transport(user_agent="mirror/test", rules=LOOPBACK, ca_file=file)
