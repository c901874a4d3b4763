"""aiohttp, imported without reading the system's certificates for a context that never looks at them.

While it is imported, aiohttp makes two TLS contexts, one that verifies and one for ``ssl=False`` that verifies nothing,
and has both read all certificates of the system: 20 ms each time. The second one stays without; nothing changes for
whoever uses it, since it accepts every certificate.
"""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_NAME = "set_default_verify_paths"


@contextmanager
def spared_where_unverified() -> Iterator[None]:
    """Within this, contexts that verify nothing read no certificates in this thread; all others do."""
    kind, importing = ssl.SSLContext, threading.get_ident()
    own, read = vars(kind).get(_NAME), getattr(kind, _NAME)

    def read_if_looked_at(context: ssl.SSLContext) -> None:
        if context.verify_mode != ssl.CERT_NONE or threading.get_ident() != importing:
            read(context)

    setattr(kind, _NAME, read_if_looked_at)
    try:
        yield
    finally:
        if own is None:  # it came from the class below, and does so again
            delattr(kind, _NAME)
        else:
            setattr(kind, _NAME, own)


with spared_where_unverified():
    import aiohttp  # noqa: F401 - whoever imports it from here on finds it
