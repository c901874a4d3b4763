"""Pages become rows: what is new, what changed, what is to be fetched."""

import json
from dataclasses import replace

import pytest

from mirror.manifest import Selected
from mirror.model import BibChange, Reject, Scope
from tests.test_manifest_desk import DAY, HOST, RACE, SERVED_TS, Desk, desk, page_of, photo, variants_of

__all__ = ["desk"]

ALL = ("original", "large", "thumbnail")
HISTORY = "SELECT what, variant, before, after FROM history ORDER BY history_id"
STATES = "SELECT variant, state, wanted_no FROM asset ORDER BY asset_id"


def urls(photo_id: int, *names: str, folder: str = "v2", query: str = "") -> dict[str, str]:
    """Variants of a photo."""
    return {name: f"https://{HOST}/{folder}/{name}/{photo_id}.jpg{query}" for name in names}


async def test_new_photo_becomes_rows_and_wanted_assets(desk: Desk) -> None:
    """A photo is written down whole, and its selected variants are wanted, with rising numbers."""
    planned, _ = await desk.read_listing(photo(1, bibs=("12", "407")), photo(2))
    assert (planned.new_photos, planned.newly_wanted, planned.known_photos) == (2, 2, 0)
    assert desk.ask("SELECT photo_id, race_day_id, listed_under, album_id, uploaded_filename FROM photo") == [
        (1, DAY, DAY, "311", "IMG_1.JPG"),
        (2, DAY, DAY, "311", "IMG_1.JPG"),
    ]
    assert desk.ask("SELECT bib FROM bib WHERE photo_no = 1 ORDER BY position") == ["12", "407"]
    assert desk.ask(STATES) == [("thumbnail", "wanted", 1), ("thumbnail", "wanted", 2)]
    assert await desk.manifest.newest_wanted_no() == 2
    assert json.loads(desk.ask("SELECT json FROM photo_json")[0])["photo_id"] == 1


async def test_planning_a_page_again_changes_nothing(desk: Desk) -> None:
    """Known photos with the same record leave no trace but the progress, in the same run and in the next."""
    await desk.read_listing(photo(1), photo(2))
    before = desk.ask("SELECT * FROM asset"), desk.ask("SELECT * FROM bib"), desk.ask("SELECT * FROM photo_json")
    for _ in range(2):
        planned, _ = await desk.read_listing(photo(2), photo(1))
        assert (planned.new_photos, planned.changed_photos, planned.newly_wanted, planned.known_photos) == (0, 0, 0, 2)
        await desk.run()
    after = desk.ask("SELECT * FROM asset"), desk.ask("SELECT * FROM bib"), desk.ask("SELECT * FROM photo_json")
    assert (before, []) == (after, desk.ask(HISTORY))


async def test_progress_of_a_pass_stands_in_its_row(desk: Desk) -> None:
    """While a pass is on, its row counts pages and records; a killed run leaves it incomplete."""
    pass_id = await desk.manifest.begin_pass(RACE, DAY, Scope(), "full", None)
    await desk.manifest.plan(pass_id, page_of(photo(1), photo(2)))
    await desk.manifest.plan(pass_id, page_of(photo(3)))
    assert desk.ask("SELECT pages, photos, is_complete, ended_at FROM pass") == [(2, 3, 0, None)]


async def test_same_photo_twice_on_a_page_is_one_photo(desk: Desk) -> None:
    """Of two records on one page the first counts, and a differing one is warned of."""
    planned, _ = await desk.read_listing(photo(1), photo(1), photo(2), photo(2, album_id="7"))
    assert (planned.new_photos, planned.newly_wanted) == (2, 2)
    assert desk.ask("SELECT album_id FROM photo") == ["311", "311"]
    assert len(planned.warnings) == 1
    assert "photo 2 was listed twice" in planned.warnings[0]


