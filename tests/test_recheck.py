"""Pictures that are rendered anew under the same URL: asked about, fetched again, the earlier bytes kept."""

from pathlib import Path

import pytest

from mirror import run_sync
from mirror.manifest import HeldRow
from mirror.progress import causes
from mirror.recheck import verdict_of
from tests.simulator import SourceSimulator
from tests.test_sync import assert_agrees, rows, tree
from tests.wire import always, answer, open_transport, raw_server

ALWAYS = 10**9


async def test_unchanged_pictures_are_asked_about_and_not_fetched(tmp_path: Path) -> None:
    """Each stored picture costs one question, answered without a body; nothing in the tree moves."""
    async with SourceSimulator() as source:
        config = source.config(tmp_path)
        stored = (await run_sync(config)).stored
        before = {path: path.stat().st_ctime_ns for path in (tmp_path / "photos").rglob("*.jpg")}
        source.requests.clear()
        report = await run_sync(config, is_recheck=True)
        assert (report.exit_code, report.rechecked, report.changed, report.stored) == (0, stored, 0, 0)
        assert source.pictures_asked() == stored
        assert all(each.headers["If-None-Match"] for each in source.requests if not each.is_api)
    assert {path: path.stat().st_ctime_ns for path in (tmp_path / "photos").rglob("*.jpg")} == before


async def test_picture_rendered_anew_takes_the_name_and_the_old_bytes_are_kept(tmp_path: Path) -> None:
    """A plain sync cannot know of it; --recheck finds it, and only those variants are fetched."""
    async with SourceSimulator() as source:
        config = source.config(tmp_path)
        await run_sync(config)
        old = tree(tmp_path / "photos")
        photo = next(each for each in source.race.photos.values() if each.race_day_id == 34168)
        source.race.render_again(photo.photo_id)
        assert (await run_sync(config, is_full=True)).stored == 0
        report = await run_sync(config, is_recheck=True)
        assert report.exit_code == 0
        assert report.changed == report.stored == len(photo.offered)
    new = tree(tmp_path / "photos")
    changed = {key for key in old if new[key] != old[key]}
    assert len(changed) == len(photo.offered)
    kept = rows(tmp_path / "photos", "SELECT key, hex(sha256) FROM version WHERE why = 'replaced'")
    assert {str(digest).lower() for _, digest in kept} == {old[key] for key in changed}
    assert all((tmp_path / "photos" / str(key)).is_file() for key, _ in kept)
    assert_agrees(tmp_path / "photos")


async def test_picture_that_cannot_be_asked_about_is_named(tmp_path: Path) -> None:
    """What could not be rechecked is counted and said, and the run does not end with 0."""
    async with SourceSimulator() as source:
        config = source.config(tmp_path)
        await run_sync(config)
        source.fault("thumbs", times=ALWAYS, status=404)
        report = await run_sync(config, is_recheck=True)
        assert report.exit_code == 1
        assert report.unchecked > 0
        assert report.missing == 0
        assert any("not rechecked, such as" in cause and "HTTP 404" in cause for cause in causes(report))
    assert_agrees(tmp_path / "photos")


JUNE, JULY = "Mon, 01 Jun 2026 00:00:00 GMT", "Wed, 01 Jul 2026 00:00:00 GMT"


@pytest.mark.parametrize(
    ("etag", "last_modified", "size_bytes", "answered", "verdict"),
    [
        ('"a"', None, 3, answer(b"abc", ETag='"a"'), "same"),
        ('W/"a"', None, 3, answer(b"abc", ETag='"a"'), "same"),
        ('"a"', None, 3, answer(b"abc", ETag='"b"'), "changed"),
        (None, JUNE, 3, answer(b"abc", Last_Modified=JUNE), "same"),
        (None, JUNE, 3, answer(b"abc", Last_Modified=JULY), "changed"),
        (None, None, 7, answer(b"abc"), "changed"),
        (None, None, 3, answer(b"abc"), "rechecked"),
    ],
)
async def test_host_that_ignores_the_question_is_judged_by_what_it_announces(
    etag: str | None, last_modified: str | None, size_bytes: int, answered: bytes, verdict: str
) -> None:
    """Validators decide; where there is none on one side, the picture is fetched again to be sure."""
    held = HeldRow(asset_id=1, url="", host="", size_bytes=size_bytes, etag=etag, last_modified=last_modified)
    async with (
        raw_server(always(answered)) as server,
        open_transport() as transport,
        transport.open_asset(server.url(), if_none_match=held.etag) as body,
    ):
        assert verdict_of(held, body) == verdict
