"""A second real store for slow tests: Azurite keeps what it holds on disk, and heeds conditions on copies too."""

import base64
import contextlib
import hashlib
import hmac
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import formatdate
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.s3_server import free_port, required

_ACCOUNT = "devstoreaccount1"
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The emulator's own, the same everywhere: no secret."""
_STARTS_WITHIN_S = 60.0


@dataclass(slots=True)
class AzureServer:
    """A server that can be stopped and started again. Stopped orderly: killed, it forgets its last five seconds."""

    program: str
    folder: Path
    port: int
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Run it, if it does not run, and wait until it listens."""
        if self.process is not None and self.process.poll() is None:
            return
        self.process = subprocess.Popen(
            [self.program, "--location", str(self.folder), "--blobPort", str(self.port), "--silent", "--disableTelemetry",
             "--skipApiVersionCheck"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        began = time.monotonic()
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            assert self.process.poll() is None
            assert time.monotonic() - began < _STARTS_WITHIN_S, "Azurite does not start"
            time.sleep(0.05)

    def stop(self) -> None:
        """End it; connections are cut, and what it has answered for is there when it starts again."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait()

    def new_container(self) -> str:
        """Make an empty container; returns its name."""
        name, now, version = f"club-{secrets.token_hex(4)}", formatdate(usegmt=True), "2021-08-06"
        signed = f"PUT{12 * chr(10)}x-ms-date:{now}\nx-ms-version:{version}\n/{_ACCOUNT}/{_ACCOUNT}/{name}\nrestype:container"
        mac = base64.b64encode(hmac.new(base64.b64decode(_KEY), signed.encode(), hashlib.sha256).digest()).decode()
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"x-ms-date": now, "x-ms-version": version, "Authorization": f"SharedKey {_ACCOUNT}:{mac}"}
        connection.request("PUT", f"/{_ACCOUNT}/{name}?restype=container", headers=headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        assert answer.status == 201, text
        return name


@pytest.fixture
def azure(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[AzureServer]:
    """A running Azurite, with an environment that leads to it."""
    required("obstore")
    program = os.environ.get("MIRROR_TEST_AZURITE") or shutil.which("azurite-blob")
    if program is None:
        if os.environ.get("INTEROP") == "required":
            pytest.fail("needs Azurite, and INTEROP=required")
        pytest.skip("needs Azurite: npm install azurite, then MIRROR_TEST_AZURITE=.../azurite-blob")
    monkeypatch.setenv("AZURE_STORAGE_USE_EMULATOR", "true")
    server = AzureServer(program, tmp_path_factory.mktemp("azure"), free_port())
    monkeypatch.setenv("AZURITE_BLOB_STORAGE_URL", f"http://127.0.0.1:{server.port}")
    try:
        server.start()
        yield server
    finally:
        server.stop()
