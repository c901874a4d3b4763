"""Clocks that are wrong, photos that come late, stamps that are equal: a since pass misses none within its overlap."""

import json
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from mirror import run_sync
from mirror.demo import Request
from mirror.demo.race import DemoPhoto, DemoRace
from tests.simulator import ALWAYS, PAGES, SmallRace, SourceSimulator
from tests.test_sync import assert_agrees, rows, tree

DAY_S = 86_400


class ServiceClock(SourceSimulator):
    """A service whose clock is so far from ours."""

    skew_s = 0

    def _json(self, data: dict[str, Any]) -> web.Response:  # type: ignore[override]
        answer = super()._json(data)
        answer.headers["Date"] = formatdate(self.now_ts, usegmt=True)
        return answer

    @property
    def now_ts(self) -> int:
        """What the service takes for now."""
        return int(time.time()) + self.skew_s


class AfterSince(SmallRace):
    """Takes the since parameter as excluded."""

    def _listed(
        self, race_day_id: int, album_id: str | None, since_ts: int | None, participants: bool
    ) -> list[DemoPhoto]:
        since_ts = since_ts if since_ts is None else since_ts + 1
        return super()._listed(race_day_id, album_id, since_ts, participants)


class NoSince(SmallRace):
    """Does not know the since parameter."""

    def _listed(
        self, race_day_id: int, album_id: str | None, since_ts: int | None, participants: bool
    ) -> list[DemoPhoto]:
        return super()._listed(race_day_id, album_id, None, participants)


def watermark(root: Path) -> object:
    """The watermark that the last complete pass left."""
    return rows(root, "SELECT watermark_ts FROM pass WHERE is_complete ORDER BY pass_id")[-1][0]


def late(race: SmallRace, uploaded_ts: int) -> DemoPhoto:
    """A photo that appears only now, with a stamp of its own."""
    (photo,) = race.gain_uploads(1)
    photo.uploaded_ts = uploaded_ts
    return photo


def newest_ts(race: DemoRace) -> int:
    """The latest stamp of all photos."""
    return max(photo.uploaded_ts for photo in race.photos.values())


@pytest.fixture
def race() -> SmallRace:
    """A race day of some photos."""
    return SmallRace(photos=30)


async def test_since_pass_asks_from_the_watermark(tmp_path: Path) -> None:
    """The second run sends the parameter, and asks for the new photo's pictures alone."""
    async with SourceSimulator() as source:
        config = source.config(tmp_path)
        await run_sync(config)
        before_ts = newest_ts(source.race)
        source.requests.clear()
        (new,) = source.race.gain_uploads(1)
        await run_sync(config)
        asked = {each.query.get("uploaded_since_timestamp") for each in source.requests if PAGES in each.path}
        assert asked == {str(before_ts - DAY_S)}
        assert source.pictures_asked() == source.pictures_asked(new.name) == len(new.offered)


@pytest.mark.parametrize("skew_s", [-DAY_S, DAY_S])
async def test_watermark_is_the_services_own_time(tmp_path: Path, race: SmallRace, skew_s: int) -> None:
    """With the local clock a day ahead or behind, uploads of this minute are found, and by a since pass."""
    async with ServiceClock() as source:
        source.race, source.skew_s = race, skew_s
        for number, photo in enumerate(race.photos.values()):
            photo.uploaded_ts = source.now_ts - 600 + number
        config = source.config(tmp_path)
        await run_sync(config)
        assert watermark(tmp_path / "photos") == newest_ts(race)
        late(race, source.now_ts)
        report = await run_sync(config)
        assert (report.exit_code, report.new_photos, report.passes[0].kind) == (0, 1, "since")
    assert_agrees(tmp_path / "photos")


@pytest.mark.parametrize("kind", [SmallRace, AfterSince])
async def test_photo_of_the_watermarks_second_is_found(tmp_path: Path, kind: type[SmallRace]) -> None:
    """A photo that shares the newest second appears later: the overlap brings it, whether since includes it or not."""
    async with SourceSimulator() as source:
        source.race = race = kind(photos=30)
        config = source.config(tmp_path)
        await run_sync(config)
        late(race, newest_ts(race))
        report = await run_sync(config)
        assert (report.exit_code, report.new_photos, report.passes[0].kind) == (0, 1, "since")
    assert_agrees(tmp_path / "photos")


async def test_late_arrival_within_the_overlap_is_found(tmp_path: Path, race: SmallRace) -> None:
    """A photo stamped twenty hours before the watermark comes with the next since pass."""
    async with SourceSimulator() as source:
        source.race = race
        config = source.config(tmp_path)
        await run_sync(config)
        before = watermark(tmp_path / "photos")
        late(race, newest_ts(race) - 20 * 3600)
        report = await run_sync(config)
        assert (report.new_photos, report.passes[0].kind) == (1, "since")
        assert watermark(tmp_path / "photos") == before


