"""HTTP; the only file that imports aiohttp. Two sessions: one for the API, one bare for pictures."""

import asyncio
import contextlib
import re
import socket
import ssl
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import TracebackType
from urllib.parse import urljoin

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from mirror.body import Decoder
from mirror.errors import (
    FetchError,
    ForbiddenError,
    GoneError,
    HeldError,
    MismatchError,
    RefusedError,
    ThrottledError,
    TruncatedError,
    UnreachableError,
)  # fmt: skip
from mirror.hosts import HostRules, host_of, without_query
from mirror.pace import HostPace

_API_CALLS_AT_ONCE = 2
_REDIRECTS = {301, 302, 303, 307, 308}
_READ_BYTES = 262_144
_RANGE = re.compile(r"bytes (\d+)-\d*/(\d+|\*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer of the API, whole; nothing in it was judged."""

    status: int
    body: bytes
    content_type: str = ""
    served_ts: int | None = None
    """The ``Date`` header as Unix seconds."""
    retry_after_s: float | None = None
    location: str = ""
    """Where a redirect points, without query."""


@contextlib.contextmanager
def _translated(what: str) -> Iterator[None]:
    """Turn aiohttp's exceptions into ours; their own texts hold queries and headers, so none of it is used."""
    try:
        yield
    except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError, ssl.SSLError) as error:
        reason = getattr(getattr(error, "certificate_error", None), "verify_message", "") or "TLS failed"
        raise RefusedError(f"{what}: certificate refused: {reason}", url=what) from None
    except (aiohttp.ConnectionTimeoutError, aiohttp.SocketTimeoutError, TimeoutError):
        raise UnreachableError(f"{what}: no bytes for too long", url=what) from None
    except aiohttp.ClientPayloadError:
        raise TruncatedError(f"{what}: cut off before its end", url=what) from None
    except aiohttp.ClientConnectorDNSError:
        raise UnreachableError(f"{what}: host name not found", url=what) from None
    except aiohttp.ClientOSError as error:
        reason = error.strerror or "connection lost"
        raise UnreachableError(f"{what}: {reason}", url=what) from None
    except (aiohttp.InvalidURL, ValueError):
        raise RefusedError(f"{what}: not a usable address", url=what) from None
    except aiohttp.ClientResponseError:
        raise UnreachableError(f"{what}: broken answer", url=what) from None
    except aiohttp.ClientError as error:
        raise UnreachableError(f"{what}: {type(error).__name__}", url=what) from None


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Read Retry-After: seconds, or a date set against the answer's own clock."""
    text = headers.get("Retry-After", "").strip()
    if text.isdigit():
        return float(text)
    until, now = _date(text), _date(headers.get("Date", ""))
    return None if until is None else max(0.0, until - (now if now is not None else time.time()))


