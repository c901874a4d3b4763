"""What all tests share: the watch over secrets, certificates for servers on loopback, the depth of property tests."""

import shutil
import signal
import ssl
from pathlib import Path

import hypothesis
import pytest

from tests.certificates import Certificates, make_certificates

pytest_plugins = ["tests.secret_watch", "tests.s3_server", "tests.azure_server", "pytester"]

hypothesis.settings.register_profile("quick", deadline=None)
hypothesis.settings.register_profile("slow", max_examples=1000, deadline=None)


def pytest_configure(config: pytest.Config) -> None:
    """Few examples in a quick run, many among the slow tests; and commands under test hear signals as from a terminal."""
    # Started in the background or by nohup, we were told to ignore them, and so would they be.
    for name in ("SIGINT", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL)
    hypothesis.settings.load_profile("slow" if _is_slow_run(config) else "quick")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take property tests in with the slow ones, since there they try much more."""
    if _is_slow_run(config):
        for item in items:
            if isinstance(item, pytest.Function) and hypothesis.is_hypothesis_test(item.obj):
                item.add_marker(pytest.mark.slow)


def _is_slow_run(config: pytest.Config) -> bool:
    return str(config.getoption("-m")) == "slow"


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
