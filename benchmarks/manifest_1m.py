"""A manifest of a million files, written the way a sync writes it; what each photo costs, and what asking it costs.

    python -m benchmarks.manifest_1m grow DIR          # 50,000 photos more, three files each; again and again
    python -m benchmarks.manifest_1m ask DIR           # passes, snapshot, commands on what is there

Nothing is fetched: pages are made up, parsed and planned, and every file is recorded as if it lay in the archive. The
pages of a race day of 500,000 photos and the groups of a run are as a real run has them: 100 photos, 500 files.
"""

import argparse
import asyncio
import os
import resource
import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.api import DAY_ID, RACE_ID, BenchmarkRace
from mirror.manifest import Manifest, Selected
from mirror.model import Content, Fetched, Job, Page, Race, RaceDay, Scope, Stored
from mirror.records import parse_page, variants_of

_HOST = "photos.example"
_ROWS = 100
_GROUP = 500
_MORE = 50_000
_VARIANTS = ("original", "large", "thumbnail")
_RACE = BenchmarkRace(photos=10**9)


def page(number: int) -> Page:
    """The page of that number, from 0, as the API gives it."""
    rows = _RACE.rows(
        DAY_ID, number * _ROWS, _ROWS, f"https://{_HOST}", album_id=None, since_ts=None, participants=True
    )
    return parse_page({"photos": rows}, number=number + 1, served_ts=1_780_000_000)


@asynccontextmanager
async def opened(folder: Path) -> AsyncGenerator[tuple[Manifest, int], None]:
    """The manifest with a pass on its way."""
    manifest = await Manifest.open(folder / ".mirror/manifest.sqlite", create=True)
    try:
        day = RaceDay(race_id=RACE_ID, race_day_id=DAY_ID, starts_on=None)
        await manifest.begin_run("sync")
        await manifest.note_race(Race(race_id=RACE_ID, name="Harbour 10K", timezone="America/New_York", days=(day,)))
        wish = Selected(race_id=RACE_ID, race_day_ids=(DAY_ID,), variants=_VARIANTS)
        await manifest.select([wish], variants_of=variants_of)
        yield manifest, await manifest.begin_pass(RACE_ID, DAY_ID, Scope(), "full", None)
    finally:
        await manifest.aclose()


async def grow(folder: Path, photos: int) -> None:
    """Plan and record so many photos more, and say what each of them cost."""
    async with opened(folder) as (manifest, pass_id):
        first = sum(count for count, _ in (await manifest.known_sizes()).values()) // len(_VARIANTS) // _ROWS
        plan = _Took()
        for number in range(first, first + photos // _ROWS):
            new = page(number)
            with plan:
                await manifest.plan(pass_id, new)
        hand_out, prepare, record, after_no = _Took(), _Took(), _Took(), 0
        while True:
            with hand_out:
                jobs = await manifest.wanted(_HOST, after_no, _GROUP)
            if not jobs:
                break
            after_no = jobs[-1].wanted_no
            with prepare:
                commits = await manifest.prepare_commit([_fetched(job) for job in jobs])
            stored = [Stored(job=each.fetched.job, content=each.fetched.content, key=each.key) for each in commits]
            with record:
                await manifest.record(stored, [])
    files, total = photos * len(_VARIANTS), first * _ROWS + photos
    size = (folder / ".mirror/manifest.sqlite").stat().st_size
    print(
        f"{total:9,} photos, {total * len(_VARIANTS):9,} files: plan {plan.us(photos):.0f} us a photo; "
        f"hand out {hand_out.us(files):.0f}, keys {prepare.us(files):.0f}, record {record.us(files):.0f} us a file; "
        f"{size / 1e6:,.0f} MB, {size / total:,.0f} B a photo; RSS {_rss_mb():.0f} MB"
    )


def _fetched(job: Job) -> Fetched:
    content = Content(
        size_bytes=17_000, sha256=os.urandom(32), extension="jpg", width_px=300, height_px=200,
        etag=f'"{os.urandom(16).hex()}"', last_modified="Sun, 17 May 2026 12:00:00 GMT",
    )  # fmt: skip
    return Fetched(job=job, content=content, draft=f"{job.asset_id}.draft")


class _Took:
    """Wall time of many short steps; nothing else runs in between."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self._began

    def us(self, count: int) -> float:
        """Microseconds for each of so many."""
        return self.seconds / count * 1e6


def _rss_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def passes(folder: Path, pages: int) -> None:
    """What a full pass costs beside its calls: pages that are known already, from the whole length of the listing."""
    async with opened(folder) as (manifest, pass_id):
        photos = (await manifest.known_sizes())["thumbnail"][0]
        known = [page(number * (photos // _ROWS) // pages) for number in range(pages)]
        parsing, planning, since = _Took(), _Took(), _Took()
        for number in range(pages):
            with parsing:
                page(number)
        for each in known:
            with planning:
                await manifest.plan(pass_id, each)
        with since:
            await manifest.pass_memory(RACE_ID, DAY_ID, Scope())
            await manifest.plan(pass_id, known[-1])
        print(
            f"known page: {planning.us(pages) / 1000:.2f} ms to plan, {parsing.us(pages) / 1000:.2f} ms to make up and parse"
        )
        print(f"since pass, one known page: {since.seconds * 1000:.1f} ms in the manifest")
        for _ in range(2):
            with (took := _Took()):
                await manifest.snapshot(folder / "snapshot.sqlite")
            print(f"snapshot: {took.seconds:.2f} s, {(folder / 'snapshot.sqlite').stat().st_size / 1e6:,.0f} MB")
        (folder / "snapshot.sqlite").unlink()


def commands(folder: Path) -> None:
    """Commands as a person starts them, best of three."""
    for words in (["--version"], ["status"], ["find", "1179"], ["failures"], ["log"]):
        print(f"{min(_timed(folder, words) for _ in range(3)):6.2f} s  mirror {' '.join(words)}")


def _timed(folder: Path, words: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "mirror", *words], cwd=folder, check=False, capture_output=True)
    return time.perf_counter() - began


def main() -> None:
    """Do what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("grow", "ask"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photos", type=int, default=_MORE)
    arguments = parser.parse_args()
    if arguments.what == "grow":
        asyncio.run(grow(arguments.folder, arguments.photos))
    else:
        asyncio.run(passes(arguments.folder, 300))
        commands(arguments.folder)


if __name__ == "__main__":
    main()