@pytest.mark.parametrize(
    "later", [{"album_id": "7"}, {"race_day_id": 9}, {"variants": {"thumbnail": f"https://{HOST}/moved.jpg"}}]
)
async def test_first_record_of_a_run_counts(desk: Desk, later: dict[str, object]) -> None:
    """A photo that a later page of the run places elsewhere stays where it was, with a warning and no history."""
    await desk.read_listing(photo(1))
    planned, _ = await desk.read_listing(photo(1, **later))
    assert "photo 1 was listed twice" in planned.warnings[0]
    assert desk.ask(HISTORY) == []
    assert desk.ask("SELECT album_id, race_day_id FROM photo") == [("311", DAY)]
    assert [job.url for job in await desk.jobs()] == [f"https://{HOST}/thumbs/1.jpg"]


async def test_later_run_believes_the_new_place(desk: Desk) -> None:
    """A photo that moved between runs gets its new album and race day, with the old ones in the history."""
    await desk.read_listing(photo(1))
    await desk.run()
    planned, _ = await desk.read_listing(photo(1, album_id="7", race_day_id=9))
    assert (planned.changed_photos, planned.newly_wanted) == (1, 0)
    assert desk.ask("SELECT album_id, race_day_id, listed_under FROM photo") == [("7", 9, DAY)]
    assert desk.ask(HISTORY) == [("race day", None, str(DAY), "9"), ("album", None, "311", "7")]


async def test_changed_bibs_are_told_and_remembered(desk: Desk) -> None:
    """Bibs added and removed later stand in the history one by one; another order is no news."""
    await desk.read_listing(photo(1, bibs=("12", "407")))
    await desk.run()
    planned, _ = await desk.read_listing(photo(1, bibs=("407", "99")))
    change = BibChange(race_id=RACE, photo_id=1, before=("12", "407"), after=("407", "99"))
    assert planned.bib_changes == (change,)
    assert desk.ask(HISTORY) == [("bib added", None, None, "99"), ("bib removed", None, "12", None)]
    planned, _ = await desk.read_listing(photo(1, bibs=("99", "407")))
    assert (planned.bib_changes, planned.changed_photos) == ((), 0)
    assert desk.ask("SELECT bib FROM bib ORDER BY position") == ["99", "407"]


async def test_unknown_fields_are_kept_as_listed_last(desk: Desk) -> None:
    """A record that changed only in what we do not read replaces the stored one, and is no change of the photo."""
    await desk.read_listing(photo(1))
    newer = replace(photo(1), json='{"photo_id": 1, "caption": "Hello"}')
    planned, _ = await desk.read_listing(newer)
    assert planned.changed_photos == 0
    assert desk.ask("SELECT json FROM photo_json") == [newer.json]


# -- URLs and variants ----------------------------------------------------------------------------------------------


async def test_new_signature_is_no_new_url(desk: Desk) -> None:
    """Where only the query changed, the fresh URL is used and everything else stays."""
    await desk.read_listing(photo(1, variants=urls(1, "thumbnail", query="?sig=old")))
    await desk.run()
    planned, _ = await desk.read_listing(photo(1, variants=urls(1, "thumbnail", query="?sig=new")))
    assert (planned.changed_photos, planned.newly_wanted) == (0, 0)
    (job,) = await desk.jobs()
    assert (job.url, job.wanted_no) == (f"https://{HOST}/v2/thumbnail/1.jpg?sig=new", 1)
    assert desk.ask(HISTORY) == []


@pytest.mark.parametrize("state", ["wanted", "stored", "gone"])
async def test_new_path_is_wanted_whatever_was_before(desk: Desk, state: str) -> None:
    """Another host or path makes the asset wanted, free of earlier failures; stored bytes stay known until replaced."""
    await desk.read_listing(photo(1))
    (job,) = await desk.jobs()
    key = (await desk.fetch(job))[0] if state == "stored" else None
    desk.ask("UPDATE asset SET state = ?, failure = 'forbidden', failed_days = 7 RETURNING 1", state)
    await desk.run()
    planned, _ = await desk.read_listing(photo(1, variants={"thumbnail": "https://other.example/1.jpg?sig=1"}))
    assert planned.newly_wanted == 1
    (again,) = await desk.jobs()
    assert (again.url, again.host, again.wanted_no) == ("https://other.example/1.jpg?sig=1", "other.example", 2)
    assert desk.ask("SELECT key, failure, failed_days FROM asset") == [(key, None, 0)]
    assert desk.ask(HISTORY) == [("url", "thumbnail", f"https://{HOST}/thumbs/1.jpg", "https://other.example/1.jpg")]


