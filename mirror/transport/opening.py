"""One picture being asked for: its place at the host, its redirects, its answer."""

import asyncio
import time
from types import TracebackType
from typing import TYPE_CHECKING
from urllib.parse import urljoin

import aiohttp
from multidict import CIMultiDict

from mirror.errors import (
    FetchError,
    HeldError,
    MismatchError,
    RefusedError,
    ThrottledError,
)
from mirror.hosts import host_of, without_query
from mirror.transport.answers import FOREIGN, REDIRECTS, status_error
from mirror.transport.body import Body

if TYPE_CHECKING:
    from mirror.transport.client import Transport

_SMALL_BYTES = 65_536
_DRAINED_BYTES = 16_384
_DRAIN_S = 0.5


class Opening:
    """What `Transport.open_asset` returns: enter it to ask, leave it to give the place back.

    A class rather than a generator, because it runs for every picture.
    """

    __slots__ = ("_began_at", "_body", "_headers", "_host", "_last_host", "_pace", "_response", "_transport", "_url")

    def __init__(self, transport: "Transport", url: str, headers: CIMultiDict[str] | None) -> None:
        self._transport = transport
        self._url = url
        self._headers = headers
        self._response: aiohttp.ClientResponse | None = None
        self._body: Body | None = None

    async def __aenter__(self) -> Body:
        transport, url = self._transport, self._url
        transport.rules.judge(url)
        self._host = self._last_host = host_of(url)
        self._pace = await transport.places.take(self._host)
        self._began_at = time.monotonic()
        try:
            response = await self._ask(url)
            self._check(response)
            self._body = Body(response, self._url, transport.flow, self._pace)
        except BaseException as error:
            self._end(error)
            raise
        return self._body

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(error)

    async def _ask(self, url: str) -> aiohttp.ClientResponse:
        """Follow redirects to an answer; each hop is judged like a first URL."""
        transport = self._transport
        for _ in range(transport.most_hops + 1):
            self._url = url
            transport.asset_requests += 1
            self._response = response = await transport.connections.get(url, self._headers)
            if response.status in (200, 206):
                return response
            await self._drain(response)
            if response.status not in REDIRECTS:
                return response
            url = self._following(url, response)
        raise RefusedError(f"{self._what}: more than {transport.most_hops} redirects", url=self._what)

    def _following(self, url: str, response: aiohttp.ClientResponse) -> str:
        target = response.headers.get("Location", "").strip()
        status = response.status
        if not target:
            text = f"redirected (HTTP {status}) without a target"
            raise RefusedError(f"{self._what}: {text}", url=self._what, status=status)
        try:
            following = urljoin(url, target)
        except ValueError:
            text = "redirected to an address that cannot be read"
            raise RefusedError(f"{self._what}: {text}", url=self._what, status=status) from None
        if url[:6].lower() == "https:" and following[:6].lower() != "https:":
            text = f"redirected from https to {without_query(following)}"
            raise RefusedError(f"{self._what}: {text}", url=self._what, status=status)
        self._transport.rules.judge(following)
        host = host_of(following)
        if host != self._host:
            self._transport.places.refuse_if_held(host)
        self._last_host = host
        return following

    def _check(self, response: aiohttp.ClientResponse) -> None:
        """Let only an answer pass that fits what was asked."""
        status, headers, asked = response.status, response.headers, self._headers
        if status == 200:
            return
        if status == 304 and asked is not None and "If-None-Match" in asked:
            return
        if status != 206:
            raise status_error(status, headers, self._what)
        if asked is None or "Range" not in asked:
            raise MismatchError(f"{self._what}: a part, though all was asked for", url=self._what, status=206)
        etag = headers.get("ETag")
        if etag is not None and etag != asked["If-Range"]:
            raise MismatchError(f"{self._what}: a part of another version", url=self._what, status=206)
        if not headers.get("Content-Range", "").strip().startswith(f"bytes {asked['Range'][6:]}"):
            raise MismatchError(f"{self._what}: another part than asked for", url=self._what, status=206)

    async def _drain(self, response: aiohttp.ClientResponse) -> None:
        """Read a short answer that nobody wants, so that its connection can be used again."""
        size = response.content_length
        if not response.content.is_eof() and size is not None and size <= _DRAINED_BYTES:
            try:
                async with asyncio.timeout(_DRAIN_S):
                    await response.read()
            except FOREIGN:
                pass

    @property
    def _what(self) -> str:
        return without_query(self._url)

    def _end(self, error: BaseException | None) -> None:
        """Give the place back and tell the pace how it went; a body not read to its end costs its connection."""
        if self._response is not None:
            self._response.close()
        self._tell(error)
        self._transport.places.give_back(self._host)

    def _tell(self, error: BaseException | None) -> None:
        pace, now = self._pace, time.monotonic()
        if error is None:
            untold_bytes = self._body.untold_bytes if self._body is not None else 0
            is_small = 0 < untold_bytes <= _SMALL_BYTES
            pace.finished(now, size_bytes=untold_bytes, took_s=now - self._began_at if is_small else 0.0)
        elif not isinstance(error, FetchError) or isinstance(error, HeldError | MismatchError):
            pace.dropped(now)
        elif not error.transient and self._response is not None:
            # The host did its part, though not to our liking.
            pace.finished(now, size_bytes=0, denial=_said(error))
        else:
            is_throttled = isinstance(error, ThrottledError)
            pace.failed(
                now, throttled=is_throttled, answered=self._response is not None, is_final=not error.transient,
                why=_said(error),
            )  # fmt: skip
            if is_throttled and error.retry_after_s:
                self._hold(now, error.retry_after_s)

    def _hold(self, now: float, seconds: float) -> None:
        """Leave the host alone that said so, and the one that sends us there."""
        for host in {self._host, self._last_host}:
            pace = self._transport.places.pace(host)
            pace.hold(now + seconds)
            if seconds > self._transport.longest_retry_after_s:
                pace.close()


def _said(error: FetchError) -> str:
    """What happened, without the address: the reason goes for the host."""
    return error.message.removeprefix(f"{error.url}: ")
