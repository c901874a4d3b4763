"""A small archive with pictures on disk, for the tests of exports; and the programs that exports are handed to."""

import contextlib
import importlib.util
import io
import os
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mirror.export.exports import Export
from mirror.manifest import ManifestReader, Selected
from mirror.model import Photo
from mirror.root import ArchiveRoot
from tests.test_manifest_desk import DAY, HOST, RACE, Desk, desk_at, photo

HOSTILE = (
    "=1+1", "+1+1", "-1+1", "@SUM(1)", "\t=1", "\r=1", "\n=1", '"=1"', "'=1", '" =1', "\uff1d1", "a;=1", "a\n=1", "a\t@b",
    "0117", "12E5", "5-10", "\x1b[2Jx", "a,b", 'a"b', "<a&b>", "\u2028x", "name\x00\x01", "ümlaut \U0001f3c3", "x" * 300,
)  # fmt: skip
"""Texts that a file name or bib may be."""


def picture(kind: str = "JPEG", *, size: tuple[int, int] = (24, 16), **options: Any) -> bytes:
    """A picture with something to see."""
    drawn = Image.linear_gradient("L").resize(size).convert("RGB")
    with io.BytesIO() as body:
        drawn.save(body, kind, **options)
        return body.getvalue()


@dataclass
class Shelf:
    """An archive that exports are made of."""

    root: Path
    desk: Desk

    @contextlib.contextmanager
    def export(self, **options: Any) -> Iterator[Export]:
        """What an export of everything is about."""
        with ManifestReader(self.desk.path) as reader:
            options = {"days": tuple(reader.export_days()), **options}
            yield Export(reader=reader, root=ArchiveRoot(self.root), **options)

    async def store(self, photos: Sequence[Photo], bodies: Mapping[str, bytes] | None = None) -> list[Path]:
        """List photos and store their files, with these bytes by the end of the address."""
        bodies = bodies or {}
        await self.desk.run()
        await self.desk.read_listing(*photos)
        places = []
        for job in await self.desk.jobs():
            name = job.url.partition("?")[0].rpartition("/")[2]
            body = bodies.get(name) or picture() + f"{job.asset_id}".encode()
            (key,) = await self.desk.fetch(job, body=body, extension=name.rpartition(".")[2])
            place = self.root / key
            place.parent.mkdir(parents=True, exist_ok=True)
            place.unlink(missing_ok=True)
            place.write_bytes(body)
            place.chmod(0o444)
            places.append(place)
        return places


@contextlib.asynccontextmanager
async def shelf_in(folder: Path) -> AsyncIterator[Shelf]:
    """An empty archive in a folder."""
    root = folder / "photos"
    (root / ".mirror").mkdir(parents=True)
    async with desk_at(root / ".mirror") as desk:
        desk.selected = [Selected(race_id=RACE, race_day_ids=(DAY, 9), variants=("original", "thumbnail"))]
        yield Shelf(root=root, desk=desk)


@pytest.fixture
async def shelf(tmp_path: Path) -> AsyncIterator[Shelf]:
    """An empty archive."""
    async with shelf_in(tmp_path) as opened:
        yield opened


def both(photo_id: int, **changes: Any) -> Photo:
    """A photo with an original and a thumbnail, both behind signed addresses."""
    sides = {name: f"https://{HOST}/{name}/{photo_id}.jpg?X-Signature=SECRET" for name in ("original", "thumbnail")}
    return photo(photo_id, variants=changes.pop("variants", sides), **changes)


def hostile_photos() -> list[Photo]:
    """Photos whose names and bibs mean harm."""
    return [
        both(at, uploaded_filename=text, bibs=(text, "1179"), album_id=text) for at, text in enumerate(HOSTILE, start=1)
    ]


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {each.relative_to(folder).as_posix(): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def found(folder: Path, pattern: str) -> list[Path]:
    """The files below a folder that have such a name."""
    return sorted(folder.rglob(pattern))


def needs_module(name: str) -> None:
    """Skip a test whose library is not there; `.ci/run` has them all (the extra ``interop``), and wants no skips."""
    if importlib.util.find_spec(name) is None:
        _absent(f"{name} is not installed: pip install '.[interop]'")


def tool(name: str) -> str:
    """Find a program, or skip the test that needs it."""
    found = shutil.which(name)
    if found is None:
        _absent(f"{name} is not installed")
    return found or ""


def _absent(why: str) -> None:
    if os.environ.get("INTEROP") == "required":
        pytest.fail(f"{why}, and INTEROP=required")
    pytest.skip(why)
