"""Does it stay flat? Races of ever more photos, tiny ones: time, memory and manifest for each photo.

``python -m benchmarks.growth CONFIG SAMPLES`` is one run in a process of its own, watched from inside.
"""

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.api import SECRET
from benchmarks.peers import Work, mirror
from benchmarks.place import PhotoHost, api

_SAMPLE_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Grown:
    """One race of so many photos."""

    photos: int
    wall_s: float
    rss_bytes: int
    manifest_bytes: int
    stored_at_s: list[tuple[float, int]]
    """Seconds since the beginning, and how many photos were stored by then."""

    def rate(self, parts: int = 20) -> tuple[list[float], list[float]]:
        """Photos stored a second over the course of the run, against how many there were already."""
        shares, rates = [], []
        step = max(1, len(self.stored_at_s) // parts)
        for (from_s, before), (to_s, after) in zip(
            self.stored_at_s[::step], self.stored_at_s[step::step], strict=False
        ):
            if to_s > from_s and after > before:
                shares.append(float(after))
                rates.append((after - before) / (to_s - from_s))
        return shares, rates


def grow(folder: Path, host: PhotoHost, photos: int) -> Grown:
    """Archive a new race of so many photos."""
    scratch = folder / "runs" / f"growth-{photos}-{time.time_ns()}"
    scratch.mkdir(parents=True)
    samples = scratch / "samples.json"
    with api(photos, host.origin, is_tiny=True) as base_url:
        work = Work(
            api=base_url, origin=host.origin, urls=[], variants=("thumbnail",), out=scratch / "out", scratch=scratch,
            at_once=16,
        )  # fmt: skip
        config = mirror(work)[-1]
        argv = [sys.executable, "-m", "benchmarks.growth", config, str(samples)]
        subprocess.run(argv, check=True, env=os.environ | {"MIRROR_API__SECRET": SECRET})
    seen = json.loads(samples.read_text())
    manifest = scratch / "out" / ".mirror" / "manifest.sqlite"
    return Grown(
        photos=photos, wall_s=seen["wall_s"], rss_bytes=seen["rss_bytes"], manifest_bytes=manifest.stat().st_size,
        stored_at_s=[(at_s, stored) for at_s, stored in seen["stored"]],
    )  # fmt: skip


def main(config: Path, samples: Path) -> None:
    """Make one run, as the command does, and note how it goes."""
    from mirror import load_config
    from mirror.cluster import ClusterWish, forked_helpers, helpers_of_itself
    from mirror.sync import run_sync
    from mirror.tally import Tally

    settings, tally, ended = load_config(config), Tally(), threading.Event()
    stored: list[tuple[float, int]] = []
    processes = [os.getpid()]
    largest = 0
    began_at = time.monotonic()

    def watch() -> None:
        nonlocal largest
        while not ended.wait(_SAMPLE_S):
            stored.append((round(time.monotonic() - began_at, 2), tally.stored))
            largest = max(largest, *map(_most_memory_bytes, processes))

    watcher = threading.Thread(target=watch)
    # Forked before there is a thread.
    with forked_helpers(helpers_of_itself(settings.download.most_requests)) as helpers:
        processes += [each.pid for each in helpers]
        watcher.start()
        cluster = ClusterWish(helpers=helpers) if helpers else None
        report = asyncio.run(run_sync(settings, tally=tally, cluster=cluster))
    ended.set()
    watcher.join()
    if not report.is_everything_stored:
        raise SystemExit("not everything was stored")
    seen = {"wall_s": time.monotonic() - began_at, "rss_bytes": largest, "stored": stored}
    samples.write_text(json.dumps(seen))


def _most_memory_bytes(pid: int) -> int:
    """The most that a process has had so far; what resource usage says includes that of the process it was made by."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:  # it has ended
        return 0
    return next((1024 * int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")), 0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
