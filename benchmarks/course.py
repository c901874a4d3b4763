"""The course of the pace: how many requests are in flight over a line, and how full it is, tenth by tenth of a second."""

import json
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks import place
from benchmarks.api import FOLDERS
from benchmarks.corpus import size_bytes
from benchmarks.measure import run
from benchmarks.peers import Work, mirror

_SMOOTHED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A line, and enough to fetch over it for half a minute."""

    name: str
    variant: str
    photos: int
    rate_bytes_s: float
    delay_s: float = 0.04


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What was seen on a line."""

    way: Way
    at_s: list[float]
    in_flight: list[float]
    fullness: list[float]
    """Share of the line's width in use, smoothed over half a second."""
    wall_s: float
    is_whole: bool

    def mean_fullness(self, after_s: float) -> float:
        """How full the line was from a moment on until shortly before the end."""
        end = self.at_s[-1] - 1 if self.at_s else 0
        values = [full for at, full in zip(self.at_s, self.fullness, strict=True) if after_s <= at <= end]
        return sum(values) / len(values) if values else 0.0


def ways(scale: float) -> list[Way]:
    """List the lines: wide and far, and three slow ones."""

    def some(photos: int) -> int:
        return max(20, int(photos * scale))

    return [
        Way(name="1 Gbit/s, thumbnails", variant="thumbnail", photos=some(12_000), rate_bytes_s=125e6),
        Way(name="200 Mbit/s, originals", variant="original", photos=some(250), rate_bytes_s=25e6),
        Way(name="20 Mbit/s, large", variant="large", photos=some(500), rate_bytes_s=2.5e6),
        Way(name="2 Mbit/s, thumbnails", variant="thumbnail", photos=some(450), rate_bytes_s=0.25e6),
    ]


def follow(folder: Path, host: place.PhotoHost, way: Way) -> Course:
    """Archive over a line with default settings."""
    scratch = folder / "runs" / f"course-{way.variant}-{way.rate_bytes_s:.0f}-{time.time_ns()}"
    scratch.mkdir(parents=True, exist_ok=True)
    log = scratch / "line.jsonl"
    with place.line(host.port, delay_s=way.delay_s, rate_bytes_s=way.rate_bytes_s, log=log) as port:
        origin = f"http://127.0.0.1:{port}"
        with place.api(way.photos, origin) as base_url:
            work = Work(
                api=base_url, origin=origin, urls=[], variants=(way.variant,), out=scratch / "out", scratch=scratch,
                at_once=0,
            )  # fmt: skip
            size = size_bytes(host.corpus, FOLDERS[way.variant], way.photos)
            ended = run(mirror(work), work.out, host, expected=(way.photos, size), log=scratch / "said.txt")
    samples = [json.loads(line) for line in log.read_text().splitlines()]
    samples = samples[: next((n for n, each in enumerate(samples) if n and each["bytes"] >= size), len(samples)) + 1]
    return Course(
        way=way,
        at_s=[each["at_s"] for each in samples],
        in_flight=[each["in_flight"] for each in samples],
        fullness=[_fullness(samples, number, way.rate_bytes_s) for number in range(len(samples))],
        wall_s=ended.wall_s,
        is_whole=ended.is_whole,
    )


def _fullness(samples: list[dict[str, float]], number: int, rate_bytes_s: float) -> float:
    then, now = samples[max(0, number - _SMOOTHED)], samples[number]
    seconds = now["at_s"] - then["at_s"]
    return (now["bytes"] - then["bytes"]) / seconds / rate_bytes_s if seconds > 0 else 0.0
