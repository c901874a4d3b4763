"""What the API may answer, and what a run makes of it: never "no photos", never a lost page, never an endless try."""

import asyncio
import json
import zlib
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from mirror import run_sync
from mirror.demo import Request
from mirror.errors import AccessError
from tests.simulator import ALBUMS, ALWAYS, PAGES, Answer, SourceSimulator
from tests.test_cli import assert_calm, mirror
from tests.test_sync import assert_agrees, rows, tree
from tests.watching import all_bytes_below, peak_memory_bytes

REFUSED_KEY = json.dumps({"error": {"error_code": 6, "error_msg": "Key auth\x1b[31mentication\nfailed"}}).encode()


def watermarks(root: Path) -> list[tuple[object, ...]]:
    """The watermarks of all passes of an archive."""
    return rows(root, "SELECT watermark_ts FROM pass ORDER BY pass_id")


async def test_refused_key_leaves_the_archive_as_it_was(tmp_path: Path) -> None:
    """An error under 200: exit 3 after two requests at most, the service's own words, no picture, the same books."""
    async with SourceSimulator() as source:
        source.config(tmp_path)
        assert_calm(await mirror(tmp_path, "sync"), 0)
        before = tree(tmp_path / "photos"), watermarks(tmp_path / "photos")
        source.requests.clear()
        source.fault("/rest", times=ALWAYS, body=REFUSED_KEY)
        done = await mirror(tmp_path, "sync")
        assert_calm(done, 3)
        assert len(source.requests) <= 2
        assert source.pictures_asked() == 0
    assert "Key auth" in done.stderr
    assert "\x1b" not in done.stderr
    after = tree(tmp_path / "photos"), [each for each in watermarks(tmp_path / "photos") if each[0] is not None]
    assert after == before


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_in_seconds_is_waited_for(tmp_path: Path, status: int) -> None:
    """The API is asked again no earlier than it wants, and all is well."""
    async with SourceSimulator() as source:
        source.fault(PAGES, status=status, headers={"Retry-After": "1"})
        assert (await run_sync(source.config(tmp_path))).exit_code == 0
        first, second, *_ = (each.at for each in source.requests if PAGES in each.path)
        assert second - first >= 1
    assert_agrees(tmp_path / "photos")


async def test_retry_after_as_a_date_is_waited_for(tmp_path: Path) -> None:
    """An HTTP date is set against the answer's own clock, which may be days from ours."""
    headers = {"Date": formatdate(1_000_000_000, usegmt=True), "Retry-After": formatdate(1_000_000_001, usegmt=True)}
    async with SourceSimulator() as source:
        source.fault(PAGES, status=503, headers=headers)
        assert (await run_sync(source.config(tmp_path))).exit_code == 0
        first, second, *_ = (each.at for each in source.requests if PAGES in each.path)
        assert second - first >= 1


async def test_too_long_retry_after_is_not_waited_for(tmp_path: Path) -> None:
    """A pause longer than we are ready for ends the listing at once, and says so."""
    async with SourceSimulator() as source:
        source.fault(PAGES, times=ALWAYS, status=503, headers={"Retry-After": "86400"})
        report = await run_sync(source.config(tmp_path))
        assert report.exit_code == 3
        assert source.api_requests(PAGES) == 1


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 500}, {"status": 522, "body": b"<html>\x1b[2Jcloud</html>"}, {"body": b"<html>maintenance</html>"},
        {"body": b""}, {"body": b'{"error": "no"}'}, {"body": b'{"albums": []}'},
    ],
)  # fmt: skip
async def test_page_that_never_comes_right_is_an_honest_failure(tmp_path: Path, fault: dict[str, Any]) -> None:
    """Tries are bounded, pages that were read are kept and fetched, the watermark stays, the next run completes."""
    async with SourceSimulator(photos=60) as source:
        config = source.config(tmp_path, API__PAGE_SIZE="10", DOWNLOAD__ATTEMPTS="3")
        source.fault(PAGES, page=3, times=ALWAYS, **fault)
        report = await run_sync(config)
        assert report.exit_code == 3
        assert report.stored > 0
        assert report.passes[0].reason.isprintable()
        assert sum(each.query.get("page") == "3" for each in source.requests) <= 3
        assert watermarks(tmp_path / "photos") == [(None,)]
        source.faults.clear()
        source.requests.clear()
        second = await run_sync(config)
        assert second.exit_code == 0
        assert source.pictures_asked() == second.stored
    assert_agrees(tmp_path / "photos")


