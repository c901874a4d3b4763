"""The network as the other rooms see it."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urljoin, urlsplit

import aiohttp
from multidict import CIMultiDict

from mirror.errors import HeldError, RefusedError, UnreachableError
from mirror.hosts import HostRules, without_query
from mirror.pace import HostPace
from mirror.transport.answers import FOREIGN, date_ts, reading_failed, retry_after_s
from mirror.transport.body import Flow
from mirror.transport.connections import Connections
from mirror.transport.decoder import Decoder
from mirror.transport.opening import Opening
from mirror.transport.places import Places, held_s, why_closed
from mirror.transport.room import Room
from mirror.transport.watch import Watch

log = logging.getLogger(__name__)

_API_CALLS_AT_ONCE = 2
_MEMORY_BYTES = 64 * 10**6

ApiGate = AbstractAsyncContextManager[object]
"""Entered for each API call, by several tasks at once: waits until the call may be in flight."""


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


class Transport:
    """HTTP for the API and for pictures.

    Args:
        rules: Which addresses may be asked for pictures; the API's address is the configured one.
        api_origin: Where credentials may go (scheme and host); empty leaves that to the caller.
        connect_s: Longest wait for a connection.
        stall_s: Longest silence within a transfer; there is no total limit for pictures.
        api_answer_s: Longest time for a whole answer of the API.
        least_rate_bytes_s: A transfer slower than this on average ends, judged after ``least_rate_after_s``.
        longest_retry_after_s: A host that asks for more is asked no more in this run.
        largest_asset_bytes: The most that one picture may have, decoded.
        largest_page_bytes: The most that one answer of the API may have, decoded.
        most_hops: Redirects followed for one picture.
        proxy: Taken for every request; without one ``HTTPS_PROXY`` and ``NO_PROXY`` decide if ``trust_env_proxy``.
        ca_file: Certificates trusted besides the system's.
        most_requests: Pictures asked for at once over all hosts together.
        new_pace: Makes the pace of a host that is new: how many of them it gets.
        limit_rate_bytes_s: Bytes per second over all pictures together; nothing or 0 for no limit. Can be set later.
        on_bytes: Told of bytes as they come.
        api_gate: Keeps API calls from being too many at once; without one two are in flight over everything.
    Raises:
        ConfigError: ``ca_file`` cannot be used.
    """

    def __init__(
        self,
        *,
        user_agent: str,
        rules: HostRules,
        api_origin: str = "",
        connect_s: float = 10.0,
        stall_s: float = 30.0,
        api_answer_s: float = 120.0,
        least_rate_bytes_s: float = 1000.0,
        least_rate_after_s: float = 60.0,
        longest_retry_after_s: float = 300.0,
        largest_asset_bytes: int = 200_000_000,
        largest_page_bytes: int = 32_000_000,
        most_hops: int = 3,
        proxy: str | None = None,
        trust_env_proxy: bool = True,
        ca_file: Path | None = None,
        most_requests: int = 128,
        new_pace: Callable[[], HostPace] = HostPace,
        limit_rate_bytes_s: float | None = None,
        on_bytes: Callable[[int], None] | None = None,
        api_gate: ApiGate | None = None,
    ) -> None:
        self.rules = rules
        self.room = Room(_MEMORY_BYTES)
        """For bodies of some megabytes that are held whole on their way. Can be replaced before the first."""
        self.longest_retry_after_s = longest_retry_after_s
        self.most_hops = most_hops
        self.most_requests = most_requests
        self.api_calls = 0
        self.asset_requests = 0
        self._silences = Watch(stall_s)
        self._patience = Watch(min(stall_s, least_rate_after_s))
        self.flow = Flow(
            watch=self._silences,
            patience=self._patience,
            least_rate_bytes_s=least_rate_bytes_s,
            least_rate_after_s=least_rate_after_s,
            largest_asset_bytes=largest_asset_bytes,
            limit_rate_bytes_s=limit_rate_bytes_s,
            on_bytes=on_bytes,
        )
        self.connections = Connections(
            user_agent=user_agent,
            rules=rules,
            connect_s=connect_s,
            stall_s=stall_s,
            watch=self._silences,
            proxy=proxy,
            trust_env_proxy=trust_env_proxy,
            ca_file=ca_file,
        )
        self.places = Places(most=most_requests, new_pace=new_pace)
        self._api_origin = api_origin
        self._api_answer_s = api_answer_s
        self._largest_page_bytes = largest_page_bytes
        self._api_gate = api_gate if api_gate is not None else asyncio.Semaphore(_API_CALLS_AT_ONCE)
        self._api_held_until = 0.0
        self._api_closed_s = 0.0

    async def aclose(self) -> None:
        """Close every connection."""
        self._silences.close()
        self._patience.close()
        await self.connections.aclose()

    # -- the API ------------------------------------------------------------------------------------------------

    async def ask_api(self, url: str, *, params: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
        """Ask the API once and read the whole answer, whatever its status; redirects are not followed.

        At most two calls are in flight over everything, or as many as the gate lets through.

        Raises:
            FetchError: No answer, or one that was cut off, took too long, or is too large.
        """
        what = without_query(url)
        if self._api_origin and not _has_origin(url, self._api_origin):
            raise RefusedError(f"{what}: not at the API's address {self._api_origin}", url=what)
        query = urlencode(params)
        async with self._api_gate:
            await self._wait_for_api(what)
            self.api_calls += 1
            log.debug("GET %s", what)
            try:
                async with asyncio.timeout(self._api_answer_s):
                    return await self._ask_api(f"{url}?{query}" if query else url, CIMultiDict(headers), what)
            except TimeoutError:
                text = f"no whole answer in {self._api_answer_s:.0f} s"
                raise UnreachableError(f"{what}: {text}", url=what) from None

    async def _wait_for_api(self, what: str) -> None:
        """Wait out the hold, and what was added to it meanwhile; one that is too long is not waited for at all."""
        while self._api_closed_s or self._api_held_until > time.monotonic():
            if self._api_closed_s:
                text = (
                    f"the API asked for a pause of {self._api_closed_s:.0f} s, longer than download.longest_retry_after"
                )
                raise HeldError(text, url=what, retry_after_s=self._api_closed_s)
            await asyncio.sleep(self._api_held_until - time.monotonic())

    async def _ask_api(self, url: str, headers: CIMultiDict[str], what: str) -> Answer:
        response = await self.connections.get(url, headers, is_api=True)
        try:
            return await self._whole(response, what)
        finally:
            response.close()

    async def _whole(self, response: aiohttp.ClientResponse, what: str) -> Answer:
        headers = response.headers
        coding = headers.get("Content-Encoding", "")
        limit = self._largest_page_bytes
        decoder = Decoder(coding, limit_bytes=limit, limit_name="download.largest_page", what=what)
        pieces: list[bytes] = []
        while True:
            try:
                data = await response.content.readany()
            except FOREIGN as error:
                raise reading_failed(error, what, status=response.status) from None
            if not data:
                break
            pieces.extend(decoder.feed(data))
        decoder.finish()
        served = date_ts(headers.get("Date", ""))
        return Answer(
            status=response.status,
            body=b"".join(pieces),
            content_type=response.content_type.encode("ascii", "replace").decode(),
            served_ts=None if served is None else int(served),
            retry_after_s=retry_after_s(headers),
            location=_location(what, headers.get("Location", "")),
        )

    def hold_api(self, seconds: float, *, is_final: bool = False) -> None:
        """Begin no API call for a while.

        Args:
            is_final: That is longer than we wait: begin none in this run.
        """
        self._api_held_until = max(self._api_held_until, time.monotonic() + seconds)
        if is_final:
            self._api_closed_s = seconds

    # -- pictures -----------------------------------------------------------------------------------------------

    def open_asset(
        self, url: str, *, offset: int = 0, etag: str | None = None, if_none_match: str | None = None
    ) -> Opening:
        """Open one picture, with ``async with``, which gives its `Body`.

        Waits for a free place at its host, in order. Every address is judged first, redirects too; the request
        carries no credentials, no cookies, and asks for the bytes as they are.

        Args:
            offset: First byte wanted; the answer's own ``offset`` says what came.
            etag: Strong validator of the bytes before ``offset``; without it everything is asked for.
            if_none_match: Validator of bytes that are here already; unchanged ones come back as status 304.
        Raises:
            HeldError: The host is held or asked no more; it was not asked.
            FetchError: Refused, failed, or answered with anything but a picture's bytes.
        Source: RFC 9110, If-Range (13.1.5) and 206 Partial Content (15.3.7).
        """
        headers: CIMultiDict[str] | None = None
        if offset and etag:
            headers = CIMultiDict({"Range": f"bytes={offset}-", "If-Range": etag})
        elif if_none_match:
            headers = CIMultiDict({"If-None-Match": if_none_match})
        return Opening(self, url, headers)

    @property
    def in_flight(self) -> int:
        """Pictures asked for at this moment, over all hosts."""
        return self.places.in_flight

    def share(self, most_requests: int) -> None:
        """From now on ask for so many pictures at once, over all hosts and at each: the rest is others' share."""
        self.most_requests = most_requests
        self.places.share(most_requests)

    def limit_rate(self, bytes_s: float) -> None:
        """From now on let so many bytes per second flow over all pictures together; 0 for no limit."""
        self.flow.limit_rate_bytes_s = bytes_s

    def held_s(self, host: str) -> float:
        """Seconds for which a host asked us to wait; 0 if it did not."""
        pace = self.places.known(host)
        return held_s(pace) if pace is not None else 0.0

    def is_held(self, host: str) -> bool:
        """Whether a host asked us to wait."""
        return self.held_s(host) > 0

    def is_closed(self, host: str) -> bool:
        """Whether a host is asked no more in this run: it fails everything, or asked us to wait too long."""
        return bool(self.why_closed(host))

    def why_closed(self, host: str) -> str:
        """Say why a host is asked no more; empty if it still is."""
        pace = self.places.known(host)
        return why_closed(pace) if pace is not None else ""

    def closed_hosts(self) -> list[tuple[str, str]]:
        """Hosts that are asked no more in this run, each with the reason."""
        return [(host, why) for host in self.places.hosts() if (why := self.why_closed(host))]

    def note_body(self, host: str, *, is_picture: bool) -> None:
        """Tell what a body of a host turned out to be: one that never gives a whole picture is asked no more."""
        self.places.pace(host).breaker.judged(is_picture=is_picture)

    def limit(self, host: str) -> int:
        """How many requests a host gets at once, as found so far."""
        return self.places.pace(host).allowed


def _has_origin(url: str, origin: str) -> bool:
    one, other = urlsplit(url), urlsplit(origin)
    return (one.scheme, one.netloc.lower()) == (other.scheme, other.netloc.lower())


def _location(base: str, target: str) -> str:
    try:
        return without_query(urljoin(base, target)) if target else ""
    except ValueError:
        return "an address that cannot be read"
