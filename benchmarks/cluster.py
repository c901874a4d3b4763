"""Several processes beside one: the same small files, fetched in turn by both; prints the ratio.

    python -m benchmarks.cluster                       # 30,000 thumbnails, two workers
    python -m benchmarks.cluster --photos 100000 --workers 2,4 --repeats 2

The photo host shares the cores with whoever fetches, and start-up counts: what is measured is the whole command.
"""

import argparse
import statistics
import sys
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.measure import Measured
from benchmarks.peers import PEERS, Work, mirror
from benchmarks.place import photo_host
from benchmarks.scenes import Scene, Stage, clean

ALONE = "one process"


def main() -> None:
    """Fetch with one process and with workers, there and back again, and compare the medians."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster", description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=30_000)
    parser.add_argument("--workers", default="2", help="how many, with commas")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "mirror-benchmarks")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    peers = {ALONE: mirror} | {
        f"{each} workers": partial(_with_workers, int(each)) for each in asked.workers.split(",")
    }
    PEERS.update(peers)
    scene = Scene(name="cluster", says="thumbnails of 17 kB, on this machine", photos=asked.photos)
    results: dict[str, list[Measured]] = {}
    with photo_host(asked.folder) as host:
        for peer, measured in Stage(asked.folder, host).play(scene, list(peers), asked.repeats):
            results.setdefault(peer, []).append(measured)
            whole = "" if measured.is_whole else " NOT WHOLE"
            print(
                f"{peer:12} {measured.wall_s:7.2f} s  {measured.cpu_s:7.2f} CPU s{whole}", file=sys.stderr, flush=True
            )
    clean(asked.folder)
    _print(results, asked.photos)


def _with_workers(workers: int, work: Work) -> list[str]:
    return [*mirror(work), "--local-workers", str(workers)]


def _print(results: dict[str, list[Measured]], photos: int) -> None:
    alone = statistics.median(each.wall_s for each in results[ALONE])
    for peer, measured in results.items():
        wall_s = statistics.median(each.wall_s for each in measured)
        print(f"{peer:12} {wall_s:7.2f} s  {photos / wall_s:6.0f} files/s  {alone / wall_s:.2f} times as fast")


if __name__ == "__main__":
    main()
