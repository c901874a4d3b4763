"""Photos looked up: by bib as text, by what else is known of them, and what was meant where there are none."""

from pathlib import Path

import pytest

from mirror.find import Absent, find, spellings
from mirror.manifest import PhotoFinder, Search
from mirror.model import Album
from tests.test_manifest_desk import DAY, RACE, Desk, desk, photo

__all__ = ["desk"]

LISTED = (
    photo(1, bibs=("1179", "7"), uploaded_filename="ABC_1.jpg", uploaded_ts=100),
    photo(2, bibs=("007",), uploaded_filename="abc_2.jpg", uploaded_ts=200),
    photo(3, bibs=(), uploaded_filename="XYZ_3.jpg", uploaded_ts=300, album_id="312"),
    photo(4, bibs=("1179",), uploaded_filename=None, uploaded_ts=None, race_day_id=9),
)


def ids(path: Path, **search: object) -> list[int]:
    """The photos that a search brings."""
    with PhotoFinder(path) as finder:
        return [each.photo_id for each in finder.photos(finder.find(Search(**search)))]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ({"bibs": ("1179",)}, [4, 1]),
        ({"bibs": ("7", "007")}, [1, 2]),
        ({"bibs": ("1179",), "days": ((RACE, DAY),)}, [4, 1]),
        ({"bibs": ("1179",), "days": ((RACE, 9),)}, [4]),
        ({"bibs": ("1179",), "days": ((RACE + 1, None),)}, []),
        ({"is_untagged": True}, [3]),
        ({"album": "312"}, [3]),
        ({"album": "FINISH"}, [3]),
        ({"since_ts": 200}, [2, 3]),
        ({"uploaded_by": "ABC_"}, [1, 2]),
        ({"uploaded_by": "%"}, []),
        ({"uploaded_by": "ABC_", "since_ts": 150}, [2]),
    ],
)
async def test_search_brings_what_meets_all_of_it(desk: Desk, search: dict[str, object], expected: list[int]) -> None:
    """Any of the bibs, and each of the other conditions; by race day, then as they were uploaded."""
    await desk.read_listing(*LISTED)
    albums = [Album(album_id="312", race_day_id=DAY, name="Finish line", last_modified_ts=None, num_photos=None)]
    await desk.manifest.note_albums(RACE, DAY, albums)
    assert ids(desk.path, **search) == expected


async def test_found_photo_says_what_is_held(desk: Desk) -> None:
    """Bibs in the source's order, variants best first, and a key only where the archive has the bytes."""
    variants = {name: f"https://a.example/{name}/1.jpg" for name in ("thumbnail", "original")}
    await desk.run(*[type(desk.selected[0])(race_id=RACE, race_day_ids=(DAY,), variants=("original", "thumbnail"))])
    await desk.read_listing(photo(1, bibs=("9", "1"), variants=variants))
    await desk.fetch(*[job for job in await desk.jobs() if job.variant == "thumbnail"])
    with PhotoFinder(desk.path) as finder:
        (found,) = finder.photos(finder.find(Search(bibs=("1",))))
    assert (found.race_name, found.bibs) == ("Harbour 10K", ("9", "1"))
    assert [(each.variant, each.state, each.key is None) for each in found.files] == [
        ("original", "wanted", True), ("thumbnail", "stored", False),
    ]  # fmt: skip
    assert [each.variant for each in found.held] == ["thumbnail"]
    await desk.manifest.want_again([1, 2], "vanished")
    with PhotoFinder(desk.path) as finder:
        (found,) = finder.photos(finder.find(Search(bibs=("1",))))
    assert found.held == ()


@pytest.mark.parametrize(
    ("bib", "near"),
    [("0007", (("007", 1), ("7", 1))), ("07", (("007", 1), ("7", 1))), ("#1179", (("1179", 2),)), ("5", ())],
)
async def test_bib_that_nobody_wears_is_told_with_near_spellings(
    desk: Desk, bib: str, near: tuple[tuple[str, int], ...]
) -> None:
    """Bibs are text: another number of zeros is another bib, and worth a word."""
    await desk.read_listing(*LISTED)
    with PhotoFinder(desk.path) as finder:
        found = find(finder, Search(bibs=("1179", bib)))
    assert len(found.numbers) == 2
    assert found.absent == (Absent(bib=bib, near=near),)


async def test_bib_that_is_only_elsewhere_is_told_so(desk: Desk) -> None:
    """A filter that hides a bib is no proof that nobody wears it."""
    await desk.read_listing(*LISTED)
    with PhotoFinder(desk.path) as finder:
        found = find(finder, Search(bibs=("1179", "007"), uploaded_by="XYZ"))
    assert [(each.bib, each.elsewhere) for each in found.absent] == [("1179", 2), ("007", 1)]


def test_spellings_are_other_zeros_case_and_marks() -> None:
    """What is neither letter nor digit may be missing."""
    assert {"7", "007", "000007"} <= set(spellings("07"))
    assert {"a12", "A12", "12"} & set(spellings("a-12")) == {"a12", "A12"}
    assert "0" in spellings("000")


async def test_find_looks_at_no_row_that_it_need_not(desk: Desk) -> None:
    """A bib is found through its index, however large the archive is."""
    plan = desk.ask("EXPLAIN QUERY PLAN SELECT photo_no FROM bib WHERE bib IN (SELECT value FROM json_each('[]'))")
    assert any("bib_by_bib" in str(row) for row in plan)
