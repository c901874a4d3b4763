"""The place where everybody works: nginx as photo host, the API, and between them and us, if wanted, a long line."""

import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.corpus import make_corpus

_NGINX = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log warn; {user}
events {{ worker_connections 4096; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 10000000; open_file_cache max=1000;
  types {{ image/jpeg jpg; }}
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location = /counters {{ stub_status; }}
    location ~ "^/([a-zA-Z_0-9]+)/[0-9]+([0-9][0-9])\\.jpg$" {{ alias {corpus}/$1/$2.jpg; }}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class PhotoHost:
    """nginx, counting."""

    port: int
    corpus: Path

    @property
    def origin(self) -> str:
        """Where its pictures are."""
        return f"http://127.0.0.1:{self.port}"

    def counters(self) -> tuple[int, int]:
        """Connections and requests so far, this question left out."""
        with urllib.request.urlopen(f"{self.origin}/counters") as answer:  # noqa: S310 - our own
            found = re.search(r"\n (\d+) \d+ (\d+)", answer.read().decode())
        if found is None:
            raise RuntimeError("nginx does not count: is its stub_status module missing?")
        return int(found[1]), int(found[2])


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@contextmanager
def photo_host(folder: Path) -> Iterator[PhotoHost]:
    """Run nginx over the drawn pictures."""
    if shutil.which("nginx") is None:
        raise SystemExit("benchmarks: nginx is needed as photo host; on Debian: apt-get install nginx-light")
    corpus, port = folder / "corpus", free_port()
    make_corpus(corpus)
    # Whoever is root would be served by a worker without rights.
    user = "user root;" if Path.home() == Path("/root") else ""
    (folder / "nginx.conf").write_text(_NGINX.format(folder=folder, corpus=corpus, port=port, user=user))
    server = subprocess.Popen(["nginx", "-e", folder / "nginx.log", "-c", folder / "nginx.conf"])
    try:
        _wait_for(port)
        yield PhotoHost(port, corpus)
    finally:
        server.terminate()
        server.wait()


@contextmanager
def api(photos: int, origin: str, *, is_tiny: bool = False) -> Iterator[str]:
    """Run the API in a process of its own; gives its base URL."""
    argv = [sys.executable, "-m", "benchmarks.api", str(photos), origin, "tiny" if is_tiny else "full"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as service:
        try:
            yield service.stdout.readline().strip() if service.stdout else ""
        finally:
            service.terminate()


@contextmanager
def line(target: int, *, delay_s: float, rate_bytes_s: float, log: Path) -> Iterator[int]:
    """Put a line between us and a port: gives the port of its near end; what went over it is in the log."""
    argv = [sys.executable, "-m", "benchmarks.line", str(target), str(delay_s), str(rate_bytes_s), str(log)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield int(process.stdout.readline()) if process.stdout else 0
        finally:
            if process.stdin:
                process.stdin.close()
            process.wait()


def _wait_for(port: int) -> None:
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"nothing listens on port {port}")
