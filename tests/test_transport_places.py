"""Places at hosts: how many ask at once, in which order, and who is turned away."""

import asyncio
from functools import partial

import pytest

from mirror.errors import GoneError, HeldError, ThrottledError, UnreachableError
from mirror.pace import HostPace
from mirror.transport import Transport
from tests.wire import PICTURE, Request, Wire, always, answer, fetch, in_turn, open_transport, raw_server


class Gate:
    """A handler that answers when told to."""

    def __init__(self) -> None:
        self.is_open = asyncio.Event()
        self.asked: asyncio.Queue[str] = asyncio.Queue()

    async def __call__(self, request: Request, wire: Wire) -> None:
        """Answer one request."""
        await self.asked.put(request.target)
        await self.is_open.wait()
        await wire.send(answer())


async def test_requests_keep_to_the_limit_in_order() -> None:
    """No more than the limit are in flight, and those who wait are served as they came."""
    async with raw_server(always(answer())) as server, open_transport(most_requests=1) as transport:
        await asyncio.gather(*(fetch(transport, server.url(f"/{number}")) for number in range(20)))
    assert server.most_in_flight == 1
    assert [each.target for each in server.requests] == [f"/{number}" for number in range(20)]


async def test_limit_holds_over_all_hosts() -> None:
    """Two hosts together get no more than the most."""
    gate = Gate()
    async with raw_server(gate) as one, raw_server(gate) as other:
        async with open_transport(most_requests=3, new_pace=partial(HostPace, start=3, least=3, most=3)) as transport:
            wanted = [asyncio.create_task(fetch(transport, host.url())) for host in (one, other) for _ in range(5)]
            for _ in range(3):
                await gate.asked.get()
            assert transport.in_flight == 3
            assert gate.asked.empty()
            gate.is_open.set()
            assert await asyncio.gather(*wanted) == [PICTURE] * 10
        assert transport.in_flight == 0


@pytest.mark.parametrize("number", [0, 1])
async def test_cancelled_request_gives_its_place_back(number: int) -> None:
    """Cancelled while asking or while waiting for a place: the others go on."""
    gate = Gate()
    async with raw_server(gate) as server, open_transport(most_requests=1) as transport:
        wanted = [asyncio.create_task(fetch(transport, server.url(f"/{each}"))) for each in range(3)]
        await gate.asked.get()
        wanted[number].cancel()
        gate.is_open.set()
        results = await asyncio.gather(*wanted, return_exceptions=True)
        assert [type(each) for each in results].count(bytes) == 2
        assert isinstance(results[number], asyncio.CancelledError)
        assert transport.in_flight == 0


async def test_place_that_comes_with_a_cancellation_is_handed_on() -> None:
    """Given a place and cancelled in the same moment, nobody loses it."""
    async with open_transport(most_requests=1) as transport:
        places = transport.places
        pace = await places.take("a")
        second = asyncio.create_task(places.take("a"))
        third = asyncio.create_task(places.take("a"))
        await asyncio.sleep(0)
        pace.dropped(1.0)
        places.give_back("a")
        second.cancel()
        assert await third is pace
        assert transport.in_flight == pace.in_flight == 1


async def test_retry_after_holds_the_host() -> None:
    """A store that asks for a pause is not asked before; those who wait are turned away at once."""
    later = answer(b"", status="503 SlowDown", Retry_After="100")
    async with raw_server(always(later)) as server, open_transport(most_requests=1) as transport:
        results = await asyncio.gather(*(fetch(transport, server.url()) for _ in range(3)), return_exceptions=True)
        assert [type(each) for each in results] == [ThrottledError, HeldError, HeldError]
        assert transport.is_held(server.host)
        assert 90 < transport.held_s(server.host) <= 100
        assert not transport.is_closed(server.host)
        with pytest.raises(HeldError, match="asked us to wait") as caught:
            await fetch(transport, server.url())
        assert caught.value.retry_after_s is not None
        assert caught.value.retry_after_s > 90
    assert len(server.requests) == transport.asset_requests == 1


