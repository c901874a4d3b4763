"""An opened answer, and the reading of it: counted, capped, never endlessly slow, checked for its length."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import aiohttp

from mirror.errors import MismatchError, RefusedError, TruncatedError, UnreachableError
from mirror.hosts import without_query
from mirror.pace import HostPace
from mirror.transport.answers import FOREIGN, content_range, date_ts, reading_failed, validator
from mirror.transport.decoder import Decoder, is_plain
from mirror.transport.watch import Watch

_BURST_S = 0.25
_SETTLED_S = 2.0
_AT_ONCE_BYTES = 65_536
"""Up to this size a body fits into any buffer on its way, and its pieces are no news to the pace."""


@dataclass(slots=True, kw_only=True)
class Flow:
    """What all bodies share: caps, least rate, and the speed limit."""

    watch: Watch
    """Ends waits in which nothing comes."""
    patience: Watch
    """Ends waits for a whole small body, so that its pieces are looked at."""
    least_rate_bytes_s: float
    least_rate_after_s: float
    largest_asset_bytes: int
    limit_rate_bytes_s: float | None
    on_bytes: Callable[[int], None] | None
    _free_at: float = field(default=0.0, init=False)

    async def keep_to_limit(self, size_bytes: int, rate_bytes_s: float) -> None:
        """Pause after so many bytes, so that all transfers together keep to the rate."""
        now = time.monotonic()
        self._free_at = max(self._free_at, now) + size_bytes / rate_bytes_s
        if self._free_at - now > _BURST_S:
            await asyncio.sleep(self._free_at - now - _BURST_S)


class Body:
    """An opened answer: 200, 206 or 304 (then without bytes)."""

    __slots__ = (
        "_content", "_decoder", "_flow", "_headers", "_pace", "_url", "_waited_s",
        "etag", "last_modified", "length", "offset", "read_bytes", "remaining", "status", "untold_bytes",
    )  # fmt: skip

    status: int
    offset: int
    """Position of the first byte that comes; 0 unless the status is 206."""
    length: int | None
    """Bytes of the whole asset; None where it is not announced, or announced of a coded form."""
    remaining: int | None
    """Bytes announced for this answer, as they travel; None where they are not."""
    etag: str | None
    last_modified: str | None
    read_bytes: int
    """Bytes that came so far, as they travel."""
    untold_bytes: int
    """Those of them that the pace was not told of yet."""

    def __init__(self, response: aiohttp.ClientResponse, url: str, flow: Flow, pace: HostPace) -> None:
        self._headers = headers = response.headers
        self._content = response.content
        self._url = url
        self._flow = flow
        self._pace = pace
        self._waited_s = 0.0
        self._decoder: Decoder | None = None
        self.read_bytes = self.untold_bytes = 0
        self.status = response.status
        self.etag = validator(headers, "ETag")
        self.last_modified = validator(headers, "Last-Modified")
        self.offset = 0
        self.remaining = self.length = None
        if self.status == 304:
            self.remaining = 0
            return
        if "Transfer-Encoding" not in headers:
            self.remaining = self.length = response.content_length
        if self.status == 206:
            self._place_part(response)
        coding = headers.get("Content-Encoding")
        if coding is not None and not is_plain(coding):
            self._decoder = Decoder(
                coding, limit_bytes=flow.largest_asset_bytes, limit_name="download.largest_asset", what=self._what
            )
            self.length = None
            if self.offset:
                raise MismatchError(f"{self._what}: part of a coded form", url=self._what, status=206)
        if self.length is not None and self.length > flow.largest_asset_bytes:
            text = f"{self.length} bytes, larger than download.largest_asset ({flow.largest_asset_bytes})"
            raise RefusedError(f"{self._what}: {text}", url=self._what, status=self.status)

    def _place_part(self, response: aiohttp.ClientResponse) -> None:
        self.offset, last, self.length = content_range(response.headers, self._what)
        announced = last + 1 - self.offset
        if self.remaining is not None and self.remaining != announced:
            text = f"Content-Length {self.remaining}, but a part of {announced} bytes"
            raise MismatchError(f"{self._what}: {text}", url=self._what, status=206)
        self.remaining = announced

    @property
    def _what(self) -> str:
        return without_query(self._url)

    @property
    def proof(self) -> str | None:
        """The ETag, unless the asset was changed in the very second of the answer or later.

        Many servers make ETags of size and seconds: what changed just now may change again under the same one.

        Source: RFC 9110, comparison of Last-Modified (8.8.2.2), which is what such an ETag rests on.
        """
        changed, served = date_ts(self._headers.get("Last-Modified", "")), date_ts(self._headers.get("Date", ""))
        is_recent = changed is not None and served is not None and served - changed < _SETTLED_S
        return None if is_recent else self.etag

    async def read(self) -> bytes:
        """Read the whole body.

        Raises:
            FetchError: Cut off, stalled, too slow, too large.
        """
        wire_bytes = self.remaining
        flow = self._flow
        if wire_bytes is None or self._decoder is not None or flow.limit_rate_bytes_s:
            return b"".join([piece async for piece in self.chunks(65_536)])
        if self._content.total_bytes < wire_bytes and not (wire_bytes <= _AT_ONCE_BYTES and await self._arrives()):
            return b"".join([data async for data in self._raw()])
        # All of it is here: the usual case for small pictures, so nothing may cost much.
        try:
            data = await self._content.readany()
        except FOREIGN as error:
            raise reading_failed(error, self._what, status=self.status) from None
        self.read_bytes = self.untold_bytes = len(data)
        if flow.on_bytes is not None:
            flow.on_bytes(len(data))
        self._check_length()
        return data

    async def _arrives(self) -> bool:
        """Wait for a whole small body, woken once and not by each piece of it; false if it takes long."""
        began_at, before_bytes = time.monotonic(), self._content.total_bytes
        flow = self._flow
        limit = flow.patience.begin()
        try:
            async with limit:
                await self._content.wait_eof()
        except FOREIGN as error:
            is_silent = self._content.total_bytes == before_bytes and flow.patience.longest_s >= flow.watch.longest_s
            if limit.expired() and not is_silent:
                return False
            raise reading_failed(error, self._what, status=self.status) from None
        finally:
            flow.patience.end(limit)
            self._waited_s += time.monotonic() - began_at
        return True

    async def chunks(self, size_bytes: int) -> AsyncIterator[bytes]:
        """Read the body in pieces of about one size, decoded; what came before a failure comes out before it.

        Raises:
            FetchError: Cut off, stalled, too slow, too large.
        """
        parts: list[bytes] = []
        held_bytes = 0
        try:
            async for data in self._raw():
                for piece in self._decoder.feed(data) if self._decoder is not None else (data,):
                    parts.append(piece)
                    held_bytes += len(piece)
                    if held_bytes >= size_bytes:
                        whole, parts, held_bytes = b"".join(parts), [], 0
                        yield whole
        except (TruncatedError, UnreachableError):
            if parts:
                yield b"".join(parts)
            raise
        if parts:
            yield b"".join(parts)
        if self._decoder is not None:
            self._decoder.finish()

    async def _raw(self) -> AsyncIterator[bytes]:
        """The bytes as they travel."""
        flow = self._flow
        while data := await self._next():
            self.read_bytes += len(data)
            if flow.on_bytes is not None:
                flow.on_bytes(len(data))
            self._pace.progressed(time.monotonic(), size_bytes=len(data))
            self._check_cap_and_rate()
            yield data
            if flow.limit_rate_bytes_s:
                await flow.keep_to_limit(len(data), flow.limit_rate_bytes_s)
        self._check_length()

    async def _next(self) -> bytes:
        began_at = time.monotonic()
        # Chatter that holds no bytes of the body is silence too.
        limit = self._flow.watch.begin()
        try:
            async with limit:
                data = await self._content.readany()
        except FOREIGN as error:
            raise reading_failed(error, self._what, status=self.status) from None
        finally:
            self._flow.watch.end(limit)
        # Only waiting counts: a slow disk is not the host's fault.
        self._waited_s += time.monotonic() - began_at
        return data

    def _check_cap_and_rate(self) -> None:
        flow, seconds = self._flow, self._waited_s
        if self._decoder is None and self.offset + self.read_bytes > flow.largest_asset_bytes:
            text = f"larger than download.largest_asset ({flow.largest_asset_bytes} bytes)"
            raise RefusedError(f"{self._what}: {text}", url=self._what, status=self.status)
        if seconds > flow.least_rate_after_s and self.read_bytes < flow.least_rate_bytes_s * seconds:
            text = f"too slow: {self.read_bytes / seconds:.0f} bytes/s, {flow.least_rate_bytes_s:.0f} are the least"
            raise UnreachableError(f"{self._what}: {text}", url=self._what, status=self.status)

    def _check_length(self) -> None:
        if self.remaining is not None and self.read_bytes != self.remaining:
            kind = TruncatedError if self.read_bytes < self.remaining else MismatchError
            text = f"{self.read_bytes} bytes, {self.remaining} were announced"
            raise kind(f"{self._what}: {text}", url=self._what, status=self.status)
        if self.status == 206 and self.length is not None and self.offset + self.read_bytes < self.length:
            text = f"bytes up to {self.offset + self.read_bytes} of {self.length}"
            raise TruncatedError(f"{self._what}: {text}", url=self._what, status=self.status)
