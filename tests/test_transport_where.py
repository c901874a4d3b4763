"""Where pictures may come from: redirects, forbidden addresses, proxies."""

import pytest

from mirror.errors import RefusedError
from mirror.hosts import HostRules
from tests.wire import LOOPBACK, PICTURE, RawServer, always, answer, fetch, in_turn, open_transport, raw_server


class TestRedirects:
    """Each hop is judged like a first address."""

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    async def test_redirect_is_followed(self, status: int) -> None:
        """An absolute target on another allowed host is asked, with its query."""
        async with raw_server(always(answer())) as store, open_transport() as transport:
            moved = answer(b"", status=f"{status} Moved", Location=store.url("/new/1.jpg?sig=1"))
            async with raw_server(always(moved)) as server:
                assert await fetch(transport, server.url()) == PICTURE
            assert store.requests[0].target == "/new/1.jpg?sig=1"

    async def test_relative_redirect_keeps_its_connection(self) -> None:
        """A relative target is read against the address that named it."""
        handler = in_turn(always(answer(b"moved", status="307 Moved", Location="../new.jpg")), always(answer()))
        async with raw_server(handler) as server, open_transport() as transport:
            assert await fetch(transport, server.url("/a/b/1.jpg")) == PICTURE
        assert [each.target for each in server.requests] == ["/a/b/1.jpg", "/a/new.jpg"]
        assert server.connections == 1

    async def test_redirects_are_few(self) -> None:
        """A circle ends after the hops allowed."""
        handler = always(answer(b"", status="302 Again", Location="/again"))
        async with raw_server(handler) as server, open_transport(most_hops=2) as transport:
            with pytest.raises(RefusedError, match="more than 2 redirects"):
                await fetch(transport, server.url())
        assert len(server.requests) == 3

    @pytest.mark.parametrize(
        ("target", "why"),
        [
            ("http://evil.example/1.jpg?token=secret", "not allowed"),
            ("http://169.254.169.254/latest", "not allowed"),
            ("file:///etc/passwd", "scheme"),
            ("//[broken/x", "read"),
            ("http://user@127.0.0.1/", "user name"),
        ],
    )
    async def test_redirect_to_a_forbidden_address_is_refused(self, target: str, why: str) -> None:
        """A hop that would not be asked first is not asked second; its query is not shown."""
        handler = always(answer(b"", status="302 There", Location=target))
        async with raw_server(handler) as server, open_transport() as transport:
            with pytest.raises(RefusedError, match=why) as caught:
                await fetch(transport, server.url())
        assert "secret" not in str(caught.value)
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("rules", "url"),
    [
        (HostRules(), "http://bucket.s3.amazonaws.com/1.jpg"),
        (HostRules(), "https://127.0.0.1/1.jpg"),
        (LOOPBACK, "ftp://127.0.0.1/1.jpg"),
        (LOOPBACK, "https://other.example/1.jpg"),
    ],
)
async def test_forbidden_address_is_never_asked(rules: HostRules, url: str) -> None:
    """A refused address costs no request."""
    async with open_transport(rules=rules) as transport:
        with pytest.raises(RefusedError):
            await fetch(transport, url)
        assert transport.asset_requests == 0


async def test_resolved_address_is_judged() -> None:
    """An allowed name that leads to a private address is not connected to."""
    rules = HostRules(allowed=("localhost:*",), allow_http=True)
    async with raw_server(always(answer())) as server, open_transport(rules=rules) as transport:
        with pytest.raises(RefusedError, match=r"localhost.*is not public"):
            await fetch(transport, f"http://localhost:{server.port}/1.jpg")
    assert server.connections == 0


async def _through(server: RawServer, url: str, **settings: object) -> None:
    async with open_transport(rules=HostRules(allow_http=True), **settings) as transport:
        assert await fetch(transport, url) == PICTURE
    assert server.requests[0].target == url


async def test_proxy_is_asked_instead_of_the_host() -> None:
    """With a proxy the names are the proxy's to find; the proxy itself may be anywhere."""
    async with raw_server(always(answer())) as proxy:
        await _through(proxy, "http://b.s3.amazonaws.com/1.jpg", proxy=proxy.origin)


async def test_proxy_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP_PROXY and its kin are read, unless that is switched off."""
    async with raw_server(always(answer())) as proxy:
        monkeypatch.setenv("http_proxy", proxy.origin)
        monkeypatch.delenv("no_proxy", raising=False)
        await _through(proxy, "http://b.s3.amazonaws.com/1.jpg", trust_env_proxy=True)


async def test_no_proxy_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosts in NO_PROXY are asked directly."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    async with raw_server(always(answer())) as server, open_transport(trust_env_proxy=True) as transport:
        assert await fetch(transport, server.url()) == PICTURE
