"""Connections: how hosts are found, trusted and kept connected; one request over them, without redirects."""

import socket
import ssl
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined]

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from multidict import CIMultiDict
from yarl import URL

from mirror.errors import ConfigError, RefusedError
from mirror.hosts import HostRules, origin_of, request_form, without_query
from mirror.transport.answers import FOREIGN, asking_failed
from mirror.transport.direct import DirectGet
from mirror.transport.watch import Watch

_READ_BYTES = 131_072
_IDLE_S = 15.0
"""Stores close what is idle for longer, and some without a word."""
_DEAD_CONNECTIONS = 4
_is_fresh: ContextVar[bool] = ContextVar("is_fresh", default=False)
"""Whether the request of this task had to open a connection."""


class _Resolver(AbstractResolver):
    """Finds hosts, and refuses addresses that must not be connected to: a name proves nothing."""

    def __init__(self, rules: HostRules | None) -> None:
        self._rules = rules
        self._inner = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        try:
            found = await self._inner.resolve(host, port, family)
        except UnicodeError:
            raise OSError(socket.EAI_NONAME, "no host name") from None
        if self._rules is not None:
            for each in found:
                self._rules.judge_address(each["host"])
        return found

    async def close(self) -> None:
        await self._inner.close()


class _Connector(aiohttp.TCPConnector):
    """Tells requests on a new connection from those on a kept one."""

    async def _create_connection(self, *args: Any, **kwargs: Any) -> Any:
        _is_fresh.set(True)
        return await super()._create_connection(*args, **kwargs)


class Connections:
    """The sessions of a run, opened when they are first needed.

    Args:
        rules: Which addresses pictures may come from; the API's host is the configured one and not judged.
        connect_s: Longest wait for a connection.
        stall_s: Longest silence of the API.
        watch: Ends the wait for the headers of a picture.
        proxy: Every request goes through it; without one the environment decides if ``trust_env_proxy``.
        ca_file: Certificates trusted besides the system's.
    Raises:
        ConfigError: ``ca_file`` cannot be used.
    """

    def __init__(
        self,
        *,
        user_agent: str,
        rules: HostRules,
        connect_s: float,
        stall_s: float,
        watch: Watch,
        proxy: str | None,
        trust_env_proxy: bool,
        ca_file: Path | None,
    ) -> None:
        self._user_agent = user_agent
        self._rules = rules
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_s, sock_read=stall_s)
        # Silence of pictures is watched for by the transport: aiohttp would arm a timer for every piece that comes.
        self._picture_timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_s)
        self._watch = watch
        self._proxy = proxy
        self._trust_env_proxy = trust_env_proxy
        self._proxies: dict[str, str | None] = {}
        # aiohttp makes one context of the system's certificates for all; our own only where there is more to trust.
        self._ssl: ssl.SSLContext | bool = True if ca_file is None else ssl_context(ca_file)
        self._sessions: dict[tuple[bool, bool], aiohttp.ClientSession] = {}
        self._direct: DirectGet | None = None

    async def aclose(self) -> None:
        """Close every connection."""
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            await session.close()

    async def get(self, url: str, headers: CIMultiDict[str] | None, *, is_api: bool = False) -> aiohttp.ClientResponse:
        """Send one GET and wait for its headers.

        A kept connection that turns out to be closed is no failure: the request is sent again at once.

        Raises:
            RefusedError: A certificate or a resolved address we do not accept.
            UnreachableError: No answer.
        """
        proxy = self._proxy_for(url)
        target = URL(request_form(url), encoded=True)
        for left in reversed(range(_DEAD_CONNECTIONS)):
            _is_fresh.set(False)
            # Covers the finding of the host and headers that come drop by drop, which no other limit does.
            limit = self._watch.begin()
            try:
                async with limit:
                    if is_api or proxy is not None:
                        session = self._session(is_api=is_api, has_proxy=proxy is not None)
                        return await session.get(target, headers=headers, allow_redirects=False, proxy=proxy)
                    direct = self._direct or self._open_direct()
                    return await direct.get(target, headers, partial(self._watch.begin_again, limit))
            except FOREIGN as error:
                is_dead = isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError)
                if not is_dead or _is_fresh.get() or not left:
                    raise asking_failed(error, without_query(url)) from None
            except RefusedError as error:
                raise RefusedError(f"{without_query(url)}: {error.message}", url=without_query(url)) from None
            finally:
                self._watch.end(limit)
        raise AssertionError

    def _open_direct(self) -> DirectGet:
        session = self._session(is_api=False, has_proxy=False)
        self._direct = DirectGet(session, timeout=self._picture_timeout, read_bytes=_READ_BYTES)
        return self._direct

    def _session(self, *, is_api: bool, has_proxy: bool) -> aiohttp.ClientSession:
        return self._sessions.get((is_api, has_proxy)) or self._open(is_api=is_api, has_proxy=has_proxy)

    def _open(self, *, is_api: bool, has_proxy: bool) -> aiohttp.ClientSession:
        # Behind a proxy it is the proxy that finds hosts; its own address is the owner's choice, like the API's.
        resolver = _Resolver(None if is_api or has_proxy else self._rules)
        coding = "gzip, deflate" if is_api else "identity"
        session = self._sessions[is_api, has_proxy] = aiohttp.ClientSession(
            connector=_Connector(limit=0, ssl=self._ssl, resolver=resolver, keepalive_timeout=_IDLE_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=self._timeout if is_api else self._picture_timeout,
            headers={"User-Agent": self._user_agent, "Accept": "*/*", "Accept-Encoding": coding},
            # Would read the password file (.netrc) for every request, and send what it finds.
            trust_env=False,
            read_bufsize=_READ_BYTES,
        )
        return session

    def _proxy_for(self, url: str) -> str | None:
        if self._proxy is not None or not self._trust_env_proxy:
            return self._proxy
        origin = origin_of(url)
        if origin not in self._proxies:
            self._proxies[origin] = environment_proxy(url)
        return self._proxies[origin]


def environment_proxy(url: str) -> str | None:
    """Read which proxy the environment wants for a URL: HTTPS_PROXY, HTTP_PROXY, but for hosts in NO_PROXY."""
    parts = urlsplit(url)
    proxy = getproxies_environment().get(parts.scheme)
    if not proxy or proxy_bypass_environment(parts.hostname or ""):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def ssl_context(ca_file: Path) -> ssl.SSLContext:
    """Trust a file's certificates besides the system's."""
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(ca_file)
    except (OSError, ssl.SSLError):
        raise ConfigError(f"download.ca_file: {ca_file}: expected a file of certificates (PEM)") from None
    return context
