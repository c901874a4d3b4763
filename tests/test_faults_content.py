"""What comes under a picture's address: odd pictures are kept byte for byte, what is no whole picture never is."""

import asyncio
import gzip
import json
import zlib
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from aiohttp import web

from mirror import run_sync
from mirror.demo import DemoRace
from mirror.demo.race import DemoPhoto
from tests import imagecheck_samples as make
from tests.simulator import ALWAYS, PAGES, PICTURES, Answer, SourceSimulator
from tests.test_sync import assert_agrees, rows, tree
from tests.watching import peak_memory_bytes

SLOW_DOWN = b'<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Please reduce your rate</Message></Error>'


class GivenRace(DemoRace):
    """Large variants only, with the bytes that a test gives."""

    def __init__(self, pictures: list[bytes], *, uploaded_filename: str = "IMG_0001.JPG") -> None:
        super().__init__(photos=0)
        self.given: dict[str, bytes] = {}
        for photo, picture in zip(self.gain_uploads(len(pictures)), pictures, strict=True):
            photo.offered, photo.uploaded_filename = ("large",), uploaded_filename
            self.given[photo.name] = picture

    def picture(self, path: str) -> bytes | None:
        """The bytes under an address."""
        return self.given.get(path.rpartition("/")[2].removesuffix(".jpg"))


def stored_bytes(root: Path) -> list[bytes]:
    """Every asset of an archive, in the order of the photo ids."""
    keys = rows(root, "SELECT key FROM photo JOIN asset USING (photo_no) WHERE state = 'stored' ORDER BY photo_id")
    return [(root / str(key)).read_bytes() for (key,) in keys]


def latest(source: SourceSimulator) -> DemoPhoto:
    """One photo of the race day."""
    return list(source.race.photos.values())[-1]


async def test_every_kind_of_picture_is_kept_byte_for_byte(tmp_path: Path) -> None:
    """Progressive, CMYK, arithmetic, turned, PNG, GIF, WebP, TIFF, HEIC and more, behind .jpg addresses, with data
    after their ends, in other sizes than announced: all are stored, and called what they are.
    """
    kinds = make.samples()
    turned = make.saved("JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0")
    pictures = [*(data for data, _ in kinds.values()), turned]
    pictures += [
        make.jpeg() + tail for tail in (b"\0" * 500, b"MotionPhoto_Data" + make.box(b"ftyp", b"mp42"), make.jpeg())
    ]
    async with SourceSimulator() as source:
        source.race = GivenRace(pictures)
        report = await run_sync(source.config(tmp_path))
        assert (report.exit_code, report.stored) == (0, len(pictures))
    assert stored_bytes(tmp_path / "photos") == pictures
    extensions = {path.suffix for path in (tmp_path / "photos").rglob("9*.*")}
    assert extensions >= {".jpg", ".png", ".gif", ".webp", ".tif", ".heic", ".avif", ".bmp", ".jp2"}
    assert_agrees(tmp_path / "photos")


@pytest.mark.parametrize(
    "body",
    [
        b"<!DOCTYPE html><html>login</html>", b"", SLOW_DOWN, b"%PDF-1.7\n1 0 obj", b"PK\x03\x04" + b"\0" * 60,
        b"\0\0\0\x18ftypmp42" + b"\0" * 40, b"\x1f\x8b" + b"\0" * 30, b"{}", b"\xff\xd8\xff", make.jpeg()[:-2],
    ],
)  # fmt: skip
async def test_what_is_no_whole_picture_is_never_stored(tmp_path: Path, body: bytes) -> None:
    """A page, a document, a film, nothing, a part: under 200 for ever it is named, under no name; the next run mends."""
    async with SourceSimulator() as source:
        photo = latest(source)
        source.fault(f"large_watermarked_v3/{photo.name}", times=ALWAYS, body=body)
        config = source.config(tmp_path, DOWNLOAD__ATTEMPTS="2")
        report = await run_sync(config)
        assert (report.exit_code, report.missing) == (1, 1)
        assert str(photo.photo_id) in report.failures[0].example
        assert source.pictures_asked(f"large_watermarked_v3/{photo.name}") == 2
        assert_agrees(tmp_path / "photos")
        source.faults.clear()
        source.requests.clear()
        assert (await run_sync(config)).exit_code == 0
        assert source.pictures_asked() == 1
    assert_agrees(tmp_path / "photos")


