"""What the manifest's tests share: a manifest with the usual moves of a run; and how addresses are compared."""

import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from mirror.hosts import host_of as host_asked
from mirror.manifest import Commit, Manifest, Planned, Selected, Unlisted
from mirror.manifest.text import address_of, host_of, without_query
from mirror.model import Content, Fetched, Job, Page, PassKind, Photo, Race, RaceDay, Reject, Scope, Stored, Variant

RACE, DAY = 48211, 34168
HOST = "pictures.example"
SERVED_TS = 1_800_000_000
KEY = f"Harbour-10K-{RACE}/2025-05-17-{DAY}/thumbnail/1_IMG_1.jpg"


def photo(photo_id: int, **changes: Any) -> Photo:
    """One photo with a thumbnail; its JSON says all that its fields say."""
    variants = changes.pop("variants", {"thumbnail": f"https://{HOST}/thumbs/{photo_id}.jpg"})
    facts = {
        "race_day_id": DAY,
        "album_id": "311",
        "bibs": ("12",),
        "uploaded_filename": "IMG_1.JPG",
        "uploaded_ts": 1_730_000_000,
        **changes,
    }
    record = json.dumps({"photo_id": photo_id, "variants": variants, **facts})
    offered = tuple(Variant(name=name, url=url) for name, url in variants.items())
    return Photo(photo_id=photo_id, variants=offered, json=record, **facts)


def names_in(folder: Path) -> list[str]:
    """What lies in a folder."""
    return sorted(each.name for each in folder.iterdir())


def bytes_of(path: Path) -> bytes:
    """What a file holds."""
    return path.read_bytes()


def variants_of(record: str) -> tuple[Variant, ...]:
    """What `photo` wrote into the JSON."""
    return tuple(Variant(name=name, url=url) for name, url in json.loads(record)["variants"].items())


def page_of(*photos: Photo, rejects: tuple[Reject, ...] = ()) -> Page:
    """One page of a listing."""
    return Page(number=1, photos=photos, rejects=rejects, rows=len(photos), served_ts=SERVED_TS)


def content_of(job: Job, body: bytes = b"", extension: str = "jpg") -> Content:
    """What a check would find of a body."""
    body = body or f"bytes of {job.asset_id}".encode()
    return Content(size_bytes=len(body), sha256=sha256(body).digest(), extension=extension)


@dataclass
class Desk:
    """A manifest with the usual moves of a run."""

    manifest: Manifest
    path: Path
    selected: Sequence[Selected] = field(
        default_factory=lambda: [Selected(race_id=RACE, race_day_ids=(DAY,), variants=("thumbnail",))]
    )

    async def run(self, *selected: Selected) -> int:
        """Begin a run, with another selection if one is given."""
        self.selected = selected or self.selected
        await self.manifest.begin_run("sync")
        return await self.manifest.select(self.selected, variants_of=variants_of)

    async def read_listing(
        self, *photos: Photo, day: int = DAY, scope: Scope | None = None, kind: PassKind = "full",
        is_complete: bool = True, watermark_ts: int | None = None, is_loss_believed: bool = False,
    ) -> tuple[Planned, Unlisted]:  # fmt: skip
        """One pass of one page."""
        pass_id = await self.manifest.begin_pass(RACE, day, scope or Scope(), kind, None)
        planned = await self.manifest.plan(pass_id, page_of(*photos))
        unlisted = await self.manifest.end_pass(
            pass_id, is_complete=is_complete, reason="", watermark_ts=watermark_ts, albums="[]", photos=len(photos),
            is_loss_believed=is_loss_believed,
        )  # fmt: skip
        return planned, unlisted

    async def jobs(self) -> list[Job]:
        """Everything that is to be fetched."""
        found: list[Job] = []
        for host in await self.manifest.hosts():
            found += await self.manifest.wanted(host, 0, 1000)
        return found

    async def fetch(self, *jobs: Job, body: bytes = b"", extension: str = "jpg") -> list[str]:
        """Take jobs to their end; returns the keys."""
        group = [Fetched(job=job, content=content_of(job, body, extension), draft=str(job.asset_id)) for job in jobs]
        commits = await self.manifest.prepare_commit(group)
        stored = [Stored(job=each.fetched.job, content=each.fetched.content, key=each.key) for each in commits]
        await self.manifest.record(stored, [])
        return [each.key for each in commits]

    def ask(self, query: str, *values: object) -> list[Any]:
        """Ask the file itself, as anybody may: one value a row, or the row."""
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            rows = connection.execute(query, values).fetchall()
            connection.commit()
        return [row[0] if len(row) == 1 else row for row in rows]


@contextlib.asynccontextmanager
async def desk_at(folder: Path, **options: Any) -> AsyncIterator[Desk]:
    """A manifest in a folder, with one race, closed at the end."""
    path = folder / "manifest.sqlite"
    manifest = await Manifest.open(path, create=True, **options)
    try:
        day = RaceDay(race_id=RACE, race_day_id=DAY, starts_on=date(2025, 5, 17), events=("10K", "5K"))
        if await manifest.race(RACE) is None:
            await manifest.note_race(Race(race_id=RACE, name="Harbour 10K", days=(day,)))
        yield Desk(manifest=manifest, path=path)
    finally:
        await manifest.aclose()


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """A manifest in a run, with one race day and its thumbnails selected."""
    async with desk_at(tmp_path) as opened:
        await opened.run()
        yield opened


async def one_job(desk: Desk, **changes: Any) -> Job:
    """Photo 1 listed, and its job."""
    await desk.read_listing(photo(1, **changes))
    (job,) = await desk.jobs()
    return job


async def prepare(desk: Desk, job: Job, body: bytes = b"") -> list[Commit]:
    """The first half of a commit."""
    return await desk.manifest.prepare_commit([Fetched(job=job, content=content_of(job, body), draft="draft")])


@pytest.mark.parametrize(
    "url",
    [
        "https://A.Example/x.jpg",
        "https://a.example:443/x.jpg?sig=1",
        "http://a.example:80/x",
        "http://a.example:8080",
        "https://a.example/x#part",
        "https://[::1]:8443/x",
        "HTTPS://a.example?x",
    ],
)
def test_host_is_named_as_the_transport_names_it(url: str) -> None:
    """A host that is held or tripped must be found under the name that its jobs carry."""
    assert host_of(url) == host_asked(url)


def test_address_is_host_and_path() -> None:
    """Scheme, query and signature do not make another address; host and path do."""
    same = ["https://a.example/x.jpg", "http://A.example/x.jpg?sig=1", "https://a.example:443/x.jpg#top"]
    assert {address_of(url) for url in same} == {"a.example/x.jpg"}
    assert address_of("https://b.example/x.jpg") != address_of("https://a.example/y.jpg")
    assert without_query("https://me:secret@a.example/x.jpg?sig=1") == "https://a.example/x.jpg"
