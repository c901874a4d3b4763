"""What the gallery's tests share: small archives to make galleries of, a large one on paper, and how sites are read."""

import asyncio
import json
import re
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from mirror.config import load_config
from mirror.demo import DemoRace
from mirror.gallery import GalleryOptions, GalleryReport, build_gallery, default_folder
from mirror.manifest import Manifest
from mirror.root import ArchiveRoot
from mirror.sync import run_sync
from tests.simulator import SourceSimulator

DAY = "48211-34168"

HOSTILE = '"><img src=x onerror="document.title=1"><script>document.title=2</script>&lt;\'` {{7*7}} \u202e'
"""Markup, script, an entity, quotes, a template, and a turn of the writing direction."""


def make_archive(folder: Path, *, photos: int = 40, change: Callable[[DemoRace], None] = lambda _: None) -> Path:
    """Sync both race days of the simulator's race into a folder; returns the archive's root."""
    _finish(_sync(folder, photos, change))
    return folder / "photos"


def _finish(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine to its end, in a thread of its own: a browser's driver keeps a loop in this one."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()


async def _sync(folder: Path, photos: int, change: Callable[[DemoRace], None]) -> None:
    async with SourceSimulator(photos=photos) as source:
        change(source.race)
        source.config(folder)
        file = folder / "mirror.toml"
        file.write_text(source.config_text().replace("days = [34168]", 'days = "all"'))
        assert (await run_sync(load_config(file, environ={}))).is_everything_stored


def make_hostile(race: DemoRace) -> None:
    """Let every name that comes from outside try to become markup or script."""
    race.name = f"Harbour {HOSTILE}"
    race.album_names[312] = (34168, HOSTILE)
    for number, photo in enumerate(race.photos.values()):
        photo.uploaded_filename = f"{HOSTILE}.jpg"
        photo.bibs = [HOSTILE, "1308"] if number % 3 == 0 else ["__proto__", "1179"]


def write_down(path: Path, *, photos: int, seed_bibs: int = 20_000) -> None:
    """Make a manifest of a race day with so many photos, three stored variants each, without any file."""

    async def make() -> None:
        await (await Manifest.open(path, create=True)).aclose()

    _finish(make())
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO race VALUES (48211, 'Harbour 10K', NULL, 'America/New_York', NULL, '', NULL)")
        connection.execute(
            "INSERT INTO race_day (race_id, race_day_id, starts_on, events) VALUES (48211, 34168, '2026-05-17', '10K')"
        )
        for number, name in enumerate(("Start", "Course", "Bridge", "Finish line")):
            connection.execute("INSERT INTO album VALUES (48211, 34168, ?, ?, NULL, NULL)", (str(number), name))
        numbers = range(1, photos + 1)
        connection.executemany(
            "INSERT INTO photo VALUES (?, 48211, ?, 34168, 34168, ?, ?, ?, 1, 1, NULL)",
            ((n, 900_000 + n, str(n % 4), f"DSC_{n:06d}.JPG", 1_779_030_000 + n // 7) for n in numbers),
        )
        connection.executemany(
            "INSERT INTO bib VALUES (?, ?, ?)",
            ((n, at, str(1 + (n * 7 + at * 3) % seed_bibs)) for n in numbers for at in range(n % 4)),
        )
        connection.executemany(
            "INSERT INTO asset (photo_no, variant, state, url, host, key, size_bytes, width_px, height_px, taken_at) "
            "VALUES (?, ?, 'stored', '', '', ?, 40000, ?, ?, ?)",
            (
                (n, name, f"Harbour-10K-48211/2026-05-17-34168/{name}/{900_000 + n}_DSC_{n:06d}.jpg", *size, _taken(n, name))
                for n in numbers
                for name, size in _sizes(n)
            ),
        )  # fmt: skip
        connection.commit()


def _sizes(number: int) -> list[tuple[str, tuple[int, int]]]:
    sizes = {"original": (6000, 4000), "large": (900, 600), "thumbnail": (300, 200)}
    return [(name, (high, wide) if number % 5 == 0 else (wide, high)) for name, (wide, high) in sizes.items()]


def _taken(number: int, variant: str) -> str | None:
    second = number * 6 // 25 % 36_000
    return (
        f"2026-05-17T{7 + second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}" if variant == "original" else None
    )


def build(root: Path, **options: Any) -> GalleryReport:
    """Make the gallery of an archive beside it."""
    options.setdefault("folder", default_folder(ArchiveRoot(root)))
    return build_gallery(ArchiveRoot(root), root / ".mirror" / "manifest.sqlite", GalleryOptions(**options))


def files_of(site: Path) -> dict[str, int]:
    """Every file of a site with the time of its last change."""
    return {str(each.relative_to(site)): each.stat().st_mtime_ns for each in site.rglob("*") if each.is_file()}


def shards_of(site: Path) -> Iterator[tuple[str, Any]]:
    """Every shard of a site: its folder and what it hands to the page."""
    for file in sorted(site.glob("data/*/*.js")):
        found = re.fullmatch(r'mirror\.shard\("([0-9a-f]{16})",(.*)\);\n', file.read_text("ascii"))
        assert found
        assert found[1] == file.stem
        yield file.parent.name, json.loads(found[2])


def ask(root: Path, query: str, *values: object) -> list[Any]:
    """Change or ask an archive's manifest, as anybody may."""
    with closing(sqlite3.connect(root / ".mirror" / "manifest.sqlite")) as connection:
        rows = connection.execute(query, values).fetchall()
        connection.commit()
    return rows


class Page(HTMLParser):
    """What stands in a page: its tags with their attributes, and its words."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(file.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep a tag."""
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Keep words."""
        self.words += data

    def all(self, tag: str, name: str) -> list[str]:
        """The values of one attribute of all such tags."""
        return [attributes[name] or "" for each, attributes in self.tags if each == tag and name in attributes]


def shapes_of(page: Page) -> Counter[tuple[str, ...]]:
    """How often each kind of tag with its kinds of attributes stands in a page."""
    return Counter((tag, *sorted(attributes)) for tag, attributes in page.tags)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small archive that no test changes."""
    return make_archive(tmp_path_factory.mktemp("archive"))


@pytest.fixture
def own(archive: Path, tmp_path: Path) -> Path:
    """A copy of it that the test may change."""
    return Path(shutil.copytree(archive, tmp_path / "photos"))
