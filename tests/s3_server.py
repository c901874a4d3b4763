"""A real S3 server for tests: a process of its own on loopback, asked with the provider's usual environment."""

import contextlib
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from mirror.archive.objects.bucket import Bucket

_STARTS_WITHIN_S = 60.0


def required(module: str) -> None:
    """Skip where a package of an extra is missing, but not in CI."""
    if os.environ.get("INTEROP") != "required":
        pytest.importorskip(module)


def memory_bucket() -> "Bucket":
    """A bucket that is only a part of this process."""
    required("obstore")
    from obstore.store import MemoryStore  # noqa: PLC0415 - only where the extra is

    from mirror.archive.objects.bucket import Bucket  # noqa: PLC0415

    return Bucket(MemoryStore(), "memory://club")


@dataclass(slots=True)
class S3Server:
    """A server that is asked for buckets; what it holds is gone when it ends."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path
    environ: dict[str, str] = field(default_factory=dict)

    def new_bucket(self) -> str:
        """Make an empty bucket; returns its name."""
        name = f"club-{secrets.token_hex(4)}"
        self.plainly("PUT", f"/{name}")
        return name

    def plainly(self, method: str, path: str, body: bytes = b"") -> bytes:
        """Ask without our library: whoever else uses the bucket."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        # moto reads the region out of the signature, and checks nothing else.
        scope = "AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
        connection.request(method, path, body or None, {"Authorization": scope})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        assert answer.status < 300, (method, path, answer.status, text)
        return text

    def requests(self) -> list[str]:
        """Every request so far, as ``PUT /bucket/key``."""
        lines = self.log.read_text("utf-8", "replace").splitlines()
        found = [re.search(r"((?:GET|HEAD|PUT|POST|DELETE) /\S*) HTTP/", line) for line in lines]
        return [each[1] for each in found if each]

    def pause(self) -> None:
        """Let it answer nothing, as a machine that hangs."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it answer again."""
        self.process.send_signal(signal.SIGCONT)


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@contextlib.contextmanager
def running_s3_server(folder: Path) -> Iterator[S3Server]:
    """Run moto's S3 in a process of its own."""
    required("obstore")
    required("moto")
    port, log = free_port(), folder / "s3.log"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdout=subprocess.DEVNULL, stderr=errors,
        )  # fmt: skip
    try:
        began = time.monotonic()
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                assert process.poll() is None, log.read_text()
                assert time.monotonic() - began < _STARTS_WITHIN_S, "the S3 server does not start"
                time.sleep(0.05)
        environ = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_ACCESS_KEY_ID": "key", "AWS_REGION": "us-east-1",
            "AWS_SECRET_ACCESS_KEY": "hush",
        }  # fmt: skip
        yield S3Server(process=process, port=port, log=log, environ=environ)
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def s3_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """One S3 server for all tests of a session."""
    with running_s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def s3(s3_process: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """The S3 server, with an environment that leads to it."""
    for name, value in s3_process.environ.items():
        monkeypatch.setenv(name, value)
    return s3_process
