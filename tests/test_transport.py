"""Pictures over real sockets: what is asked, what comes back, what is refused."""

import asyncio
import gzip
import zlib

import pytest

from mirror.errors import (
    FetchError,
    ForbiddenError,
    GoneError,
    MismatchError,
    RefusedError,
    ThrottledError,
    TruncatedError,
    UnreachableError,
)
from tests.wire import PICTURE, Request, Wire, always, answer, fetch, in_turn, open_transport, raw_server


async def test_asset_is_asked_for_bare() -> None:
    """A picture's request carries no credentials, cookies or referrer, and asks for the bytes as they are."""
    async with raw_server(always(answer(Set_Cookie="a=b"))) as server, open_transport() as transport:
        for _ in range(2):
            assert await fetch(transport, server.url("/t/1.jpg?sig=a%2Fb+c")) == PICTURE
    first, second = server.requests
    assert first.target == "/t/1.jpg?sig=a%2Fb+c"
    assert second.headers == {
        "host": server.host, "user-agent": "mirror/test", "accept": "*/*", "accept-encoding": "identity",
    }  # fmt: skip
    assert second.connection_no == first.connection_no


async def test_asset_address_is_escaped_where_it_must_be() -> None:
    """Spaces and letters beyond ASCII are escaped; what is escaped already stays as it is."""
    async with raw_server(always(answer())) as server, open_transport() as transport:
        await fetch(transport, server.url("/räce 1/%41.jpg"))
    assert server.requests[0].target == "/r%C3%A4ce%201/%41.jpg"


async def test_body_tells_its_validators_and_length() -> None:
    """ETag, Last-Modified and length come as announced, before anything is read."""
    said = answer(ETag='"abc"', Last_Modified="Mon, 23 Nov 2026 00:00:00 GMT")
    async with (
        raw_server(always(said)) as server,
        open_transport() as transport,
        transport.open_asset(server.url()) as body,
    ):
        assert (body.status, body.offset, body.length) == (200, 0, len(PICTURE))
        assert (body.etag, body.last_modified) == ('"abc"', "Mon, 23 Nov 2026 00:00:00 GMT")


@pytest.mark.parametrize("etag", ["\xff", '"' + "x" * 2000 + '"', ""])
async def test_unusable_validator_is_none(etag: str) -> None:
    """A validator that could not be stored and sent back as it is counts as missing."""
    said = answer(ETag=etag).replace("\xff".encode(), b"\xff")
    async with (
        raw_server(always(said)) as server,
        open_transport() as transport,
        transport.open_asset(server.url()) as body,
    ):
        assert body.etag is None
        assert await body.read() == PICTURE


async def test_body_comes_in_chunks() -> None:
    """Streamed pieces are of about the size asked for, and together the whole."""
    whole = PICTURE * 40
    async with (
        raw_server(always(answer(whole))) as server,
        open_transport() as transport,
        transport.open_asset(server.url()) as body,
    ):
        pieces = [piece async for piece in body.chunks(65_536)]
    assert b"".join(pieces) == whole
    assert all(len(piece) >= 65_536 for piece in pieces[:-1])


async def test_bytes_are_counted_as_they_travel() -> None:
    """Every byte of a body is reported once."""
    seen: list[int] = []
    async with raw_server(always(answer())) as server, open_transport(on_bytes=seen.append) as transport:
        await fetch(transport, server.url())
        async with transport.open_asset(server.url()) as body:
            async for _ in body.chunks(1000):
                pass
    assert sum(seen) == 2 * len(PICTURE)
    assert transport.asset_requests == 2


