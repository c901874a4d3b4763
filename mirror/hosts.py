"""Which addresses may be asked. Pure; the decision is the same for a first URL and for every redirect."""

import fnmatch
import ipaddress
import re
import socket
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import SplitResult, urlsplit

from mirror.errors import RefusedError

_PORTS = {"http": 80, "https": 443}
_SHOWN = 300


def _clean(text: str) -> str:
    return "".join(c if c.isprintable() and c != " " else "?" for c in text)[:_SHOWN]


@lru_cache(maxsize=256)
def _netloc(scheme: str, netloc: str) -> str:
    parts = SplitResult(scheme, netloc, "", "", "")
    host = (parts.hostname or "").rstrip(".")
    port = parts.port
    return host if port in (None, _PORTS.get(scheme)) else f"{host}:{port}"


def host_of(url: str) -> str:
    """Name a URL's host: lower case, with the port where it is not the scheme's own; empty if it has none."""
    try:
        parts = urlsplit(url)
        return _netloc(parts.scheme.lower(), parts.netloc)
    except ValueError:
        return ""


def without_query(url: str) -> str:
    """Cut a URL down to what may be shown: no query, no fragment, no user, no control characters."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an address that cannot be read"
    netloc = parts.netloc.rpartition("@")[2]
    return _clean(f"{parts.scheme}://{netloc}{parts.path}" if netloc else f"{parts.scheme}:{parts.path}")


def path_of(url: str) -> str:
    """Host and path of a URL: what tells whether it changed; its query may be a signature."""
    return f"{host_of(url)}{urlsplit(url).path}"


def _literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a host name spells out, odd forms such as ``127.1`` or ``0x7f.1`` included."""
    try:
        return ipaddress.ip_address(host.strip("[]").split("%")[0])
    except ValueError:
        pass
    if re.fullmatch(r"[0-9a-fx.]+", host) and re.search(r"(?:^|\.)(?:0x[0-9a-f]*|\d+)$", host):
        try:
            return ipaddress.IPv4Address(socket.inet_aton(host))
        except OSError:
            return None
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRules:
    """What may be asked for pictures.

    Args:
        allowed: Patterns for host names without port, such as ``*.amazonaws.com``.
        allow_http: Pictures over plain http too.
        allow_private: Loopback, private, link-local and other addresses that are not public too.
    """

    allowed: tuple[str, ...] = ("*.amazonaws.com", "*.runsignup.com")
    allow_http: bool = False
    allow_private: bool = False

    def judge(self, url: str) -> None:
        """Refuse a URL that must not be asked.

        Raises:
            RefusedError: The message names what stands in the way and the setting that would allow it.
        """
        try:
            parts = urlsplit(url)
            verdict = _judge(self, parts.scheme.lower(), parts.netloc)
        except ValueError:
            verdict = "address cannot be read"
        if verdict:
            raise RefusedError(f"{without_query(url)}: {verdict}", url=without_query(url))

    def judge_address(self, address: str) -> None:
        """Refuse an address to connect to, whatever name led there.

        Raises:
            RefusedError: The address is not public and ``download.allow_private`` is off.
        """
        found = ipaddress.ip_address(address.split("%", maxsplit=1)[0])
        if not self.allow_private and not _is_public(found):
            raise RefusedError(f"address {address} is not public (allow it by download.allow_private = true)")


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    mapped = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None)
    return (mapped or address).is_global and not address.is_multicast


@lru_cache(maxsize=512)
def _judge(rules: HostRules, scheme: str, netloc: str) -> str:
    if scheme not in _PORTS:
        return f"scheme {_clean(scheme) or 'none'!r}, expected https"
    if scheme == "http" and not rules.allow_http:
        return "plain http (allow it by download.allow_http = true)"
    if "@" in netloc:
        return "a user name in the address"
    host = _netloc(scheme, netloc)
    name = host.rpartition(":")[0] if re.search(r":\d+$", host) and not host.endswith("]") else host
    if not name:
        return "no host"
    literal = _literal(name)
    if literal is not None:
        return "" if rules.allow_private else f"address {name} (allow it by download.allow_private = true)"
    if rules.allow_private and name == "localhost":
        return ""
    if any(fnmatch.fnmatchcase(name, pattern.lower()) for pattern in rules.allowed):
        return ""
    return f'host is not allowed; to allow it add "{_clean(name)}" to download.allowed_hosts'
