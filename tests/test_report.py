"""Photos counted, bibs held against a list, gaps and doubles found; and a page that stands alone."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from mirror.errors import ArchiveError, ConfigError
from mirror.manifest import CoverageReader
from mirror.model import Album
from mirror.report import DayReport, Report, StartList, gather, write_page
from mirror.report.bibs import compare, near_bibs
from mirror.report.names import NO_NAME, OTHER, Names, take_apart
from mirror.report.page import page_text
from tests.demo_archive import demo
from tests.test_manifest_desk import DAY, RACE, Desk, desk, photo

__all__ = ["demo", "desk"]

HOSTILE = "</style><script>alert(1)</script>\"'><img src=https://a.example/x>\u202e"


def days_of(
    path: Path, *, start_list: StartList | None = None, days: tuple[tuple[int, int | None], ...] = ()
) -> list[DayReport]:
    """The race days of a manifest's report."""
    with CoverageReader(path) as reader:
        return list(gather(reader, archive="photos", days=days, start_list=start_list).days)


def bars(chart: object) -> dict[str, int]:
    """A chart as plain data."""
    return {bar.label: bar.photos for bar in chart}  # type: ignore[attr-defined]


async def test_report_counts_by_race_day_album_and_uploader(desk: Desk) -> None:
    """Photos, those without a bib, different bibs; a race day is that of the photo's record."""
    await desk.read_listing(
        photo(1, bibs=("7", "8"), uploaded_filename="ABC_0001.jpg"),
        photo(2, bibs=(), uploaded_filename="ABC_0002.jpg", album_id="312"),
        photo(3, bibs=("7",), uploaded_filename=None, race_day_id=9),
    )
    albums = [Album(album_id="311", race_day_id=DAY, name="Course", last_modified_ts=None, num_photos=None)]
    await desk.manifest.note_albums(RACE, DAY, albums)
    other, day = days_of(desk.path)
    assert (other.race_day_id, other.photos, bars(other.uploaders)) == (9, 1, {NO_NAME: 1})
    assert (day.photos, day.untagged, day.bibs, day.unlisted) == (2, 1, 2, 0)
    assert bars(day.albums) == {"Course": 1, "312": 1}
    assert bars(day.uploaders) == {"ABC_": 2}
    assert [each.race_day_id for each in days_of(desk.path, days=((RACE, DAY),))] == [DAY]


async def test_hours_are_of_taking_else_of_upload(desk: Desk) -> None:
    """What cameras say counts; where they say nothing the upload does, by the race's clock, and apart."""
    noon_utc = 1_779_019_200
    await desk.read_listing(
        photo(1, uploaded_ts=noon_utc), photo(2, uploaded_ts=noon_utc), photo(3, uploaded_ts=None),
        photo(4, uploaded_ts=1 << 60),
    )  # fmt: skip
    desk.ask("UPDATE asset SET taken_at = '2026-05-17T08:59:59-04:00' WHERE photo_no = 1 RETURNING 1")
    desk.ask("UPDATE race SET timezone = 'America/New_York' RETURNING 1")
    (day,) = days_of(desk.path)
    assert bars(day.taken) == {"2026-05-17 08:00": 1}
    assert bars(day.uploaded) == {"2026-05-17 08:00": 1, "(no such time)": 1}
    assert (day.upload_clock, day.undated) == ("America/New_York", 1)
    desk.ask("UPDATE race SET timezone = '../nowhere' RETURNING 1")
    (day,) = days_of(desk.path)
    assert ("2026-05-17 12:00" in bars(day.uploaded), day.upload_clock) == (True, "UTC")


async def test_many_hours_become_days(desk: Desk) -> None:
    """Uploads that trickle in for weeks are told by day."""
    await desk.read_listing(*(photo(number, uploaded_ts=1_779_019_200 + 3600 * number) for number in range(1, 50)))
    (day,) = days_of(desk.path)
    assert sum(bars(day.uploaded).values()) == 49
    assert list(bars(day.uploaded)) == ["2026-05-17", "2026-05-18", "2026-05-19"]


async def test_same_bytes_are_found_whatever_the_photo(desk: Desk) -> None:
    """Doubles within a race day, by the hash of the best that is held."""
    await desk.read_listing(*(photo(number) for number in range(1, 5)))
    jobs = await desk.jobs()
    await desk.fetch(*jobs[:2], body=b"same")
    await desk.fetch(*jobs[2:])
    (day,) = days_of(desk.path)
    assert [(each.photo_ids, each.size_bytes) for each in day.duplicates] == [((1, 2), 4)]


async def test_start_list_needs_one_race_day(desk: Desk) -> None:
    """A list of which day? The message names those there are."""
    await desk.read_listing(photo(1), photo(2, race_day_id=9))
    listed = StartList(file="list.csv", column="Bib", bibs=("12",))
    with pytest.raises(ConfigError, match=rf"9 \(Harbour 10K, no date\), {DAY} \(Harbour 10K, 2025-05-17\)"):
        days_of(desk.path, start_list=listed)
    (day,) = days_of(desk.path, start_list=listed, days=((RACE, 9),))
    assert day.start_list is not None
    assert day.start_list.share == 1.0


# -- bibs -----------------------------------------------------------------------------------------------------------