async def test_long_retry_after_closes_the_host() -> None:
    """A pause longer than we are ready for ends the host's part in the run, and says so."""
    later = answer(b"", status="429 Slow", Retry_After="100")
    async with raw_server(always(later)) as server, open_transport(longest_retry_after_s=99) as transport:
        with pytest.raises(ThrottledError):
            await fetch(transport, server.url())
        assert transport.is_closed(server.host)
        ((host, why),) = transport.closed_hosts()
        assert (host, "longest_retry_after" in why) == (server.host, True)
        assert "longest_retry_after" in transport.why_closed(server.host)
        with pytest.raises(HeldError, match="longest_retry_after"):
            await fetch(transport, server.url())


async def test_throttled_redirect_target_is_held_too() -> None:
    """A pause asked for by the host behind a redirect holds that host, and the way to it."""
    later = answer(b"", status="503 SlowDown", Retry_After="100")
    async with raw_server(always(later)) as store, open_transport() as transport:
        moved = answer(b"", status="307 Moved", Location=store.url())
        async with raw_server(always(moved)) as server:
            with pytest.raises(ThrottledError):
                await fetch(transport, server.url())
            assert transport.is_held(store.host)
            assert transport.is_held(server.host)


async def test_held_host_is_not_asked_by_way_of_a_redirect() -> None:
    """A redirect to a host that asked for a pause waits like a first request to it."""
    async with raw_server(always(answer(b"", status="503 No", Retry_After="100"))) as store:
        async with open_transport() as transport:
            with pytest.raises(ThrottledError):
                await fetch(transport, store.url())
            async with raw_server(always(answer(b"", status="307 Moved", Location=store.url()))) as server:
                with pytest.raises(HeldError):
                    await fetch(transport, server.url())
        assert len(store.requests) == 1


async def _fail(transport: Transport, url: str, times: int) -> None:
    for _ in range(times):
        with pytest.raises(UnreachableError):
            await fetch(transport, url)


async def test_silent_host_is_left_alone_and_then_tripped() -> None:
    """After ten requests without any answer a host is left alone, and given up when patience ends."""

    async def cut(_: Request, wire: Wire) -> None:
        wire.reset()

    async with raw_server(cut) as server, open_transport() as transport:
        await _fail(transport, server.url(), 9)
        assert not transport.is_held(server.host)
        await _fail(transport, server.url(), 1)
        assert transport.is_held(server.host)
        assert transport.limit(server.host) == 1
        with pytest.raises(HeldError, match="fails everything, and is left alone"):
            await fetch(transport, server.url())
        assert not transport.is_closed(server.host)
    async with raw_server(cut) as server, open_transport(new_pace=partial(HostPace, patience_s=0)) as transport:
        await _fail(transport, server.url(), 10)
        assert "failed every request for 0 s" in transport.why_closed(server.host)
        with pytest.raises(HeldError, match="Connection reset"):
            await fetch(transport, server.url())


async def test_answering_host_is_not_tripped() -> None:
    """A host that answers badly still answers."""
    async with raw_server(always(answer(b"", status="500 No"))) as server, open_transport() as transport:
        await _fail(transport, server.url(), 30)
        assert not transport.is_closed(server.host)


async def test_missing_pictures_do_not_slow_a_host_down() -> None:
    """A 404 is an answer like any other."""
    async with raw_server(always(answer(b"", status="404 No"))) as server, open_transport() as transport:
        for _ in range(40):
            with pytest.raises(GoneError):
                await fetch(transport, server.url())
        assert transport.limit(server.host) == 8


async def test_throttled_host_gets_half() -> None:
    """Without a pause named, the host gets fewer at once from now on."""
    handler = in_turn(always(answer(b"", status="503 SlowDown")), always(answer()))
    async with raw_server(handler) as server, open_transport() as transport:
        with pytest.raises(ThrottledError):
            await fetch(transport, server.url())
        assert transport.limit(server.host) == 4
        assert not transport.is_held(server.host)
        assert await fetch(transport, server.url()) == PICTURE


async def test_unknown_host_is_free() -> None:
    """Nothing stands against a host that was never asked."""
    async with open_transport() as transport:
        assert transport.held_s("new.example") == 0
        assert not transport.is_closed("new.example")
        assert transport.why_closed("new.example") == ""
