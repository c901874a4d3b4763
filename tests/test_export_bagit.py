"""Bags: valid to the reference library, made from known hashes, replaced in one step, and never over other files."""

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mirror.errors import ConfigError
from mirror.export.exports import Exported, export_bags
from tests.export_archive import Shelf, both, hostile_photos, needs_module, shelf, tree
from tests.test_manifest_desk import DAY, RACE, names_in

__all__ = ["shelf"]

BAG = f"Harbour-10K-{RACE}-2025-05-17-{DAY}"


def bag(shelf: Shelf, to: Path, **options: Any) -> list[Exported]:
    """Make bags of everything."""
    with shelf.export() as export:
        return list(export_bags(export, to, **options))


def validated(folder: Path) -> bool:
    """Whether the reference library finds a bag valid, hash by hash."""
    needs_module("bagit")
    done = subprocess.run([sys.executable, "-m", "bagit", "--validate", str(folder)], check=False, capture_output=True)
    return done.returncode == 0


@pytest.mark.parametrize("how", ["copy", "link"])
async def test_bag_is_valid_to_the_reference_library(shelf: Shelf, tmp_path: Path, how: str) -> None:
    """With hostile names and bibs too; a flipped byte in it is found."""
    await shelf.store(hostile_photos())
    (done,) = bag(shelf, tmp_path / "bags", how=how)
    assert (done.photos, done.files) == (len(hostile_photos()), 2 * len(hostile_photos()))
    assert validated(done.to)
    victim = next((done.to / "data").rglob("*.jpg"))
    body = bytearray(victim.read_bytes())
    body[-1] ^= 1
    victim.unlink()
    victim.write_bytes(body)
    assert not validated(done.to)


async def test_bag_holds_the_files_as_the_archive_does(shelf: Shelf, tmp_path: Path) -> None:
    """Below data/ lies the tree; the manifest names each file with the hash that it was stored under."""
    places = await shelf.store([both(1), both(2)])
    (done,) = bag(shelf, tmp_path)
    assert tree(done.to / "data") == {place.relative_to(shelf.root).as_posix(): place.read_bytes() for place in places}
    for line in (done.to / "manifest-sha256.txt").read_text().splitlines():
        digest, _, path = line.partition("  ")
        assert hashlib.sha256((done.to / path).read_bytes()).hexdigest() == digest


async def test_bag_info_is_filled_from_the_race(shelf: Shelf, tmp_path: Path) -> None:
    """Ids, race, sums, and what was given; no line can be smuggled in; the date is that of the files, or as asked."""
    await shelf.store([both(1)])
    shelf.desk.ask("UPDATE race SET name = 'Harbour' || char(10) || 'Payload-Oxum: 0.0' RETURNING 1")
    shelf.desk.ask("UPDATE asset SET stored_at = '2025-05-18T09:00:00Z' RETURNING 1")
    (done,) = bag(shelf, tmp_path, info=["Source-Organization: Camden Runners"])
    size = sum(len(body) for body in tree(done.to / "data").values())
    assert (done.to / "bag-info.txt").read_text().splitlines()[:-1] == [
        "Source-Organization: Camden Runners",
        "External-Description: Photos of Harbour Payload-Oxum: 0.0, 2025-05-17, from RunSignup",
        f"External-Identifier: runsignup:race/{RACE}/day/{DAY}",
        f"Bag-Group-Identifier: runsignup:race/{RACE}",
        "Bagging-Date: 2025-05-18",
        f"Payload-Oxum: {size}.2",
    ]
    bag(shelf, tmp_path, date="2026-01-02")
    assert "Bagging-Date: 2026-01-02" in (done.to / "bag-info.txt").read_text()


@pytest.mark.parametrize("wrong", [{"info": ["nothing"]}, {"info": ["A b: c"]}, {"date": "yesterday"}])
async def test_wrong_bag_info_is_refused(shelf: Shelf, tmp_path: Path, wrong: dict[str, Any]) -> None:
    """Before anything is made."""
    with pytest.raises(ConfigError, match="expected"):
        bag(shelf, tmp_path / "bags", **wrong)
    assert not (tmp_path / "bags").exists()


async def test_each_race_day_has_a_bag(shelf: Shelf, tmp_path: Path) -> None:
    """Two days are two bags, and a day of which nothing is stored has none."""
    await shelf.store([both(1), both(2, race_day_id=9)])
    await shelf.desk.read_listing(both(1), both(2, race_day_id=9), both(3, race_day_id=8))
    assert [each.to.name for each in bag(shelf, tmp_path)] == [f"Harbour-10K-{RACE}-9", BAG]


async def test_bag_that_is_up_to_date_is_left(shelf: Shelf, tmp_path: Path) -> None:
    """The second time nothing is written; a new photo, or a lost file of the bag, makes it anew."""
    await shelf.store([both(1)])
    (first,) = bag(shelf, tmp_path)
    before, inode = tree(first.to), first.to.stat().st_ino
    (second,) = bag(shelf, tmp_path)
    assert (second.files, second.unchanged, first.to.stat().st_ino) == (0, 2, inode)
    next((first.to / "data").rglob("*.jpg")).unlink()
    (third,) = bag(shelf, tmp_path)
    assert (third.files, third.unchanged, tree(first.to)) == (2, 0, before)
    await shelf.store([both(1), both(2)])
    (fourth,) = bag(shelf, tmp_path)
    assert fourth.files == 4
    assert names_in(tmp_path) == [BAG, "photos"]


async def test_what_is_no_bag_of_ours_is_not_replaced(shelf: Shelf, tmp_path: Path) -> None:
    """A folder of somebody's, a file, a bag with a file more than it lists: named, and left."""
    await shelf.store([both(1)])
    place = tmp_path / "bags" / BAG
    place.mkdir(parents=True)
    (place / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="is there and is no bag"):
        bag(shelf, place.parent)
    (place / "notes.txt").unlink()
    bag(shelf, place.parent)
    (place / "data" / "notes.txt").write_text("mine")
    await shelf.store([both(1), both(2)])
    with pytest.raises(ConfigError, match=r"did not put there, data/notes\.txt"):
        bag(shelf, place.parent)
    assert (place / "data" / "notes.txt").read_text() == "mine"


async def test_damaged_archive_makes_no_bag(shelf: Shelf, tmp_path: Path) -> None:
    """A file of another size is named, an earlier bag stays whole, and other days get theirs."""
    await shelf.store([both(1), both(2, race_day_id=9)])
    bag(shelf, tmp_path / "bags")
    before = tree(tmp_path / "bags" / BAG)
    first, *_ = await shelf.store([both(1), both(2, race_day_id=9), both(3)])
    first.unlink()
    other, damaged = bag(shelf, tmp_path / "bags")
    assert (other.unchanged, other.wrong) == (2, ())
    assert "no bag of race day 2025-05-17" in damaged.wrong[0]
    assert first.name in damaged.wrong[0]
    assert tree(tmp_path / "bags" / BAG) == before


async def test_bag_lies_outside_the_archive(shelf: Shelf) -> None:
    """What lies inside the archive is the archive's."""
    with pytest.raises(ConfigError, match="inside the archive"):
        bag(shelf, shelf.root / "bags")
