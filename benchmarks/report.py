"""What was measured, as tables for people, data for programs, and pictures."""

import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.measure import Measured
from benchmarks.scenes import Scene
from mirror import __version__

Results = Mapping[str, Sequence[Measured]]
_HEAD = (
    "| program | wall s | ours / theirs | CPU s | CPU s per 1,000 files | memory MiB | requests | connections | whole |"
)
_RULE = "|---|--:|--:|--:|--:|--:|--:|--:|---|"


def machine() -> str:
    """Say on what, with what and when it was measured."""
    model = "unknown processor"
    info = Path("/proc/cpuinfo")
    if info.exists():
        model = next((line.partition(":")[2].strip() for line in info.open() if line.startswith("model name")), model)
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, mirror {__version__}, Python {platform.python_version()}, "
        f"{platform.system()} {platform.release()}, {os.cpu_count()} x {model}"
    )


def _median(runs: Sequence[Measured], name: str) -> float:
    return float(statistics.median(getattr(each, name) for each in runs))


def table(scene: Scene, results: Results) -> str:
    """Write one scene as a table, the fastest program first; all figures are medians."""
    ours = _median(results["mirror"], "wall_s") if "mirror" in results else 0.0
    lines = [f"### {scene.name}: {scene.photos:,} {scene.says}", "", _HEAD, _RULE]
    for peer, runs in sorted(results.items(), key=lambda item: _median(item[1], "wall_s")):
        wall_s, cpu_s = _median(runs, "wall_s"), _median(runs, "cpu_s")
        files = _median(runs, "files")
        lines.append(
            f"| {peer} | {wall_s:.2f} | {ours / wall_s:.2f} | {cpu_s:.2f} | {cpu_s / max(files, 1) * 1000:.2f} | "
            f"{_median(runs, 'rss_bytes') / 2**20:.0f} | {_median(runs, 'requests'):.0f} | "
            f"{_median(runs, 'connections'):.0f} | {'yes' if all(each.is_whole for each in runs) else 'NO'} |"
        )
    return "\n".join([*lines, ""])


def ratios(results: Results) -> dict[str, float]:
    """Set our wall time against that of each other program."""
    if "mirror" not in results:
        return {}
    ours = _median(results["mirror"], "wall_s")
    return {peer: ours / _median(runs, "wall_s") for peer, runs in results.items() if peer != "mirror"}


def as_json(scene: Scene, results: Results) -> str:
    """Write every single run of one scene, for later comparisons."""
    runs = [{"peer": peer, **asdict(each)} for peer, measured in results.items() for each in measured]
    return json.dumps({"scene": asdict(scene), "runs": runs})


def plot_ratios(path: Path, ratios: Mapping[str, Mapping[str, float]]) -> None:
    """Draw how long we take beside each other program, scene by scene: left of the line we are the faster one."""
    import matplotlib.pyplot as plt

    plt.switch_backend("svg")

    figure, axes = plt.subplots(figsize=(8, 0.6 + 0.28 * sum(map(len, ratios.values()))), layout="constrained")
    names = [f"{scene}: {peer}" for scene, peers in ratios.items() for peer in peers]
    values = [value for peers in ratios.values() for value in peers.values()]
    colours = ["#2f7d5b" if value <= 1 else "#b0603a" for value in values]
    axes.barh(names[::-1], values[::-1], color=colours[::-1])
    axes.axvline(1, color="#444444", linewidth=1)
    axes.set_xscale("log")
    axes.set_xlabel("our wall time / theirs")
    figure.savefig(path)
    plt.close(figure)


def plot_lines(path: Path, panels: Mapping[str, Mapping[str, tuple[Sequence[float], Sequence[float]]]], x: str) -> None:
    """Draw panels one below the other, each with some named curves over the same axis."""
    import matplotlib.pyplot as plt

    plt.switch_backend("svg")

    figure, rows = plt.subplots(len(panels), 1, figsize=(8, 2.1 * len(panels)), squeeze=False, layout="constrained")
    for axes, (title, curves) in zip(rows[:, 0], panels.items(), strict=True):
        for name, (xs, ys) in curves.items():
            axes.plot(xs, ys, label=name, linewidth=1.4)
        axes.set_title(title, fontsize=10, loc="left")
        axes.margins(y=0.1)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        if len(curves) > 1:
            axes.legend(fontsize=8)
    rows[-1, 0].set_xlabel(x)
    figure.savefig(path)
    plt.close(figure)