@pytest.mark.parametrize(
    ("coding", "data"),
    [
        ("gzip", gzip.compress(PICTURE)),
        ("x-gzip", gzip.compress(PICTURE[:100]) + gzip.compress(PICTURE[100:]) + b"\0\0"),
        ("deflate", zlib.compress(PICTURE)),
        ("Deflate", zlib.compress(PICTURE)[2:-4]),
    ],
)
async def test_body_is_decoded(coding: str, data: bytes) -> None:
    """A coding that nobody asked for is undone; the length announced is that of the coded form."""
    async with (
        raw_server(always(answer(data, Content_Encoding=coding))) as server,
        open_transport() as transport,
        transport.open_asset(server.url()) as body,
    ):
        assert body.length is None
        assert await body.read() == PICTURE


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (gzip.compress(PICTURE)[:-20], TruncatedError),
        (b"\x1f\x8bnothing of the kind", MismatchError),
        (gzip.compress(b"\0" * 3_000_000), RefusedError),
    ],
)
async def test_body_with_bad_compression_is_refused(data: bytes, error: type[FetchError]) -> None:
    """Compression that is cut, damaged, or unpacks to more than the cap fails the asset."""
    async with (
        raw_server(always(answer(data, Content_Encoding="gzip"))) as server,
        open_transport(largest_asset_bytes=2_000_000) as transport,
    ):
        with pytest.raises(error):
            await fetch(transport, server.url())


async def test_unknown_coding_is_refused() -> None:
    """A coding we cannot undo is not stored as a picture."""
    async with raw_server(always(answer(Content_Encoding="br"))) as server, open_transport() as transport:
        with pytest.raises(RefusedError, match="'br'"):
            await fetch(transport, server.url())


async def test_announced_size_above_the_cap_is_refused_unread() -> None:
    """An enormous Content-Length is enough to refuse."""
    async with (
        raw_server(always(answer(b"x", length=10**15))) as server,
        open_transport() as transport,
    ):
        with pytest.raises(RefusedError, match="largest_asset"):
            await fetch(transport, server.url())


async def test_endless_body_is_cut_at_the_cap() -> None:
    """A body without a length is read up to the cap and no further."""

    async def endless(_: Request, wire: Wire) -> None:
        await wire.send(answer(b"", length=None))
        while not wire.writer.is_closing() and not wire.reader.at_eof():
            await wire.send(PICTURE)

    async with raw_server(endless) as server, open_transport(largest_asset_bytes=1_000_000) as transport:
        with pytest.raises(RefusedError, match="largest_asset"):
            await fetch(transport, server.url())


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ("401 No", ForbiddenError),
        ("403 No", ForbiddenError),
        ("404 No", GoneError),
        ("410 No", GoneError),
        ("408 No", UnreachableError),
        ("429 No", ThrottledError),
        ("503 No", ThrottledError),
        ("500 No", UnreachableError),
        ("522 No", UnreachableError),
        ("416 No", MismatchError),
        ("204 No", MismatchError),
        ("304 No", MismatchError),
        ("206 No", MismatchError),
        ("400 No", RefusedError),
        ("301 No", RefusedError),
        ("300 No", RefusedError),
    ],
)
async def test_status_becomes_its_error(status: str, error: type[FetchError]) -> None:
    """Every status but the wanted ones is an error of its kind; its text holds no query."""
    async with raw_server(always(answer(b"", status=status))) as server, open_transport() as transport:
        with pytest.raises(error) as caught:
            await fetch(transport, server.url("/t/1.jpg?sig=secret"))
    assert caught.value.status == int(status[:3])
    assert caught.value.url == server.url("/t/1.jpg")
    assert "secret" not in str(caught.value)


async def test_short_refusal_keeps_its_connection() -> None:
    """A 404 with its page is read away, so that the next picture needs no new connection."""
    handler = in_turn(always(answer(b"<Error/>", status="404 No")), always(answer()))
    async with raw_server(handler) as server, open_transport() as transport:
        with pytest.raises(GoneError):
            await fetch(transport, server.url())
        await fetch(transport, server.url())
    assert server.connections == 1


