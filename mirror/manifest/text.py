"""Small conversions between values and what the tables hold. Pure."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import urlsplit

_URL = re.compile(r"([a-z][a-z0-9+.-]*)://([^/?#]*)([^?#]*)", re.IGNORECASE)
_OWN_PORTS = {"https": 443, "http": 80}
_AT = "%Y-%m-%dT%H:%M:%SZ"
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


@lru_cache(maxsize=1024)
def _host(scheme: str, authority: str) -> str:
    try:
        parts = urlsplit(f"{scheme}://{authority}")
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return ""
    host = f"[{host}]" if ":" in host else host
    return host if port in (None, _OWN_PORTS.get(scheme)) else f"{host}:{port}"


def host_of(url: str) -> str:
    """Name the host of a URL in lower case, with the port where it is not the scheme's own."""
    found = _URL.match(url)
    return _host(found[1].lower(), found[2]) if found else ""


def address_of(url: str) -> str:
    """Host and path of a URL: what "its URL changed" is about; scheme, query and signature do not count."""
    found = _URL.match(url)
    return _host(found[1].lower(), found[2]) + (found[3] or "/") if found else url


def without_query(url: str) -> str:
    """Cut off query, fragment and user name."""
    found = _URL.match(url)
    return f"{found[1].lower()}://{_host(found[1].lower(), found[2])}{found[3]}" if found else ""


def at_text(moment: datetime) -> str:
    """Write a moment as the tables keep it: ``2026-05-17T14:03:22Z``."""
    return moment.astimezone(UTC).strftime(_AT)


def now_text() -> str:
    """The local clock's now, as the tables keep it."""
    return at_text(datetime.now(UTC))


def moment(text: str | None) -> datetime | None:
    """Read a moment back; None for what is no moment."""
    try:
        # strptime would import modules now, in the midst of a run that may have no file left to open.
        return datetime.fromisoformat(text) if text and _MOMENT.fullmatch(text) else None
    except ValueError:
        return None


def storable(text: str | None) -> str | None:
    """Text that SQLite can hold: header values may carry stray bytes as lone surrogates."""
    return text if text is None or text.isascii() else text.encode("utf-8", "replace").decode()


def cleaned(text: str, longest: int = 300) -> str:
    """Make foreign text fit for a terminal: printable, one line, short."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:longest]


def id_list(ids: Iterable[int]) -> str:
    """Numbers as a JSON array: with ``json_each`` one statement takes any count of them."""
    return f"[{','.join(map(str, ids))}]"
