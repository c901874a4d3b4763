"""One command for everything: ``python -m benchmarks``."""

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks import report
from benchmarks.course import follow, ways
from benchmarks.growth import grow
from benchmarks.measure import Measured
from benchmarks.peers import PEERS, installed
from benchmarks.place import PhotoHost, photo_host
from benchmarks.scenes import Stage, clean, scenes

_PARTS = ("table", "growth", "pace")


def main() -> None:
    """Measure what is asked for and write it down."""
    asked = _arguments()
    asked.out.mkdir(parents=True, exist_ok=True)
    asked.folder.mkdir(parents=True, exist_ok=True)
    with photo_host(asked.folder) as host:
        if "table" in asked.parts:
            _table(asked, host)
        if "growth" in asked.parts:
            _growth(asked, host)
        if "pace" in asked.parts:
            _pace(asked, host)
    if not asked.keep:
        clean(asked.folder)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(_PARTS)}; all by default", default=[])
    parser.add_argument("--quick", action="store_true", help="a tenth of the work, once")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--peers", default=",".join(installed()), help="by default all that are installed")
    parser.add_argument("--scenes", default="", help="only these, with commas")
    parser.add_argument("--sizes", default="", help="photos of the races of 'growth', with commas")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "mirror-benchmarks",
                        help="where pictures and archives go: on the disk that is to be measured")  # fmt: skip
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"), help="where the results go")
    parser.add_argument("--keep", action="store_true", help="do not delete what was fetched")
    asked = parser.parse_args()
    asked.parts = asked.parts or list(_PARTS)
    asked.peers = asked.peers.split(",")
    if wrong := [each for each in [*asked.parts, *asked.peers] if each not in {*_PARTS, *PEERS}]:
        parser.error(f"unknown: {', '.join(wrong)}")
    return asked


def _table(asked: argparse.Namespace, host: PhotoHost) -> None:
    stage = Stage(asked.folder, host)
    tables, data = [], []
    ratios: dict[str, dict[str, float]] = {}
    for scene in scenes(0.1 if asked.quick else 1.0):
        if asked.scenes and scene.name not in asked.scenes.split(","):
            continue
        results: dict[str, list[Measured]] = {}
        peers = [peer for peer in asked.peers if peer not in scene.without]
        for peer, measured in stage.play(scene, peers, 1 if asked.quick else asked.repeats):
            results.setdefault(peer, []).append(measured)
            say = f"{scene.name:12} {peer:12} {measured.wall_s:7.2f} s  {measured.cpu_s:6.2f} CPU s"
            print(say, "" if measured.is_whole else " NOT WHOLE", file=sys.stderr, flush=True)
        tables.append(report.table(scene, results))
        data.append(report.as_json(scene, results))
        ratios[scene.name] = report.ratios(results)
    command = " ".join(["python -m benchmarks", *sys.argv[1:]])
    text = f"# Beside others\n\n{report.machine()}\n\n    {command}\n\n" + "\n".join(tables)
    (asked.out / "table.md").write_text(text)
    (asked.out / "table.json").write_text("[\n" + ",\n".join(data) + "\n]\n")
    report.plot_ratios(asked.out / "table.svg", ratios)
    print(text)


def _growth(asked: argparse.Namespace, host: PhotoHost) -> None:
    sizes = [int(each) for each in asked.sizes.split(",") if each]
    sizes = sizes or ([1_000, 5_000] if asked.quick else [10_000, 100_000, 500_000])
    lines = ["| photos | wall s | us per photo | memory MiB | manifest bytes per photo |", "|--:|--:|--:|--:|--:|"]
    rates, memory, per_photo, manifest = {}, [], [], []
    for photos in sizes:
        grown = grow(asked.folder, host, photos)
        rates[f"{photos:,} photos"] = grown.rate()
        memory.append(grown.rss_bytes / 2**20)
        per_photo.append(grown.wall_s / photos * 1e6)
        manifest.append(grown.manifest_bytes / photos)
        lines.append(
            f"| {photos:,} | {grown.wall_s:.1f} | {per_photo[-1]:.0f} | {memory[-1]:.0f} | {manifest[-1]:.0f} |"
        )
        print(lines[-1], file=sys.stderr, flush=True)
    (asked.out / "growth.md").write_text(f"# Growth\n\n{report.machine()}\n\n" + "\n".join(lines) + "\n")
    xs = [float(each) for each in sizes]
    panels = {
        "stored per second, against how many there were already": rates,
        "wall time per photo (us)": {"": (xs, per_photo)},
        "memory (MiB)": {"": (xs, memory)},
        "manifest (bytes per photo)": {"": (xs, manifest)},
    }
    report.plot_lines(asked.out / "growth.svg", panels, "photos")


def _pace(asked: argparse.Namespace, host: PhotoHost) -> None:
    panels: dict[str, dict[str, tuple[list[float], list[float]]]] = {}
    lines = ["| line (40 ms) | wall s | most in flight | full after 3 s | whole |", "|---|--:|--:|--:|---|"]
    for way in ways(0.1 if asked.quick else 1.0):
        course = follow(asked.folder, host, way)
        most, full = max(course.in_flight, default=0), course.mean_fullness(3.0)
        lines.append(
            f"| {way.name} | {course.wall_s:.1f} | {most:.0f} | {full:.0%} | {'yes' if course.is_whole else 'NO'} |"
        )
        print(lines[-1], file=sys.stderr, flush=True)
        panels[f"{way.name}: requests in flight"] = {"": (course.at_s, course.in_flight)}
        panels[f"{way.name}: how full"] = {"": (course.at_s, course.fullness)}
    (asked.out / "pace.md").write_text(f"# The course of the pace\n\n{report.machine()}\n\n" + "\n".join(lines) + "\n")
    report.plot_lines(asked.out / "pace.svg", panels, "seconds")


if __name__ == "__main__":
    main()