class TestResuming:
    """Going on from bytes that are here already."""

    async def test_part_is_asked_for_and_placed(self) -> None:
        """An honest 206 says where its bytes lie and how long the whole is."""

        async def part(request: Request, wire: Wire) -> None:
            first = int(request.headers["range"].removeprefix("bytes=").rstrip("-"))
            place = f"bytes {first}-{len(PICTURE) - 1}/{len(PICTURE)}"
            await wire.send(answer(PICTURE[first:], status="206 Part", Content_Range=place, ETag='"v1"'))

        async with (
            raw_server(part) as server,
            open_transport() as transport,
            transport.open_asset(server.url(), offset=1000, etag='"v1"') as body,
        ):
            assert (body.offset, body.length, body.remaining) == (1000, len(PICTURE), len(PICTURE) - 1000)
            assert await body.read() == PICTURE[1000:]
        assert server.requests[0].headers["if-range"] == '"v1"'

    async def test_whole_answer_to_a_range_starts_at_zero(self) -> None:
        """A 200 means the whole body, whatever was asked for."""
        async with (
            raw_server(always(answer())) as server,
            open_transport() as transport,
            transport.open_asset(server.url(), offset=1000, etag='"v1"') as body,
        ):
            assert body.offset == 0
            assert await body.read() == PICTURE

    async def test_nothing_is_resumed_without_a_validator(self) -> None:
        """Without an ETag everything is asked for."""
        async with (
            raw_server(always(answer())) as server,
            open_transport() as transport,
            transport.open_asset(server.url(), offset=1000) as body,
        ):
            await body.read()
        assert "range" not in server.requests[0].headers

    @pytest.mark.parametrize(
        ("headers", "why"),
        [
            ({"Content_Range": "bytes 0-16383/16384"}, "another part"),
            ({"Content_Range": "bytes 1000-16383/16384", "ETag": '"v2"'}, "another version"),
            ({"Content_Range": "bytes 1000-999/16384"}, "without saying which"),
            ({"Content_Range": "bytes 1000-2000/1500"}, "without saying which"),
            ({"Content_Range": "bytes 1000-16000/16384"}, "Content-Length"),
            ({}, "another part"),
        ],
    )
    async def test_wrong_part_is_refused(self, headers: dict[str, str], why: str) -> None:
        """A part that does not fit what is here is never joined to it."""
        said = answer(PICTURE[1000:], status="206 Part", length=-1, **headers)
        async with raw_server(always(said)) as server, open_transport() as transport:
            with pytest.raises(MismatchError, match=why):
                async with transport.open_asset(server.url(), offset=1000, etag='"v1"') as body:
                    await body.read()

    async def test_part_that_ends_early_is_truncated(self) -> None:
        """A part that stops before the end of the whole is not the rest."""
        said = answer(PICTURE[1000:2000], status="206 Part", Content_Range=f"bytes 1000-1999/{len(PICTURE)}")
        async with raw_server(always(said)) as server, open_transport() as transport:
            with pytest.raises(TruncatedError):
                async with transport.open_asset(server.url(), offset=1000, etag='"v1"') as body:
                    await body.read()

    async def test_unchanged_asset_comes_without_bytes(self) -> None:
        """A 304 to our own condition is an answer, with nothing to read."""
        said = answer(b"", status="304 Same", length=len(PICTURE), ETag='"v1"')
        async with (
            raw_server(always(said)) as server,
            open_transport() as transport,
            transport.open_asset(server.url(), if_none_match='"v1"') as body,
        ):
            assert body.status == 304
            assert await body.read() == b""
        assert server.requests[0].headers["if-none-match"] == '"v1"'


async def test_transfers_keep_to_the_speed_limit() -> None:
    """The limit is shared, and can be set while running: then bodies ask it for leave."""
    async with raw_server(always(answer())) as server, open_transport() as transport:
        transport.limit_rate(1e9)
        assert await asyncio.gather(*(fetch(transport, server.url()) for _ in range(4))) == [PICTURE] * 4
        assert transport.flow._free_at > 0