async def test_picture_cut_short_once_is_mended(tmp_path: Path) -> None:
    """Its length agrees and its end is missing: tried again, and whole."""

    async def without_end(_: web.Request, honest: web.Response) -> web.StreamResponse:
        assert isinstance(honest.body, bytes)
        return web.Response(body=honest.body[:-2], headers={"ETag": honest.headers["ETag"]})

    async with SourceSimulator() as source:
        source.fault(PICTURES, times=6, does=without_end)
        report = await run_sync(source.config(tmp_path))
        assert (report.exit_code, report.retries) == (0, 6)
    assert_agrees(tmp_path / "photos")


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_packed_picture_is_stored_unpacked(tmp_path: Path, coding: str) -> None:
    """Sizes and hashes are of the picture, whatever form it travelled in."""

    async def packed(_: web.Request, honest: web.Response) -> web.StreamResponse:
        assert isinstance(honest.body, bytes)
        body = gzip.compress(honest.body) if coding == "gzip" else zlib.compress(honest.body)
        return web.Response(body=body, headers={"Content-Encoding": coding, "Content-Type": "image/jpeg"})

    async with SourceSimulator() as source:
        source.fault(PICTURES, times=ALWAYS, does=packed)
        assert (await run_sync(source.config(tmp_path))).exit_code == 0
        pictures = {source.race.picture(each.path) for each in source.requests if not each.is_api}
        assert set(stored_bytes(tmp_path / "photos")) == pictures
    assert_agrees(tmp_path / "photos")


def _bomb() -> bytes:
    packer = zlib.compressobj(wbits=31)
    return (
        packer.compress(make.jpeg()) + b"".join(packer.compress(bytes(1_000_000)) for _ in range(400)) + packer.flush()
    )


async def _packed_bomb(_: web.Request, __: web.Response) -> web.StreamResponse:
    return web.Response(body=_bomb(), headers={"Content-Encoding": "gzip"})


async def _endless(request: web.Request, __: web.Response) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(make.jpeg())
    while request.transport is not None and not request.transport.is_closing():
        await response.write(bytes(1_000_000))
        await asyncio.sleep(0)
    return response


async def _enormous(_: web.Request, __: web.Response) -> web.StreamResponse:
    return web.Response(body=make.jpeg(), headers={"Content-Length": str(10**15)})


@pytest.mark.parametrize("does", [_packed_bomb, _endless, _enormous])
async def test_enormous_picture_is_cut_at_the_cap(tmp_path: Path, does: Answer) -> None:
    """A bomb, a body without end, one announced beyond any disk: one failure, little memory, nothing left behind."""
    async with SourceSimulator() as source:
        file = tmp_path / "mirror.toml"
        file.write_text(source.config_text().replace("[download]", '[download]\nlargest_asset = "20MB"'))
        file.chmod(0o600)
        source.fault(f"large_watermarked_v3/{latest(source).name}", times=ALWAYS, does=does)
        code, peak_bytes, said = await peak_memory_bytes(tmp_path, "sync")
        assert code == 1, said
        assert "largest_asset" in said
        assert source.pictures_asked(f"large_watermarked_v3/{latest(source).name}") == 1
    assert peak_bytes < 250_000_000
    assert_agrees(tmp_path / "photos")


async def test_same_bytes_and_names_are_two_files(tmp_path: Path) -> None:
    """Every camera has an IMG_0001.JPG, and two photos may be alike to the byte: each has its own file."""
    async with SourceSimulator() as source:
        source.race = GivenRace([make.jpeg()] * 5)
        assert (await run_sync(source.config(tmp_path))).stored == 5
    assert len(tree(tmp_path / "photos")) == 5
    assert len({path.stat().st_ino for path in (tmp_path / "photos").rglob("*.jpg")}) == 5
    assert_agrees(tmp_path / "photos")


# -- the stores -------------------------------------------------------------------------------------------------


async def test_busy_store_is_borne_with(tmp_path: Path) -> None:
    """SlowDown now and then costs tries, never a picture, and its XML never is one."""
    turn = count()

    async def now_and_then(_: web.Request, honest: web.Response) -> web.StreamResponse:
        return honest if next(turn) % 5 else web.Response(status=503, body=SLOW_DOWN, content_type="application/xml")

    async with SourceSimulator(photos=40) as source:
        source.fault(PICTURES, times=ALWAYS, does=now_and_then)
        report = await run_sync(source.config(tmp_path, DOWNLOAD__ATTEMPTS="10"))
        assert report.exit_code == 0
        assert report.retries > 0
    assert_agrees(tmp_path / "photos")


