"""What answers and failures mean in our words. aiohttp's own texts hold queries and headers: none is used."""

import re
import time
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

import aiohttp

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

REDIRECTS = frozenset({301, 302, 303, 307, 308})
FOREIGN = (aiohttp.ClientError, OSError)
"""All that aiohttp raises for the network's sake; time-outs are among the latter."""

_LONGEST_VALIDATOR = 1000
_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII)


def asking_failed(error: Exception, what: str) -> FetchError:
    """Turn what happened before the answer's headers were there into our words."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        reason = getattr(error.certificate_error, "verify_message", "") or "not valid"
        return RefusedError(f"{what}: certificate refused: {reason}", url=what)
    if isinstance(error, aiohttp.InvalidURL):
        return RefusedError(f"{what}: not a usable address", url=what)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        text = "host name not found"
    elif isinstance(error, aiohttp.ClientSSLError):
        text = "TLS handshake failed"
    elif isinstance(error, aiohttp.ConnectionTimeoutError):
        text = "no connection in time"
    elif isinstance(error, TimeoutError):
        text = "no answer in time"
    elif isinstance(error, aiohttp.ClientHttpProxyError):
        text = f"proxy refused (HTTP {error.status})"
    elif isinstance(error, aiohttp.ServerDisconnectedError):
        text = "connection closed without an answer"
    elif isinstance(error, aiohttp.ClientResponseError):
        text = "answer cannot be read"
    else:
        text = getattr(error, "strerror", None) or "connection lost"
    return UnreachableError(f"{what}: {text}", url=what)


def reading_failed(error: Exception, what: str, *, status: int) -> FetchError:
    """Turn what happened while a body was read into our words."""
    if isinstance(error, TimeoutError):
        return UnreachableError(f"{what}: stalled in the middle of the answer", url=what, status=status)
    return TruncatedError(f"{what}: cut off before its end", url=what, status=status)


def status_error(status: int, headers: Mapping[str, str], what: str) -> FetchError:
    """Sort an answer that is no picture by its consequence."""
    text = f"{what}: HTTP {status}"
    wait_s = retry_after_s(headers)
    if status in (401, 403):
        return ForbiddenError(text, url=what, status=status)
    if status in (404, 410):
        return GoneError(text, url=what, status=status)
    if status in (429, 503):
        return ThrottledError(text, url=what, status=status, retry_after_s=wait_s)
    if status == 416:
        return MismatchError(f"{text}: nothing beyond what was kept", url=what, status=status)
    if status == 408 or status >= 500:
        return UnreachableError(text, url=what, status=status, retry_after_s=wait_s)
    if status < 300 or status == 304:
        return MismatchError(f"{text}, expected a picture", url=what, status=status)
    return RefusedError(text, url=what, status=status)


def content_range(headers: Mapping[str, str], what: str) -> tuple[int, int, int | None]:
    """Read where the part of a 206 lies: first byte, last byte, and the length of the whole where it is told.

    Raises:
        MismatchError: It does not say, or says what cannot be.
    Source: RFC 9110, Content-Range (14.4).
    """
    found = _RANGE.fullmatch(headers.get("Content-Range", "").strip())
    if found is not None:
        first, last, whole = int(found[1]), int(found[2]), None if found[3] == "*" else int(found[3])
        if first <= last and (whole is None or last < whole):
            return first, last, whole
    raise MismatchError(f"{what}: a part of something, without saying which", url=what, status=206)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Read how long we are to wait: seconds, or a date set against the answer's own clock.

    Source: RFC 9110, Retry-After (10.2.3).
    """
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    until, now = date_ts(text), date_ts(headers.get("Date", ""))
    return None if until is None else max(0.0, until - (time.time() if now is None else now))


def date_ts(text: str) -> float | None:
    """Read an HTTP date as Unix seconds; None if it is none."""
    if not text.isascii():
        return None
    try:
        when = parsedate_to_datetime(text) if text else None
        # "-0000" comes without a zone: HTTP knows only one.
        return when.replace(tzinfo=when.tzinfo or UTC).timestamp() if when is not None else None
    except (ValueError, TypeError, OverflowError):
        return None


def validator(headers: Mapping[str, str], name: str) -> str | None:
    """Read a header that is kept and sent back later; one that is not plain text is none."""
    text = headers.get(name)
    return text if text and text.isascii() and text.isprintable() and len(text) <= _LONGEST_VALIDATOR else None
