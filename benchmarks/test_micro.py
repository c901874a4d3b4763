"""How long single steps take: ``python -m pytest benchmarks/test_micro.py`` compares them with pytest-benchmark."""

import asyncio
import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("pytest_benchmark")
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.api import DAY_ID, RACE_ID, BenchmarkRace
from benchmarks.corpus import make_corpus
from mirror.imagecheck import check_image
from mirror.layout import DEFAULT_TEMPLATE, asset_key
from mirror.manifest import Manifest, Selected
from mirror.model import Content, Fetched, Job, Page, Scope, Stored
from mirror.records import parse_page, variants_of

_HOST = "photos.example"
_ROWS = 100


def answer(number: int) -> dict[str, object]:
    """One page as the API gives it, of photos not yet seen."""
    race = BenchmarkRace(photos=10**9)
    rows = race.rows(DAY_ID, number * _ROWS, _ROWS, f"https://{_HOST}", album_id=None, since_ts=None, participants=True)
    return {"photos": rows}


def page(number: int) -> Page:
    """The same, parsed."""
    return parse_page(answer(number), number=number + 1, served_ts=1_780_000_000)


class Desk:
    """A manifest with a pass on its way, and a loop to ask it in."""

    def __init__(self, folder: Path) -> None:
        self.loop = asyncio.Runner()
        self.loop.run(self._open(folder))
        self.pages = itertools.count()

    async def _open(self, folder: Path) -> None:
        self.manifest = await Manifest.open(folder / "manifest.sqlite", create=True)
        await self.manifest.begin_run("sync")
        wish = Selected(race_id=RACE_ID, race_day_ids=(DAY_ID,), variants=("thumbnail",))
        await self.manifest.select([wish], variants_of=variants_of)
        self.pass_id = await self.manifest.begin_pass(RACE_ID, DAY_ID, Scope(), "full", None)

    def plan(self, new: Page) -> None:
        """Write a page down."""
        self.loop.run(self.manifest.plan(self.pass_id, new))

    def group(self) -> list[Fetched]:
        """Plan five new pages and take what they want as if it had been fetched."""
        newest = self.loop.run(self.manifest.newest_wanted_no())
        for _ in range(5):
            self.plan(page(next(self.pages)))
        jobs = self.loop.run(self.manifest.wanted(_HOST, newest, 500))
        return [_fetched(job) for job in jobs]

    def commit(self, group: list[Fetched]) -> None:
        """Do what the manifest has to do for a group."""
        commits = self.loop.run(self.manifest.prepare_commit(group))
        stored = [Stored(job=each.fetched.job, content=each.fetched.content, key=each.key) for each in commits]
        self.loop.run(self.manifest.record(stored, []))

    def close(self) -> None:
        """Close the manifest and the loop."""
        self.loop.run(self.manifest.aclose())
        self.loop.close()


def _fetched(job: Job) -> Fetched:
    content = Content(size_bytes=17_000, sha256=os.urandom(32), extension="jpg", width_px=300, height_px=200)
    return Fetched(job=job, content=content, draft=f"{job.asset_id}.draft")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A new manifest."""
    desk = Desk(tmp_path)
    yield desk
    desk.close()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn pictures of every size."""
    folder = tmp_path_factory.mktemp("corpus")
    make_corpus(folder, stored=1)
    return folder


def test_page_parsing(benchmark: BenchmarkFixture) -> None:
    """From the bytes of an answer to a page of 100 photos."""
    text = json.dumps(answer(1))
    parsed = benchmark(lambda: parse_page(json.loads(text), number=1, served_ts=1_780_000_000))
    assert len(parsed.photos) == _ROWS


def test_planning_new_photos(benchmark: BenchmarkFixture, desk: Desk) -> None:
    """A page of 100 photos that the manifest does not know."""
    benchmark.pedantic(desk.plan, setup=lambda: ((page(next(desk.pages)),), {}), rounds=50)  # type: ignore[no-untyped-call]  # the library says no types here
    assert desk.loop.run(desk.manifest.count_wanted()) > 0


def test_planning_known_photos(benchmark: BenchmarkFixture, desk: Desk) -> None:
    """A page of 100 photos that the manifest knows as they are."""
    known = page(1)
    desk.plan(known)
    benchmark(desk.plan, known)
    assert desk.loop.run(desk.manifest.count_wanted()) == _ROWS


def test_committing_a_group(benchmark: BenchmarkFixture, desk: Desk) -> None:
    """Keys and rows of 500 fetched pictures, durably."""
    benchmark.pedantic(desk.commit, setup=lambda: ((desk.group(),), {}), rounds=10)  # type: ignore[no-untyped-call]  # the same
    assert desk.loop.run(desk.manifest.count_wanted()) == 0


def test_key(benchmark: BenchmarkFixture) -> None:
    """The name of one asset."""

    def key() -> str:
        return asset_key(
            DEFAULT_TEMPLATE, race="Harbour-10K-48211", race_day="2026-05-17-34168", race_id=RACE_ID,
            race_day_id=DAY_ID, album=None, album_id="311", variant="thumbnail", photo_id=900_101,
            uploaded_filename="IMG_0001.JPG", year=2026, extension="jpg",
        )  # fmt: skip

    assert benchmark(key).endswith("900101_IMG_0001.jpg")


@pytest.mark.parametrize("kind", ["thumbs_v2", "large_watermarked_v3", "customOriginal_v3"])
def test_picture_check(benchmark: BenchmarkFixture, corpus: Path, kind: str) -> None:
    """From the first marker to the last."""
    picture = (corpus / kind / "00.jpg").read_bytes()
    assert benchmark(check_image, picture).extension == "jpg"
