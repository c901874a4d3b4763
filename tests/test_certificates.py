"""The system's certificates are read for contexts that look at them, and for no other."""

import ssl
import subprocess
import sys
import threading

from mirror.transport.certificates import spared_where_unverified

_IMPORTED = """
import ssl
before = ssl.SSLContext.set_default_verify_paths
import mirror.transport
from aiohttp import connector
assert ssl.SSLContext.set_default_verify_paths is before
for context in (connector._SSL_CONTEXT_VERIFIED, connector._SSL_CONTEXT_UNVERIFIED):
    print(context.verify_mode.name, context.check_hostname, context.cert_store_stats()["x509_ca"])
"""


def unverified() -> ssl.SSLContext:
    """A context as aiohttp makes it for those who ask for no verification."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_default_verify_paths()
    return context


def certificates_of(context: ssl.SSLContext) -> int:
    """How many certificates a context knows."""
    return context.cert_store_stats()["x509_ca"]


def test_aiohttp_verifies_with_the_certificates_of_the_system_when_it_was_imported_by_us() -> None:
    """The context that we use knows every certificate; the one that verifies nothing knows none, and all is as it was."""
    said = subprocess.run([sys.executable, "-c", _IMPORTED], capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == [
        f"CERT_REQUIRED True {certificates_of(ssl.create_default_context())}",
        "CERT_NONE False 0",
    ]


def test_contexts_that_verify_nothing_are_spared_only_meanwhile() -> None:
    """A verifying context reads the certificates at all times, another one before and after."""
    everything = certificates_of(unverified())
    with spared_where_unverified():
        assert certificates_of(unverified()) == 0
        assert certificates_of(ssl.create_default_context()) == everything
    assert certificates_of(unverified()) == everything


def test_other_threads_read_certificates_as_ever_meanwhile() -> None:
    """What another thread makes while aiohttp is imported is complete: it may verify later."""
    found: list[int] = []
    everything = certificates_of(unverified())
    with spared_where_unverified():
        thread = threading.Thread(target=lambda: found.append(certificates_of(unverified())))
        thread.start()
        thread.join()
    assert found == [everything]