async def _half_a_page(request: web.Request, honest: web.Response) -> web.StreamResponse:
    assert isinstance(honest.body, bytes)
    response = web.StreamResponse(headers={"Content-Length": str(len(honest.body))})
    await response.prepare(request)
    await response.write(honest.body[: len(honest.body) // 2])
    assert request.transport is not None
    request.transport.abort()
    return response


async def _half_a_chunked_page(request: web.Request, honest: web.Response) -> web.StreamResponse:
    assert isinstance(honest.body, bytes)
    response = web.StreamResponse()
    response.enable_chunked_encoding()
    await response.prepare(request)
    await response.write(honest.body[: len(honest.body) // 2])
    assert request.transport is not None
    request.transport.close()
    return response


async def _half_the_json(_: web.Request, honest: web.Response) -> web.StreamResponse:
    assert isinstance(honest.body, bytes)
    return web.Response(body=honest.body[: len(honest.body) // 2], content_type="application/json")


@pytest.mark.parametrize("does", [_half_a_page, _half_a_chunked_page, _half_the_json])
async def test_page_cut_off_is_asked_again(tmp_path: Path, does: Answer) -> None:
    """However a page breaks off, it costs one more call; no photo is lost and none is fetched twice."""
    async with SourceSimulator(photos=60) as source:
        source.fault(PAGES, page=2, does=does)
        report = await run_sync(source.config(tmp_path, API__PAGE_SIZE="10"))
        assert report.exit_code == 0
        assert source.pictures_asked() == report.stored == len(tree(tmp_path / "photos"))
    assert_agrees(tmp_path / "photos")


async def test_key_refused_in_the_middle_keeps_what_was_listed(tmp_path: Path) -> None:
    """The run is refused, the watermark stays, what was listed stays known; the next run lists and fetches the rest."""
    async with SourceSimulator(photos=60) as source:
        config = source.config(tmp_path, API__PAGE_SIZE="10")
        source.fault(PAGES, page=2, times=ALWAYS, body=REFUSED_KEY)
        with pytest.raises(AccessError):
            await run_sync(config)
        assert rows(tmp_path / "photos", "SELECT count(*) FROM photo") == [(10,)]
        assert watermarks(tmp_path / "photos") == [(None,)]
        source.faults.clear()
        assert (await run_sync(config)).exit_code == 0
        listed = sum(photo.race_day_id == 34168 for photo in source.race.photos.values())
    assert rows(tmp_path / "photos", "SELECT count(*) FROM photo") == [(listed,)]
    assert_agrees(tmp_path / "photos")


async def test_numbers_may_be_text_and_fields_unknown(tmp_path: Path) -> None:
    """Digits in strings, album ids that are words, fields nobody has heard of: all is read, and kept as it came."""
    async with SourceSimulator() as source:
        for photo in source.race.photos.values():
            photo.extra = {
                "photo_id": str(photo.photo_id), "race_event_days_id": str(photo.race_day_id),
                "uploaded_ts": str(photo.uploaded_ts), "album_id": "reg-6827", "bibs": ["0012", 7],
                "mood": {"after": ["high", None]},
            }  # fmt: skip
        report = await run_sync(source.config(tmp_path))
        assert report.exit_code == 0
    assert rows(tmp_path / "photos", "SELECT DISTINCT album_id, bib FROM photo JOIN bib USING (photo_no)") == [
        ("reg-6827", "0012"), ("reg-6827", "7"),
    ]  # fmt: skip
    assert '"mood":{' in str(rows(tmp_path / "photos", "SELECT json FROM photo_json LIMIT 1"))
    assert watermarks(tmp_path / "photos")[0][0] == max(p.uploaded_ts for p in source.race.photos.values())


async def test_malformed_photos_cost_themselves_only(tmp_path: Path) -> None:
    """Unusable addresses are named and end with 1; what is null or absent is not offered, and no failure."""
    async with SourceSimulator(photos=40) as source:
        *_, whole, bare, without_id, lost = source.race.photos.values()
        whole.extra = {
            "uploaded_filename": None, "uploaded_ts": None, "bibs": None, "album_id": None,
            "large": {"image_url": f"{source.image_origin}/demo-photos-b/large_watermarked_v3/{whole.name}.jpg",
                      "height": None, "width": 0},
        }  # fmt: skip
        bare.extra = {"original": None, "large": None, "thumbnail": None}
        without_id.extra = {"photo_id": "none of them"}
        lost.extra = {"large": {"image_url": "no address at all", "height": 1, "width": 1}}
        report = await run_sync(source.config(tmp_path))
        assert report.exit_code == 1
        assert (len(report.rejects), report.missing) == (2, 0)
        assert report.stored == sum(
            len(p.offered) for p in source.race.photos.values()
            if p.race_day_id == 34168 and p not in (bare, without_id)
        ) - 1  # fmt: skip
    assert_agrees(tmp_path / "photos")


async def test_photo_listed_twice_is_fetched_once(tmp_path: Path) -> None:
    """The same record twice on a page and again on the next ones is one photo and one download for each variant."""

    async def doubled(_: web.Request, honest: web.Response) -> web.StreamResponse:
        page = json.loads(honest.text or "")
        page["photos"] = page["photos"] * 2 + first
        first.extend(page["photos"][:3])
        return web.json_response(page)

    first: list[object] = []
    async with SourceSimulator(photos=60) as source:
        source.fault(PAGES, times=ALWAYS, does=doubled)
        report = await run_sync(source.config(tmp_path, API__PAGE_SIZE="10"))
        assert report.exit_code == 0
        asked = [each.path for each in source.requests if not each.is_api]
        assert len(asked) == len(set(asked)) == report.stored
    assert_agrees(tmp_path / "photos")


@pytest.mark.parametrize("most_rows", [7, 30])
async def test_fewer_photos_than_asked_for_are_not_the_end(tmp_path: Path, most_rows: int) -> None:
    """A source that caps its pages is read to its end all the same."""
    async with SourceSimulator(photos=60, most_rows=most_rows) as source:
        assert (await run_sync(source.config(tmp_path))).exit_code == 0
        listed = sum(photo.race_day_id == 34168 for photo in source.race.photos.values())
    assert rows(tmp_path / "photos", "SELECT count(*) FROM photo") == [(listed,)]
    assert_agrees(tmp_path / "photos")


async def _silence(request: web.Request, honest: web.Response) -> web.StreamResponse:
    assert isinstance(honest.body, bytes)
    response = web.StreamResponse(headers={"Content-Length": str(len(honest.body))})
    await response.prepare(request)
    await response.write(honest.body[:100])
    await asyncio.Event().wait()
    return response


@pytest.mark.parametrize("silence", [{"stalls": True}, {"does": _silence}])
async def test_silent_api_is_asked_again(tmp_path: Path, silence: dict[str, Any]) -> None:
    """Silence before or in the answer ends by the stall limit, and the page is asked again."""
    async with SourceSimulator() as source:
        source.fault(PAGES, **silence)
        report = await run_sync(source.config(tmp_path, DOWNLOAD__STALL_TIMEOUT="300ms"))
        assert report.exit_code == 0
        assert report.retries >= 1
    assert_agrees(tmp_path / "photos")


async def test_two_api_calls_at_once_are_the_most(tmp_path: Path) -> None:
    """Whatever the pool, and with two race days read at once and pages asked ahead, a third call never is in flight."""

    async def slowly(_: web.Request, honest: web.Response) -> web.StreamResponse:
        await asyncio.sleep(0.02)
        return honest

    async with SourceSimulator(photos=200) as source:
        file = tmp_path / "mirror.toml"
        file.write_text(source.config_text().replace("days = [34168]", 'days = "all"'))
        file.chmod(0o600)
        source.fault("/rest", times=ALWAYS, does=slowly)
        done = await mirror(
            tmp_path, "sync", MIRROR_API__PAGE_SIZE="10", MIRROR_DOWNLOAD__CONCURRENCY="32",
            MIRROR_DOWNLOAD__VARIANTS="thumbnail",
        )  # fmt: skip
        assert_calm(done, 0)
        assert source.most_api_calls == 2


async def test_missing_registration_is_named(tmp_path: Path) -> None:
    """Code 17: exit 3 after two requests at most, with what to do about it."""
    async with SourceSimulator(needs_registration=True) as source:
        source.config(tmp_path)
        done = await mirror(tmp_path, "sync")
        assert_calm(done, 3)
        assert "registration" in done.stderr
        assert len(source.requests) <= 2


async def test_registration_opens_the_door_and_stays_hidden(tmp_path: Path) -> None:
    """Both halves go to the API, and neither to a picture's host, a screen, a log or the archive."""
    async with SourceSimulator(needs_registration=True) as source:
        source.config(tmp_path)
        name, secret = source.registration
        given = {"MIRROR_API__REGISTRATION_ID": name, "MIRROR_API__REGISTRATION_SECRET": secret}
        done = await mirror(tmp_path, "sync", "-vv", "--log-json", "run.log", **given)
        assert_calm(done, 0)
        for each in source.requests:
            sent = json.dumps([each.headers, each.query])
            assert (secret in sent) == (name in sent) == each.is_api
    assert secret.encode() not in all_bytes_below(tmp_path)
    assert secret not in done.stdout + done.stderr


async def _enormous(request: web.Request, _: web.Response) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    for _megabyte in range(300):
        await response.write(b'{"photos": [' + b" " * 1_000_000)
    return response


async def _packed(request: web.Request, _: web.Response) -> web.StreamResponse:
    packer = zlib.compressobj(wbits=31)
    body = b"".join(packer.compress(b" " * 1_000_000) for _ in range(300)) + packer.flush()
    return web.Response(body=body, headers={"Content-Encoding": "gzip", "Content-Type": "application/json"})


@pytest.mark.parametrize("does", [_enormous, _packed])
async def test_enormous_page_is_cut_off(tmp_path: Path, does: Answer) -> None:
    """300 MB, sent or unpacked, are refused at the cap, with little memory."""
    async with SourceSimulator() as source:
        source.config(tmp_path)
        source.fault(PAGES, times=ALWAYS, does=does)
        code, peak_bytes, said = await peak_memory_bytes(tmp_path, "sync")
        assert code == 3, said
        assert "largest_page" in said
    assert peak_bytes < 250_000_000


async def test_packed_and_chunked_pages_are_read(tmp_path: Path) -> None:
    """Whatever form a page travels in, its photos arrive."""

    async def packed(_: web.Request, honest: web.Response) -> web.StreamResponse:
        honest.enable_compression(web.ContentCoding.gzip)
        honest.enable_chunked_encoding()
        return honest

    async with SourceSimulator() as source:
        source.fault(PAGES, times=ALWAYS, does=packed)
        source.fault(ALBUMS, times=ALWAYS, does=packed)
        report = await run_sync(source.config(tmp_path))
        assert report.exit_code == 0
        assert report.stored > 0
    assert_agrees(tmp_path / "photos")


async def test_api_redirect_is_not_followed(tmp_path: Path) -> None:
    """A redirect of the API is refused with its target named, and nothing is sent there."""
    elsewhere: list[Request] = []
    async with SourceSimulator() as other, SourceSimulator() as source:
        other.on_request = elsewhere.append
        target = f"{other.base_url}/v2/photos?rsu_api_key=leak"
        source.fault(PAGES, times=ALWAYS, status=302, headers={"Location": target})
        source.config(tmp_path)
        done = await mirror(tmp_path, "sync")
        assert_calm(done, 3)
        assert other.base_url in done.stdout + done.stderr
        assert "leak" not in done.stdout + done.stderr
    assert elsewhere == []
