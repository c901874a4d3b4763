"""What all tests share: the watch over secrets, and certificates for servers on loopback."""

import shutil
import ssl
from pathlib import Path

import pytest

from tests.certificates import Certificates, make_certificates

pytest_plugins = ["tests.secret_watch", "pytester"]


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """An authority of our own, and a certificate of it for loopback and for the service's names."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl command to make a certificate")
    return make_certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def certificate(certificates: Certificates) -> Path:
    """The authority's certificate, for ``ca_file``."""
    return certificates.authority


@pytest.fixture
def tls(certificates: Certificates) -> ssl.SSLContext:
    """The server's side of it."""
    return certificates.server_context()
