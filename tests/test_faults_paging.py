"""A list that moves while it is read: whole runs over pages that shift, repeat, end oddly or never."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from aiohttp import web

from mirror import run_sync
from mirror.demo import Request
from mirror.demo.race import DemoPhoto, DemoRace
from tests.simulator import ALBUMS, ALWAYS, PAGES, SmallRace, SourceSimulator
from tests.test_sync import assert_agrees, rows, tree

TEN = {"API__PAGE_SIZE": "10"}


class NewestFirst(SmallRace):
    """Lists the latest upload first, so that uploads push everything back."""

    def _listed(
        self, race_day_id: int, album_id: str | None, since_ts: int | None, participants: bool
    ) -> list[DemoPhoto]:
        return super()._listed(race_day_id, album_id, since_ts, participants)[::-1]


class Restless(SmallRace):
    """Shows another half of its photos in each walk."""

    walk = 0

    def _listed(
        self, race_day_id: int, album_id: str | None, since_ts: int | None, participants: bool
    ) -> list[DemoPhoto]:
        photos = super()._listed(race_day_id, album_id, since_ts, participants)
        return photos if album_id else [photo for photo in photos if photo.photo_id % 4 <= self.walk]


def photo_ids(root: Path) -> set[object]:
    """The photos that an archive knows."""
    return {photo_id for (photo_id,) in rows(root, "SELECT photo_id FROM photo")}


def listed(race: DemoRace) -> set[object]:
    """The photos that the race day shows at this moment."""
    return {photo.photo_id for photo in race.photos.values() if photo.race_day_id == 34168}


def remove_all(race: DemoRace, photo_ids: Iterable[int]) -> None:
    """Take photos down."""
    for photo_id in photo_ids:
        race.remove(photo_id)


def at_page(number: int, what: Callable[[], object]) -> Callable[[Request], None]:
    """Do something once, when a page is asked for the first time."""
    left = [what]

    def look(seen: Request) -> None:
        if PAGES in seen.path and seen.query.get("page") == str(number) and left:
            left.pop()()

    return look


async def test_uploads_during_the_listing_lose_nothing(tmp_path: Path) -> None:
    """Newest first, three uploads push the pages back: every photo is there, none fetched twice, now or next run."""
    async with SourceSimulator() as source:
        source.race = race = NewestFirst(photos=60)
        source.on_request = at_page(2, lambda: race.gain_uploads(3))
        config = source.config(tmp_path, **TEN)
        assert (await run_sync(config)).exit_code == 0
        assert (await run_sync(config)).exit_code == 0
        assert photo_ids(tmp_path / "photos") == listed(race)
        assert source.pictures_asked() == len(tree(tmp_path / "photos"))
    assert_agrees(tmp_path / "photos")


async def test_deletions_during_the_listing_hide_nobody(tmp_path: Path) -> None:
    """Photos deleted from a page already read shift others past the reader: the same run finds them."""
    async with SourceSimulator() as source:
        source.race = race = SmallRace(photos=60)
        doomed = sorted(photo.photo_id for photo in race.photos.values() if photo.race_day_id == 34168)[:4]
        source.on_request = at_page(3, lambda: remove_all(race, doomed))
        report = await run_sync(source.config(tmp_path, **TEN))
        assert report.exit_code in (0, 1)  # the deleted ones' pictures may be refused
        assert report.is_listing_complete
        assert photo_ids(tmp_path / "photos") >= listed(race)
        assert report.missing == sum(group.count for group in report.failures if group.reason == "forbidden")
    assert_agrees(tmp_path / "photos")


async def test_deletions_during_a_long_since_pass_hide_nobody(tmp_path: Path) -> None:
    """A since pass of several pages is as suspicious as a full one."""
    async with SourceSimulator() as source:
        source.race = race = SmallRace(photos=20)
        config = source.config(tmp_path, **TEN, LISTING__OVERLAP="0")
        await run_sync(config)
        new = race.gain_uploads(30)
        source.requests.clear()
        source.on_request = at_page(3, lambda: remove_all(race, [photo.photo_id for photo in new[:3]]))
        report = await run_sync(config)
        assert report.passes[0].kind == "since"
        assert photo_ids(tmp_path / "photos") >= listed(race)
        assert sum(each.query.get("page") == "1" for each in source.requests) == 3


async def test_list_that_never_rests_is_no_success(tmp_path: Path) -> None:
    """Each walk brings photos that must have been there before: exit 3, no watermark, all that was seen is fetched."""
    async with SourceSimulator() as source:
        source.race = race = Restless(photos=60)

        def look(seen: Request) -> None:
            race.walk += PAGES in seen.path and seen.query.get("page") == "1"

        source.on_request = look
        report = await run_sync(source.config(tmp_path, API__PAGE_SIZE="100"))
        assert report.exit_code == 3
        assert "did not come to rest" in report.passes[0].reason
        assert report.stored == len(tree(tmp_path / "photos")) > 0
    assert rows(tmp_path / "photos", "SELECT watermark_ts FROM pass") == [(None,)]


@pytest.mark.parametrize("more", [0, 10])
async def test_last_page_exactly_full_costs_one_call(tmp_path: Path, more: int) -> None:
    """A list that ends with a page: everything is there, and one empty page shows it."""
    async with SourceSimulator(photos=0) as source:
        source.race.gain_uploads(10 + more)
        assert (await run_sync(source.config(tmp_path, **TEN))).exit_code == 0
        assert source.api_requests(PAGES) == 2 + more // 10
        assert photo_ids(tmp_path / "photos") == set(source.race.photos)


REPEATED = object()
"""The last page once more, for ever."""


@pytest.mark.parametrize("end", [REPEATED, {"photos": []}, {"photos": None}, {"photos": {}}, {}, []])
async def test_every_form_of_the_end_ends_the_pass(tmp_path: Path, end: object) -> None:
    """The last page for ever, an empty list, nothing, an empty object: the pass is complete, with few more calls."""
    last: list[object] = []

    async def does(_: web.Request, honest: web.Response) -> web.StreamResponse:
        photos = json.loads(honest.text or "")["photos"]
        last[:] = photos or last
        return honest if photos else web.json_response({"photos": last} if end is REPEATED else end)

    async with SourceSimulator(photos=60) as source:
        source.fault(PAGES, times=ALWAYS, does=does)
        assert (await run_sync(source.config(tmp_path, **TEN))).exit_code == 0
        assert photo_ids(tmp_path / "photos") == listed(source.race)
        # Two walks, since an album without a stamp proves nothing: five pages each, and at most two to see the end.
        assert source.api_requests(PAGES) <= 2 * (5 + 2)
    assert_agrees(tmp_path / "photos")


async def test_empty_answer_in_the_middle_is_no_end(tmp_path: Path) -> None:
    """While the albums count more, an answer without photos leaves the pass incomplete and the watermark alone."""
    async with SourceSimulator(photos=60) as source:
        config = source.config(tmp_path, **TEN)
        source.fault(PAGES, page=2, times=ALWAYS, body=b"{}")
        assert (await run_sync(config)).exit_code == 3
        assert rows(tmp_path / "photos", "SELECT watermark_ts FROM pass") == [(None,)]
        source.faults.clear()
        source.requests.clear()
        assert (await run_sync(config)).exit_code == 0
        assert next(each.query["page"] for each in source.requests if PAGES in each.path) == "1"
    assert_agrees(tmp_path / "photos")


async def test_endless_list_is_cut_off(tmp_path: Path) -> None:
    """A source that makes up photos for ever is no listing: so many pages and no more, exit 3."""
    made = iter(range(10**9))

    async def more(_: web.Request, __: web.Response) -> web.StreamResponse:
        photos = [{"photo_id": 5_000_000 + next(made), "uploaded_ts": 1_779_000_000} for _ in range(10)]
        return web.json_response({"photos": photos})

    async with SourceSimulator() as source:
        source.fault(PAGES, times=ALWAYS, does=more)
        report = await run_sync(source.config(tmp_path, **TEN, LISTING__MOST_PAGES="20"))
        assert report.exit_code == 3
        assert "most_pages" in report.passes[0].reason
        assert source.api_requests(PAGES) == 20


async def test_names_are_decoration(tmp_path: Path) -> None:
    """Albums and race that cannot be had are warned of; the photos come all the same."""
    async with SourceSimulator(photos=40) as source:
        source.fault(ALBUMS, times=ALWAYS, status=500)
        source.fault("/race/", times=ALWAYS, status=500)
        report = await run_sync(source.config(tmp_path, DOWNLOAD__ATTEMPTS="2"))
        assert report.exit_code == 0
        assert "albums unknown" in report.passes[0].warnings[0]
    assert rows(tmp_path / "photos", "SELECT name FROM race") == [("Race 48211",)]
    assert_agrees(tmp_path / "photos")
