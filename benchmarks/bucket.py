"""What a photo costs when it goes into a bucket: the processor time of `mirror sync` alone, and what it asks the store.

    python -m benchmarks.bucket              # 200 photos in three sizes, then the same with nothing new
    python -m benchmarks.bucket --fleet      # as a fleet of one machine, with its leases

The store is moto's S3 on this machine (``pip install 'moto[server]'``), a slow one: only the processor time and the
memory of our process mean anything, and the requests. They are counted as the store logs them.
"""

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

from benchmarks.api import FOLDERS
from benchmarks.measure import launch
from benchmarks.peers import Work, mirror
from benchmarks.place import api, free_port, photo_host

_SCOPE = "AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
_METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE")
_LISTING = "list-type=2"


@contextmanager
def s3(log: Path) -> Iterator[int]:
    """Run an S3 server, and lead our program to it."""
    port = free_port()
    argv = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with log.open("wb") as said, subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=said) as server:
        try:
            for _ in range(600):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.1)
            connection = HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("PUT", "/benchmark", headers={"Authorization": _SCOPE})
            connection.getresponse().read()
            os.environ |= {
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_ACCESS_KEY_ID": "key", "AWS_REGION": "us-east-1",
                "AWS_SECRET_ACCESS_KEY": "hush",
            }  # fmt: skip
            yield port
        finally:
            server.kill()


def asked(log: Path) -> Counter[str]:
    """How often the store was asked, by method; refused or not."""
    counts: Counter[str] = Counter()
    for line in log.read_text("utf-8", "replace").splitlines():
        method = next((word for word in line.replace('"', " ").replace("m", " ").split() if word in _METHODS), None)
        if method is not None:
            counts["LIST" if _LISTING in line else method] += 1
    return counts


def main() -> None:
    """Sync into a bucket, twice."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=200)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "mirror-benchmarks")
    parser.add_argument("--fleet", action="store_true")
    arguments = parser.parse_args()
    photos, folder = arguments.photos, arguments.folder
    scratch = folder / "runs" / f"bucket-{time.time_ns()}"
    scratch.mkdir(parents=True)
    log = scratch / "s3.log"
    with photo_host(folder) as host, api(photos, host.origin) as base_url, s3(log):
        work = Work(
            api=base_url, origin=host.origin, urls=[], variants=tuple(FOLDERS), out=scratch, scratch=scratch, at_once=16
        )
        argv = [*mirror(work), "--fleet"] if arguments.fleet else mirror(work)
        os.environ["MIRROR_FLEET__AGAIN_AFTER"] = "0s"
        config = scratch / "mirror.toml"
        text = config.read_text().replace(
            f'root = "{scratch}"', f'root = "s3://benchmark/a"\nstate_dir = "{scratch}/state"'
        )
        config.write_text(text)
        before: Counter[str] = Counter()
        cpu_s = []
        for what in ("first time", "nothing new"):
            used = launch(argv, scratch / "said.txt")
            counts = asked(log)
            cpu_s.append(used["cpu_s"])
            print(
                f"{what}: exit code {used['code']:.0f}, {used['cpu_s']:.2f} CPU s, {used['rss_bytes'] / 2**20:.0f} MiB, "
                f"{used['wall_s']:.1f} s; asked: {dict(counts - before)}"
            )
            before = counts
        print(f"{(cpu_s[0] - cpu_s[1]) / photos * 1000:.1f} ms of CPU a photo of three files")


if __name__ == "__main__":
    main()