async def test_only_configured_variants_have_rows(desk: Desk) -> None:
    """What is not configured is not planned, whatever the source offers."""
    planned, _ = await desk.read_listing(photo(1, variants=urls(1, *ALL)))
    assert planned.newly_wanted == 1
    assert desk.ask("SELECT variant FROM asset") == ["thumbnail"]


async def test_variant_offered_later_is_wanted_and_withdrawn_is_marked(desk: Desk) -> None:
    """A rendition that appears is wanted; one that disappears is marked, and offered again is marked again."""
    await desk.run(Selected(race_id=RACE, race_day_ids=(DAY,), variants=ALL))
    await desk.read_listing(photo(1, variants=urls(1, "thumbnail")))
    await desk.run()
    planned, _ = await desk.read_listing(photo(1, variants=urls(1, "thumbnail", "original")))
    assert planned.newly_wanted == 1
    await desk.run()
    await desk.read_listing(photo(1, variants=urls(1, "original")))
    assert desk.ask("SELECT variant, is_offered FROM asset ORDER BY variant") == [("original", 1), ("thumbnail", 0)]
    await desk.run()
    await desk.read_listing(photo(1, variants=urls(1, *ALL)))
    assert desk.ask("SELECT variant, is_offered FROM asset WHERE NOT is_offered") == []
    assert [(what, variant) for what, variant, _, _ in desk.ask(HISTORY)] == [
        ("variant offered", "original"),
        ("variant withdrawn", "thumbnail"),
        ("variant offered", "thumbnail"),
        ("variant offered", "large"),
    ]


# -- what is odd ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stamp", [SERVED_TS + 2 * 86_400, 1_730_000_000_000])
async def test_absurd_upload_time_is_stored_and_warned_of(desk: Desk, stamp: int) -> None:
    """A stamp from the future, or in milliseconds, is kept as it is and told once."""
    planned, _ = await desk.read_listing(photo(1, uploaded_ts=stamp), photo(2, uploaded_ts=stamp))
    assert len(planned.warnings) == 1
    assert "photo 1 has an upload time in the future" in planned.warnings[0]
    assert desk.ask("SELECT uploaded_ts FROM photo") == [stamp, stamp]


async def test_reject_is_named_and_harms_nobody(desk: Desk) -> None:
    """What cannot be used is written down and named, fit for a terminal; the rest of the page is planned."""
    pass_id = await desk.manifest.begin_pass(RACE, DAY, Scope(), "full", None)
    odd = (
        Reject(reason="unusable URL", photo_id=7, variant="large", json="{}"),
        Reject(reason="record without\x1b[31m a photo_id", json="[]"),
    )
    planned = await desk.manifest.plan(pass_id, page_of(photo(7), rejects=odd))
    assert (planned.rejects, planned.new_photos) == (2, 1)
    assert await desk.manifest.rejects_of_run() == (
        f"race {RACE} day {DAY}: record without [31m a photo_id",
        f"race {RACE} day {DAY} photo 7 large: unusable URL",
    )


async def test_reject_is_forgotten_when_the_photo_can_be_used(desk: Desk) -> None:
    """A photo that is sound in a later run has no reject any more, and a run names only its own."""
    pass_id = await desk.manifest.begin_pass(RACE, DAY, Scope(), "full", None)
    await desk.manifest.plan(pass_id, page_of(photo(7), rejects=(Reject(reason="unusable URL", photo_id=7),)))
    await desk.run()
    assert await desk.manifest.rejects_of_run() == ()
    await desk.read_listing(photo(7))
    assert desk.ask("SELECT count(*) FROM reject") == [0]


# -- what is selected -----------------------------------------------------------------------------------------------


# -- races and albums -----------------------------------------------------------------------------------------------


async def test_variants_of_reads_what_was_planned(desk: Desk) -> None:
    """The stored record says again which variants it offers."""
    await desk.read_listing(photo(1, variants=urls(1, *ALL)))
    (record,) = desk.ask("SELECT json FROM photo_json")
    assert [variant.name for variant in variants_of(record)] == list(ALL)
