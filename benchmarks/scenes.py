"""The pieces of work: what is fetched, over which line, and whether it was fetched before."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks import place
from benchmarks.api import FOLDERS, address
from benchmarks.corpus import size_bytes
from benchmarks.measure import Measured, run
from benchmarks.peers import PEERS, Work

_API_ROOT = "/rest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One piece of work that every program gets.

    Args:
        at_once: Requests in flight; 0 leaves every program its default.
        delay_s: Of the line between the program and everything else; 0 is none.
        again: Only the second run counts: everything is there.
    """

    name: str
    says: str
    photos: int
    variants: tuple[str, ...] = ("thumbnail",)
    at_once: int = 16
    delay_s: float = 0.0
    rate_bytes_s: float = 62.5e6
    again: bool = False
    without: tuple[str, ...] = ()
    """Programs that would take minutes, or to which it does not apply."""


def scenes(scale: float) -> list[Scene]:
    """List them, each with so much of its full number of photos."""

    def some(photos: int) -> int:
        return max(20, int(photos * scale))

    far = {"delay_s": 0.04, "without": ("gallery-dl", "img2dataset")}
    everything = tuple(FOLDERS)
    return [
        Scene(name="thumbnails", says="thumbnails of 17 kB, on this machine", photos=some(10_000)),
        Scene(name="variants", says="photos in three sizes", photos=some(1_000), variants=everything),
        Scene(name="originals", says="originals of 2 MB", photos=some(300), variants=("original",)),
        Scene(name="line", says="thumbnails, 40 ms away, 32 at once", photos=some(3_000), at_once=32, **far),  # type: ignore[arg-type]
        Scene(name="defaults", says="the same, as each does it by default", photos=some(3_000), at_once=0, **far),  # type: ignore[arg-type]
        Scene(
            name="again", says="nothing new: the second run", photos=some(10_000), again=True,
            without=("curl", "parfive", "img2dataset"),
        ),
    ]  # fmt: skip


class Stage:
    """A folder and a photo host on which scenes are played.

    Nothing is deleted between two runs: file systems are slow to give out again what was deleted a moment ago.
    """

    def __init__(self, folder: Path, host: place.PhotoHost) -> None:
        self._folder = folder
        self._host = host
        self._number = 0

    def play(self, scene: Scene, peers: Sequence[str], repeats: int) -> Iterator[tuple[str, Measured]]:
        """Let everybody do the work in turn, there and back again, so that a machine that slows down is fair to all."""
        with ExitStack() as props:
            origin, api = self._set(scene, props)
            first = {peer: self._run(peer, scene, origin, api, None) for peer in peers} if scene.again else {}
            for turn in range(repeats):
                for peer in peers if turn % 2 == 0 else reversed(peers):
                    before = first[peer][1] if scene.again else None
                    yield peer, self._run(peer, scene, origin, api, before)[0]

    def _set(self, scene: Scene, props: ExitStack) -> tuple[str, str]:
        origin = self._host.origin
        if scene.delay_s:
            origin = f"http://127.0.0.1:{props.enter_context(self._line(scene, self._host.port))}"
        api = props.enter_context(place.api(scene.photos, origin))
        if scene.delay_s:
            port = int(api.removesuffix(_API_ROOT).rpartition(":")[2])
            api = f"http://127.0.0.1:{props.enter_context(self._line(scene, port))}{_API_ROOT}"
        return origin, api

    def _line(self, scene: Scene, port: int) -> AbstractContextManager[int]:
        log = self._folder / f"line-{port}.jsonl"
        return place.line(port, delay_s=scene.delay_s, rate_bytes_s=scene.rate_bytes_s, log=log)

    def _run(self, peer: str, scene: Scene, origin: str, api: str, before: Work | None) -> tuple[Measured, Work]:
        self._number += 1
        scratch = self._folder / "runs" / f"{self._number}-{scene.name}-{peer}"
        out = before.out if before else scratch / "out"
        out.mkdir(parents=True, exist_ok=True)
        scratch.mkdir(exist_ok=True)
        urls = [address(origin, variant, number) for number in range(scene.photos) for variant in scene.variants]
        work = Work(
            api=api, origin=origin, urls=urls, variants=scene.variants, out=out, scratch=scratch,
            at_once=scene.at_once, again=before is not None,
        )  # fmt: skip
        corpus = self._host.corpus
        size = sum(size_bytes(corpus, FOLDERS[variant], scene.photos) for variant in scene.variants)
        expected = (len(urls), size)
        return run(PEERS[peer](work), out, self._host, expected=expected, log=scratch / "said.txt"), work


def clean(folder: Path) -> None:
    """Give back the disk, at the very end; the pictures stay for the next time."""
    shutil.rmtree(folder / "runs", ignore_errors=True)