async def test_older_arrival_is_found_by_a_full_pass(tmp_path: Path, race: SmallRace) -> None:
    """What is older than the overlap comes with the next full pass, which fetches nothing else."""
    async with SourceSimulator() as source:
        source.race = race
        config = source.config(tmp_path)
        await run_sync(config)
        photo = late(race, newest_ts(race) - 30 * DAY_S)
        assert (await run_sync(config)).new_photos == 0
        source.requests.clear()
        report = await run_sync(config, is_full=True)
        assert (report.exit_code, report.new_photos) == (0, 1)
        assert source.pictures_asked() == len(photo.offered)
    assert_agrees(tmp_path / "photos")


async def test_failure_older_than_the_watermark_is_tried_again(tmp_path: Path, race: SmallRace) -> None:
    """What failed is named by each later run and tried again, though no listing shows it any more."""
    async with SourceSimulator() as source:
        source.race = race
        failing = min((p for p in race.photos.values() if p.race_day_id == 34168), key=lambda photo: photo.uploaded_ts)
        config = source.config(tmp_path, DOWNLOAD__ATTEMPTS="1", LISTING__OVERLAP="0")
        source.fault(failing.name, times=ALWAYS, status=500)
        assert (await run_sync(config)).missing == len(failing.offered)
        race.gain_uploads(2)
        report = await run_sync(config)
        assert (report.exit_code, report.missing) == (1, len(failing.offered))
        assert str(failing.photo_id) in report.failures[0].example
        source.faults.clear()
        source.requests.clear()
        assert (await run_sync(config)).exit_code == 0
        assert source.pictures_asked() == len(failing.offered)
    assert_agrees(tmp_path / "photos")


async def test_since_that_is_ignored_fetches_nothing_twice(tmp_path: Path) -> None:
    """A service that lists everything whatever is asked costs calls, and no picture."""
    async with SourceSimulator() as source:
        source.race = NoSince(photos=60)
        config = source.config(tmp_path, API__PAGE_SIZE="10")
        await run_sync(config)
        new = source.race.gain_uploads(2)
        source.requests.clear()
        report = await run_sync(config)
        assert (report.exit_code, report.new_photos) == (0, 2)
        assert source.pictures_asked() == sum(len(photo.offered) for photo in new)
    assert_agrees(tmp_path / "photos")


@pytest.mark.parametrize(
    "stamp", [1_779_030_000_000, int(time.time()) + 400 * DAY_S], ids=["milliseconds", "next year"]
)
async def test_absurd_stamp_moves_no_watermark(tmp_path: Path, race: SmallRace, stamp: int) -> None:
    """A photo from the future, or stamped in milliseconds, is stored and warned of; what comes after it is found."""
    async with SourceSimulator() as source:
        source.race = race
        before = newest_ts(race)
        late(race, stamp)
        config = source.config(tmp_path)
        report = await run_sync(config)
        assert report.exit_code == 0
        assert any("upload" in warning or "future" in warning for warning in report.passes[0].warnings)
        assert watermark(tmp_path / "photos") == before
        race.gain_uploads(1)[0].uploaded_ts = before + 1
        assert (await run_sync(config)).new_photos == 1
    assert_agrees(tmp_path / "photos")


async def test_new_signature_of_the_same_picture_fetches_nothing(tmp_path: Path, race: SmallRace) -> None:
    """Another path means other bytes; another query is the same picture."""
    async with SourceSimulator() as source:
        source.race = race

        async def signed(_: web.Request, honest: web.Response) -> web.StreamResponse:
            page = json.loads(honest.text or "")
            for record in page["photos"]:
                record["large"]["image_url"] += "?X-Amz-Signature=fresh"
            return web.json_response(page)

        config = source.config(tmp_path)
        await run_sync(config)
        before = tree(tmp_path / "photos")
        source.fault(PAGES, times=ALWAYS, does=signed)
        source.requests.clear()
        assert (await run_sync(config, is_full=True)).exit_code == 0
        assert source.pictures_asked() == 0
    assert tree(tmp_path / "photos") == before


async def test_albums_count_as_read_before_the_last_walk(tmp_path: Path, race: SmallRace) -> None:
    """An upload with an old stamp behind the back of the last walk: the next since pass takes no shortcut past it."""
    async with SourceSimulator() as source:
        source.race = race
        ends: list[Request] = []

        def look(seen: Request) -> None:
            if PAGES in seen.path and seen.query["page"] == "2":
                ends.append(seen)
                if len(ends) == 2:
                    late(race, newest_ts(race) - 3600)

        source.on_request = look
        config = source.config(tmp_path)
        assert (await run_sync(config)).exit_code == 0
        assert len(ends) == 2
        report = await run_sync(config)
        assert (report.new_photos, report.passes[0].kind) == (1, "since")
    assert_agrees(tmp_path / "photos")