def _date(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except (ValueError, TypeError):
        return None


class _JudgedResolver(AbstractResolver):
    """Resolves names and refuses addresses that must not be connected to: a name proves nothing."""

    def __init__(self, rules: HostRules) -> None:
        self._rules = rules
        self._inner = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        for each in found:
            self._rules.judge_address(each["host"])
        return found

    async def close(self) -> None:
        await self._inner.close()


class Body:
    """An opened answer: 200, 206 or 304. Every reading is translated, counted, capped and checked for length."""

    def __init__(self, response: aiohttp.ClientResponse, transport: "Transport", what: str) -> None:
        self._response = response
        self._transport = transport
        self._what = what
        headers = response.headers
        self.status = response.status
        self.offset, self._total = _content_range(response, what)
        self._wire_bytes = response.content_length
        self._decoder = Decoder(
            headers.get("Content-Encoding", ""), limit_bytes=transport.largest_asset_bytes, what=what
        )
        whole = self._total if self._total is not None else self._wire_bytes
        self.length = whole if self._decoder.is_plain else None
        """Bytes of the whole asset, if that is known."""
        self.etag = headers.get("ETag")
        self.last_modified = headers.get("Last-Modified")
        self.read_bytes = 0
        if self.length is not None and self.length > transport.largest_asset_bytes:
            raise RefusedError(f"{what}: {self.length} bytes, larger than download.largest_asset", url=what)

    async def read(self) -> bytes:
        """Read the whole body.

        Raises:
            FetchError: Cut off, too slow, too large.
        """
        if self._decoder.is_plain and self._wire_bytes is not None and not self._transport.limit_rate_bytes_s:
            with _translated(self._what):
                data = await self._response.read()
            self._count(len(data))
            self._check_length()
            return data
        return b"".join([chunk async for chunk in self.chunks(_READ_BYTES)])

    async def chunks(self, size_bytes: int) -> AsyncIterator[bytes]:
        """Read the body piece by piece, each at most so large.

        Raises:
            FetchError: Cut off, too slow, too large.
        """
        began_at = time.monotonic()
        content = self._response.content
        while True:
            with _translated(self._what):
                data = await content.read(size_bytes)
            if not data:
                break
            self._count(len(data))
            self._check_rate(time.monotonic() - began_at)
            if self._transport.limit_rate_bytes_s:
                await self._transport.wait_for_rate(len(data))
            if piece := self._decoder.feed(data):
                yield piece
        self._decoder.finish()
        self._check_length()

    def _count(self, size: int) -> None:
        self.read_bytes += size
        if self._transport.on_bytes is not None:
            self._transport.on_bytes(size)

    def _check_rate(self, age_s: float) -> None:
        transport = self._transport
        if age_s > transport.least_rate_after_s and self.read_bytes < transport.least_rate_bytes_s * age_s:
            raise UnreachableError(f"{self._what}: too slow, {self.read_bytes / age_s:.0f} bytes/s", url=self._what)

    def _check_length(self) -> None:
        if self._wire_bytes is None or self.read_bytes == self._wire_bytes:
            return
        kind = TruncatedError if self.read_bytes < self._wire_bytes else MismatchError
        raise kind(f"{self._what}: {self.read_bytes} bytes, {self._wire_bytes} were announced", url=self._what)


def _content_range(response: aiohttp.ClientResponse, what: str) -> tuple[int, int | None]:
    if response.status != 206:
        return 0, None
    found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if found is None:
        raise MismatchError(f"{what}: part of a picture without saying which", url=what)
    return int(found[1]), None if found[2] == "*" else int(found[2])


class Transport:
    """The network as the other rooms see it.

    Args:
        rules: Which addresses may be asked for pictures; the API's address is the configured one.
        connect_s: Longest wait for a connection.
        stall_s: Longest silence within a transfer; there is no total limit.
        least_rate_bytes_s: A transfer slower than this on average ends, judged after ``least_rate_after_s``.
        longest_retry_after_s: A host that asks for more is asked no more in this run.
        on_bytes: Told of bytes as they come.
    """

    def __init__(
        self,
        *,
        user_agent: str,
        rules: HostRules,
        connect_s: float = 10.0,
        stall_s: float = 30.0,
        least_rate_bytes_s: float = 1000.0,
        least_rate_after_s: float = 60.0,
        longest_retry_after_s: float = 300.0,
        largest_asset_bytes: int = 200_000_000,
        largest_page_bytes: int = 32_000_000,
        most_hops: int = 3,
        proxy: str | None = None,
        ca_file: Path | None = None,
        start_requests: int = 8,
        least_requests: int = 1,
        most_requests: int = 64,
        limit_rate_bytes_s: int = 0,
        on_bytes: Callable[[int], None] | None = None,
    ) -> None:
        self.rules = rules
        self.least_rate_bytes_s = least_rate_bytes_s
        self.least_rate_after_s = least_rate_after_s
        self.longest_retry_after_s = longest_retry_after_s
        self.largest_asset_bytes = largest_asset_bytes
        self.largest_page_bytes = largest_page_bytes
        self.most_hops = most_hops
        self.most_requests = most_requests
        self.limit_rate_bytes_s = limit_rate_bytes_s
        self.on_bytes = on_bytes
        self.api_calls = 0
        self.asset_requests = 0
        self.proxy = proxy
        self._ca_file = ca_file
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_s, sock_read=stall_s)
        self._user_agent = user_agent
        self._paces: dict[str, HostPace] = defaultdict(
            lambda: HostPace(start=start_requests, least=least_requests, most=most_requests)
        )
        self._waiting: dict[str, deque[asyncio.Future[None]]] = defaultdict(deque)
        self.places = asyncio.Semaphore(most_requests)
        """Over all hosts together: never more pictures in flight than this."""
        self._api_places = asyncio.Semaphore(_API_CALLS_AT_ONCE)
        self._api_held_until = 0.0
        self._rate_free_at = 0.0
        self._sessions: dict[str, aiohttp.ClientSession] = {}

    async def aclose(self) -> None:
        """Close every connection."""
        for session in self._sessions.values():
            await session.close()

    # -- the API ------------------------------------------------------------------------------------------------

    async def ask_api(self, url: str, *, params: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
        """Ask the API once and read the whole answer, whatever its status; redirects are not followed.

        At most two calls are in flight over everything.

        Raises:
            FetchError: No answer, or one that was cut off or is too large.
        """
        what = without_query(url)
        async with self._api_places:
            await asyncio.sleep(max(0.0, self._api_held_until - time.monotonic()))
            self.api_calls += 1
            with _translated(what):
                session = self.session("api")
                async with session.get(
                    URL(url).with_query(dict(params)), headers=headers, allow_redirects=False, proxy=self.proxy
                ) as response:
                    return await self._whole(response, what)

    async def _whole(self, response: aiohttp.ClientResponse, what: str) -> Answer:
        headers = response.headers
        decoder = Decoder(headers.get("Content-Encoding", ""), limit_bytes=self.largest_page_bytes, what=what)
        pieces = [decoder.feed(data) async for data in response.content.iter_chunked(_READ_BYTES)]
        decoder.finish()
        served = _date(headers.get("Date", ""))
        return Answer(
            status=response.status,
            body=b"".join(pieces),
            content_type=response.content_type,
            served_ts=int(served) if served is not None else None,
            retry_after_s=_retry_after_s(headers),
            location=without_query(urljoin(what, headers["Location"])) if "Location" in headers else "",
        )

    def hold_api(self, seconds: float) -> None:
        """Make no API call for a while."""
        self._api_held_until = max(self._api_held_until, time.monotonic() + seconds)

    # -- pictures -----------------------------------------------------------------------------------------------

    def open_asset(
        self, url: str, *, offset: int = 0, etag: str | None = None, if_none_match: str | None = None
    ) -> "_Opening":
        """Open one picture; use it with ``async with``.

        Waits for a free place at its host, in order. Every address is judged first, redirects too; the request
        carries no credentials, no cookies, and asks for the bytes as they are.

        Args:
            offset: First byte wanted; the answer's own ``offset`` says what came.
            etag: Strong validator of the bytes before ``offset``.
            if_none_match: Validator of bytes that are here already; unchanged ones come back as status 304.
        Raises:
            HeldError: The host is held or asked no more; nothing was sent.
            FetchError: Refused, failed, or answered with anything but a picture's bytes.
        """
        headers: dict[str, str] = {}
        if offset and etag:
            headers |= {"Range": f"bytes={offset}-", "If-Range": etag}
        if if_none_match:
            headers["If-None-Match"] = if_none_match
        return _Opening(self, url, headers)

    def held_s(self, host: str) -> float:
        """Seconds for which a host asked us to wait; 0 if it did not."""
        pace = self._paces.get(host)
        return max(0.0, pace.held_until - time.monotonic()) if pace is not None and pace.held_until else 0.0

    def is_closed(self, host: str) -> bool:
        """Whether a host is asked no more in this run: it fails everything, or asked us to wait too long."""
        pace = self._paces.get(host)
        return pace is not None and (pace.is_closed or pace.is_tripped)

    def why_closed(self, host: str) -> str:
        """Say why a host is asked no more; empty if it still is."""
        pace = self._paces.get(host)
        if pace is None or not (pace.is_closed or pace.is_tripped):
            return ""
        return "does not answer" if pace.is_tripped else "asks for a longer pause than download.longest_retry_after"

    def closed_hosts(self) -> list[str]:
        """Hosts that are asked no more in this run."""
        return [host for host in self._paces if self.is_closed(host)]

    def limit(self, host: str) -> int:
        """How many requests a host gets at once, as found so far."""
        return self._paces[host].limit

    async def wait_for_rate(self, size_bytes: int) -> None:
        """Hold a transfer back to the configured rate, shared by all."""
        now = time.monotonic()
        self._rate_free_at = max(self._rate_free_at, now - 1.0) + size_bytes / self.limit_rate_bytes_s
        await asyncio.sleep(max(0.0, self._rate_free_at - now))

    async def take_place(self, host: str) -> HostPace:
        """Wait, in order, until a host may get one more request."""
        pace = self._paces[host]
        while not pace.can_start(time.monotonic()):
            if (held_s := self.held_s(host)) > 0 or self.is_closed(host):
                raise HeldError(f"{host}: asked to wait", retry_after_s=held_s)
            turn = asyncio.get_running_loop().create_future()
            self._waiting[host].append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self.wake(host)
                raise
        pace.started(time.monotonic())
        return pace

    def wake(self, host: str) -> None:
        """Let those who wait for a place at a host look again."""
        pace, waiting = self._paces[host], self._waiting[host]
        room = max(1, pace.limit - pace.in_flight)
        while waiting and room:
            turn = waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                room -= 1

    def session(self, name: str) -> aiohttp.ClientSession:
        """Open the session for the API, or the bare one for pictures, when it is first needed."""
        if name not in self._sessions:
            is_api = name == "api"
            connector = aiohttp.TCPConnector(
                limit=0,
                ssl=self._ssl_context(),
                resolver=None if is_api or self.proxy else _JudgedResolver(self.rules),
                keepalive_timeout=60,
            )
            coding = "gzip, deflate" if is_api else "identity"
            self._sessions[name] = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                timeout=self._timeout,
                headers={"User-Agent": self._user_agent, "Accept": "*/*", "Accept-Encoding": coding},
                trust_env=self.proxy is None,
                read_bufsize=_READ_BYTES,
            )
        return self._sessions[name]

    def _ssl_context(self) -> ssl.SSLContext | bool:
        if self._ca_file is None:
            return True
        context = ssl.create_default_context()
        try:
            context.load_verify_locations(self._ca_file)
        except OSError:
            raise RefusedError(f"download.ca_file: {self._ca_file} cannot be used") from None
        return context