@pytest.mark.parametrize("etag", ['"9b2cf535f27731c974343645a3985328-3"', 'W/"weak"', "unquoted", "", None])
async def test_etag_is_no_checksum(tmp_path: Path, etag: str | None) -> None:
    """Multipart, weak, malformed and missing validators are no failures."""

    async def other_etag(_: web.Request, honest: web.Response) -> web.StreamResponse:
        del honest.headers["ETag"]
        if etag is not None:
            honest.headers["ETag"] = etag
        return honest

    async with SourceSimulator() as source:
        source.fault(PICTURES, times=ALWAYS, does=other_etag)
        report = await run_sync(source.config(tmp_path, DOWNLOAD__ATTEMPTS="1"))
        assert (report.exit_code, report.retries) == (0, 0)
    assert_agrees(tmp_path / "photos")


@pytest.mark.parametrize("kind", ["text/html", "binary/octet-stream", "application/json", ""])
async def test_content_type_decides_nothing(tmp_path: Path, kind: str) -> None:
    """A whole picture is stored whatever it is called."""

    async def called(_: web.Request, honest: web.Response) -> web.StreamResponse:
        honest.headers["Content-Type"] = kind
        return honest

    async with SourceSimulator() as source:
        source.fault(PICTURES, times=ALWAYS, does=called)
        assert (await run_sync(source.config(tmp_path))).exit_code == 0
    assert_agrees(tmp_path / "photos")


def _signed(signature: list[str], *, accepted: Callable[[str], bool]) -> tuple[Answer, Answer]:
    """A listing that signs its addresses, and a store that looks at the signature."""

    async def sign(_: web.Request, honest: web.Response) -> web.StreamResponse:
        page = json.loads(honest.text or "")
        for record in page["photos"]:
            for variant in ("original", "large", "thumbnail"):
                if record[variant]:
                    record[variant]["image_url"] += f"?X-Amz-Signature={signature[0]}"
        return web.json_response(page)

    async def check(request: web.Request, honest: web.Response) -> web.StreamResponse:
        is_fine = accepted(request.query.get("X-Amz-Signature", ""))
        return honest if is_fine else web.Response(status=403, body=b"<Error><Code>AccessDenied</Code></Error>")

    return sign, check


@pytest.mark.parametrize("is_full", [True, False])
async def test_expired_signature_is_replaced_by_a_later_listing(tmp_path: Path, *, is_full: bool) -> None:
    """A full run uses the fresh addresses at once; without one, the first refusal asks for it and the next run does."""
    signature = ["old"]
    sign, check = _signed(signature, accepted=lambda given: given == "new")
    async with SourceSimulator(photos=60) as source:
        source.fault(PAGES, times=ALWAYS, does=sign)
        source.fault(PICTURES, times=ALWAYS, does=check)
        config = source.config(tmp_path, LISTING__OVERLAP="0")
        assert (await run_sync(config)).exit_code == 1
        signature[0] = "new"
        if not is_full:
            report = await run_sync(config)
            assert (report.exit_code, report.passes[0].kind) == (1, "since")
        report = await run_sync(config, is_full=is_full)
        assert (report.exit_code, report.passes[0].kind) == (0, "full")
    assert_agrees(tmp_path / "photos")
    assert not any("Signature" in str(row) for row in rows(tmp_path / "photos", "SELECT stored_url FROM asset"))


async def test_redirect_to_another_allowed_store_is_followed(tmp_path: Path) -> None:
    """A bucket that moved costs one more request; a redirect that leads nowhere costs that picture only."""

    async def moved(request: web.Request, _: web.Response) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": f"{other.image_origin}{request.path}"})

    async with SourceSimulator() as other, SourceSimulator() as source:
        other.race = source.race
        source.fault("thumbs", times=ALWAYS, does=moved)
        source.fault(f"large_watermarked_v3/{latest(source).name}", times=ALWAYS, status=301)
        report = await run_sync(source.config(tmp_path))
        assert (report.exit_code, report.missing) == (1, 1)
        assert other.pictures_asked() == source.pictures_asked("thumbs") > 0
    assert_agrees(tmp_path / "photos")
