"""Which addresses may be asked. Pure; the decision is the same for a first URL and for every redirect."""

import fnmatch
import ipaddress
import re
import socket
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, urlsplit

from mirror.errors import RefusedError

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_PORTS = {"http": 80, "https": 443}
_LAST_PORT = 65_535
_SHOWN = 300
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# Nothing that two readers of URLs could take apart differently: no user, no backslash, no escapes.
_ORIGIN = re.compile(r"(https?)://([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5})?)?", re.IGNORECASE)
# A name never ends in a number; what does is somebody's way to write an address.
_ODD_ADDRESS = re.compile(r"(?:.*\.)?(?:0x[0-9a-f]*|[0-9]+)")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def host_of(url: str) -> str:
    """Name a URL's host: lower case, with the port where it is not the scheme's own; empty if it has none."""
    return _host_of_origin(origin_of(url))


def origin_of(url: str) -> str:
    """Cut off everything before the path, as it came: runs for every request, so it does no more than that."""
    end = url.find("/", 8)
    head = url[:end] if end > 0 else url
    return head.partition("?")[0].partition("#")[0] if "?" in head or "#" in head else head


def without_query(url: str) -> str:
    """Cut a URL down to what may be shown: no query, no fragment, no user, no control characters."""
    url = url.partition("#")[0].partition("?")[0]
    scheme, slashes, rest = url.partition("://")
    if not slashes:
        # No host that could be told from a user: what is left may still hold one before an "@".
        return _clean(url.rpartition("@")[2])
    netloc, slash, path = rest.partition("/")
    return _clean(f"{scheme}://{netloc.rpartition('@')[2]}{slash}{path}")


def path_of(url: str) -> str:
    """Host and path of a URL: what tells whether it changed; its query may be a signature."""
    origin = origin_of(url)
    return f"{_host_of_origin(origin)}{url[len(origin) :].partition('?')[0].partition('#')[0]}"


def request_form(url: str) -> str:
    """Escape what a request line cannot carry, spaces and letters beyond ASCII; all else stays, so signatures hold."""
    if url.isascii() and url.isprintable() and " " not in url:
        return url
    return quote(url, safe="!\"#$%&'()*+,/:;<=>?@[\\]^_`{|}~", errors="surrogatepass")


def webhook_fault(url: str) -> str:
    """Say why news must not be sent to an address; nothing if they may: https, or http on this machine."""
    origin = origin_of(url)
    try:
        is_here = urlsplit(origin).hostname in _LOOPBACK
    except ValueError:
        is_here = False
    if origin[:5].lower() == "http:" and not is_here:
        return "plain http"
    return _judge_origin(HostRules(allowed=(host_of(url),), allow_http=True, allow_private=True), origin)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRules:
    """What may be asked for pictures: https, hosts on the list, and addresses of the public internet.

    Args:
        allowed: Patterns for host names. ``*.x`` stands for the hosts below x, not for x. A pattern may name a port
            (``photos.example:8443``); without one it means the scheme's own, or any if private addresses are allowed.
        allow_http: Plain http too.
        allow_private: Loopback, private, link-local and other addresses that are not public too. The list still
            decides: an address must stand on it like a name.
    """

    allowed: tuple[str, ...] = ("*.amazonaws.com", "*.runsignup.com")
    allow_http: bool = False
    allow_private: bool = False

    def judge(self, url: str) -> None:
        """Refuse a URL that must not be asked.

        Raises:
            RefusedError: The message names what stands in the way and the setting that would allow it.
        """
        verdict = _judge_origin(self, origin_of(url))
        if not verdict and not url.isprintable() and _CONTROL.search(url):
            verdict = "control characters in the address"
        if verdict:
            raise RefusedError(f"{without_query(url)}: {verdict}", url=without_query(url))

    def judge_address(self, address: str) -> None:
        """Refuse an address to connect to, whatever name led there.

        Raises:
            RefusedError: The address is not public and ``download.allow_private`` is off.
        """
        if not self.allow_private and not _is_public(ipaddress.ip_address(address.partition("%")[0])):
            raise RefusedError(f"address {address} is not public (allow it by download.allow_private = true)")


def _clean(text: str) -> str:
    return "".join(c if c.isprintable() and c != " " else "?" for c in text[:_SHOWN])


@lru_cache(maxsize=512)
def _host_of_origin(origin: str) -> str:
    try:
        parts = urlsplit(origin)
        host, port = (parts.hostname or "").rstrip("."), parts.port
        host = host if host.isascii() else host.encode("idna").decode()
    except ValueError:
        return ""
    if ":" in host:
        host = f"[{host}]"
    return host if not host or port in (None, _PORTS.get(parts.scheme)) else f"{host}:{port}"


@lru_cache(maxsize=512)
def _judge_origin(rules: HostRules, origin: str) -> str:
    """Say what stands in the way of asking there; nothing if it is fine."""
    scheme = origin.partition(":")[0].lower() if ":" in origin else ""
    if scheme not in _PORTS:
        return f"scheme {_clean(scheme)[:20] or 'none'!r}, expected https"
    if scheme == "http" and not rules.allow_http:
        return "plain http (allow it by download.allow_http = true)"
    if "@" in origin:
        return "a user name in the address"
    found = _ORIGIN.fullmatch(origin)
    if found is None:
        return "host cannot be read" if origin.isascii() else "host is not written in ASCII, expected its xn-- form"
    name = found[2].lower().rstrip(".")
    if not name:
        return "no host"
    port = int(found[3] or _PORTS[scheme])
    if not 0 < port <= _LAST_PORT:
        return "port cannot be read"
    return _judge_literal(rules, name) or _judge_listed(rules, name, port, _PORTS[scheme])


def _judge_literal(rules: HostRules, name: str) -> str:
    try:
        address: _Address = ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        if name.startswith("["):
            return "host cannot be read"
        if not _ODD_ADDRESS.fullmatch(name):
            return ""
        try:
            # What the system would make of 127.1, 0x7f.1 or 2130706433: named, and never asked.
            return f"host {name} is an odd way to write {socket.inet_ntoa(socket.inet_aton(name))}"
        except OSError:
            return f"host {name} is neither a name nor an address"
    if rules.allow_private or _is_public(address):
        return ""
    return f"address {name} is not public (allow it by download.allow_private = true)"


def _judge_listed(rules: HostRules, name: str, port: int, own_port: int) -> str:
    with_port = f"{name}:{port}"
    any_port = rules.allow_private or port == own_port
    for pattern in map(str.lower, rules.allowed):
        if fnmatch.fnmatchcase(with_port, pattern.replace("[", "[[]")):
            return ""
        if any_port and pattern in (name, name.strip("[]")):
            return ""
        if any_port and fnmatch.fnmatchcase(name, pattern.replace("[", "[[]")):
            return ""
    shown = name if any_port else with_port
    return f'host is not allowed; to allow it add "{shown}" to download.allowed_hosts'


def _is_public(address: _Address) -> bool:
    inner: ipaddress.IPv4Address | None = None
    if isinstance(address, ipaddress.IPv6Address):
        # Forms of IPv6 that carry an IPv4 address lead to that one.
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    address = inner or address
    return address.is_global and not address.is_multicast