def test_list_is_held_against_the_photos() -> None:
    """Who has a photo, who has none, how many each, and which bibs nobody wears."""
    listed = StartList(file="list.csv", column="Bib", bibs=("1", "2", "10", "117"))
    found = compare(listed, {"1": 2, "10": 25, "1179": 3, "x": 1})
    assert (found.listed, found.covered, found.share) == (4, 2, 0.5)
    assert found.without == ("2", "117")
    assert bars(found.photos_each) == {
        "no photo": 2, "1 photo": 0, "2 photos": 1, "3 photos": 0, "4 photos": 0, "5 to 9": 0, "10 to 19": 0,
        "20 or more": 1,
    }  # fmt: skip
    assert [(each.bib, each.photos, each.near) for each in found.strangers] == [
        ("1179", 3, ("117",)),
        ("x", 1, ("2", "1")),
    ]


@pytest.mark.parametrize(
    ("bib", "near"),
    [("1179", ("1178",)), ("0042", ("42",)), ("2143", ("2134",)), ("11790", ()), ("134", ("2134",)), ("99999", ())],
)
def test_misread_bib_has_near_ones(bib: str, near: tuple[str, ...]) -> None:
    """Other zeros, one digit changed, missing or too many, two swapped; never the bib itself."""
    assert near_bibs(bib, {"1178", "42", "2134", bib}, set()) == near


def test_likeliest_misreading_has_no_photo_yet() -> None:
    """A listed runner without any photo comes first."""
    assert near_bibs("15", {"10", "11", "12", "13", "14"}, {"14", "13"}) == ("13", "14", "10")


# -- file names -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("ABC_0017.JPG", ("ABC_", "0017")), ("2026-05-17_ABC_0017.jpg", ("2026-05-17_ABC_", "0017")),
        ("a/b\\DSC_1090.jpg", ("DSC_", "1090")), ("IMG_1234-edit.jpg", ("IMG_", "1234")), ("00123.jpg", ("", "00123")),
        ("finish.jpg", (OTHER, "")), (None, (NO_NAME, "")), (".jpg", (NO_NAME, "")), ("x5.jpg", (OTHER, "")),
    ],
)  # fmt: skip
def test_name_is_taken_apart_before_its_last_number(name: str | None, parts: tuple[str, str]) -> None:
    """What stands before it is the uploader's prefix."""
    assert take_apart(name) == parts


def test_gaps_are_found_in_what_counts_up() -> None:
    """The largest first; a large step, a few names, and mostly holes are no sequence."""
    names = Names()
    for number in (*range(1, 21), *range(23, 30), 31, *range(5000, 5010)):
        names.add(f"DSC_{number:04d}.JPG")
    for number in (1, 50, 90, 140, 200, 230, 260, 290, 301):
        names.add(f"odd_{number:03d}.jpg")
    names.add("few_10.jpg")
    (found,) = names.sequences()
    assert (found.first, found.last, found.photos, found.missing) == ("DSC_0001", "DSC_0031", 28, 3)
    assert [(gap.first, gap.last, gap.count) for gap in found.gaps] == [
        ("DSC_0021", "DSC_0022", 2),
        ("DSC_0030", "DSC_0030", 1),
    ]


# -- the page -------------------------------------------------------------------------------------------------------


async def hostile_report(desk: Desk) -> Report:
    """A report whose every name means harm."""
    await desk.read_listing(
        *(
            photo(number, bibs=(HOSTILE,), uploaded_filename=f"{HOSTILE}{number:03d}.jpg", album_id=HOSTILE)
            for number in (*range(1, 12), 14)
        )
    )
    desk.ask("UPDATE race SET name = ?, timezone = ? RETURNING 1", HOSTILE, HOSTILE)
    listed = StartList(file=HOSTILE, column=HOSTILE, bibs=("1", f"{HOSTILE} "))
    with CoverageReader(desk.path) as reader:
        return gather(reader, archive=HOSTILE, start_list=listed)


class Seen(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element and what it says."""
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)


async def test_page_lets_no_name_through(desk: Desk) -> None:
    """Markup in names is text, text that turns others around is gone, and nothing is asked of elsewhere."""
    text = page_text(await hostile_report(desk))
    seen = Seen(text)
    assert "&lt;script&gt;" in text
    assert "\u202e" not in text
    assert not seen.tags & {"script", "img", "link", "iframe", "object", "base", "form", "a"}
    assert not {name for name in seen.attributes if name in {"src", "href", "style"} or name.startswith("on")}
    assert not re.search(r"url\(|@import", text)
    assert "default-src 'none'" in text
    assert text.count("</style>") == 1


def test_page_shows_plots_of_the_demo(demo: Path, tmp_path: Path) -> None:
    """One page with SVG, whole under its name."""
    with CoverageReader(demo / "photos/.mirror/manifest.sqlite") as reader:
        report = gather(reader, archive="photos")
    write_page(report, tmp_path / "coverage.html")
    text = (tmp_path / "coverage.html").read_text(encoding="utf-8")
    assert text.count("<svg") >= 6
    assert text.count("<article>") == 2
    assert "Finish line" in text
    assert text.startswith("<!doctype html>")
    with pytest.raises(ArchiveError):
        write_page(report, tmp_path / "absent" / "coverage.html")