class _Opening:
    """One picture being asked for: its place at the host, its redirects, its answer."""

    def __init__(self, transport: Transport, url: str, headers: Mapping[str, str]) -> None:
        self._transport = transport
        self._url = url
        self._headers = headers
        self._response: aiohttp.ClientResponse | None = None
        self._body: Body | None = None
        self._pace: HostPace | None = None
        self._host = host_of(url)

    async def __aenter__(self) -> Body:
        transport = self._transport
        transport.rules.judge(self._url)
        self._pace = await transport.take_place(self._host)
        try:
            await transport.places.acquire()
        except BaseException:
            self._pace.dropped(time.monotonic())
            raise
        try:
            self._body = await self._ask()
        except BaseException as error:
            await self._release(error)
            raise
        return self._body

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._release(error)

    async def _ask(self) -> Body:
        transport, url = self._transport, self._url
        session = transport.session("pictures")
        for _ in range(transport.most_hops + 1):
            what = without_query(url)
            transport.asset_requests += 1
            with _translated(what):
                response = await session.get(
                    URL(url, encoded=True) if url.isascii() else URL(url),
                    headers=self._headers, allow_redirects=False, proxy=transport.proxy,
                )  # fmt: skip
            self._response = response
            if response.status in (200, 206, 304):
                return Body(response, transport, what)
            if response.status not in _REDIRECTS:
                raise _status_error(response, what)
            target = response.headers.get("Location")
            if not target:
                raise RefusedError(f"{what}: redirected (HTTP {response.status}) without a target", url=what)
            response.close()
            following = urljoin(url, target)
            if url.startswith("https:") and not following.startswith("https:"):
                raise RefusedError(f"{what}: redirected from https to {without_query(following)}", url=what)
            url = following
            transport.rules.judge(url)
        raise RefusedError(f"{without_query(self._url)}: more than {transport.most_hops} redirects")

    async def _release(self, error: BaseException | None) -> None:
        """Give the place back and tell the pace how it went; an unread body costs its connection."""
        transport, pace = self._transport, self._pace
        if self._response is not None:
            if error is not None or not self._response.content.at_eof():
                self._response.close()
            else:
                self._response.release()
        transport.places.release()
        if pace is not None:
            self._tell(pace, error)
            transport.wake(self._host)

    def _tell(self, pace: HostPace, error: BaseException | None) -> None:
        now = time.monotonic()
        if isinstance(error, asyncio.CancelledError | RefusedError):
            pace.dropped(now)
        elif isinstance(error, FetchError) and not isinstance(error, ForbiddenError | GoneError):
            throttled = isinstance(error, ThrottledError)
            pace.failed(now, throttled=throttled, answered=self._response is not None)
            if throttled and error.retry_after_s:
                pace.hold(now + error.retry_after_s)
                if error.retry_after_s > self._transport.longest_retry_after_s:
                    pace.close()
        else:
            size = self._body.read_bytes if self._body is not None else 0
            pace.finished(now, size_bytes=size)


def _status_error(response: aiohttp.ClientResponse, what: str) -> FetchError:
    """Sort an answer that is no picture by its consequence."""
    status = response.status
    text = f"{what}: HTTP {status}"
    if status in (401, 403):
        return ForbiddenError(text, url=what, status=status)
    if status in (404, 410):
        return GoneError(text, url=what, status=status)
    if status in (429, 503):
        return ThrottledError(text, url=what, status=status, retry_after_s=_retry_after_s(response.headers))
    if status == 416:
        return MismatchError(f"{text}: nothing beyond what was kept", url=what, status=status)
    if status == 408 or status >= 500:
        return UnreachableError(text, url=what, status=status)
    return RefusedError(text, url=what, status=status)
