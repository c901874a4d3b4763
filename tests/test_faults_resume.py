"""Ranges and left-over drafts: bytes of two versions never meet in one file."""

import hashlib
from pathlib import Path

import pytest

from mirror import run_sync
from mirror.download import address_of, label_of
from tests.simulator import SourceSimulator
from tests.test_resume import expected, large_source
from tests.test_sync import assert_agrees, rows, tree

CUT = 1_500_000


def large_picture(source: SourceSimulator) -> bytes:
    """The bytes of the one photo's large variant."""
    picture = source.race.picture(f"/b/large_watermarked_v3/{next(iter(source.race.photos.values())).name}.jpg")
    assert picture is not None
    return picture


def etag_of(picture: bytes) -> str:
    """The validator that the photo host gives."""
    return f'"{hashlib.md5(picture, usedforsecurity=False).hexdigest()}"'


async def test_whole_answer_to_a_range_starts_over(tmp_path: Path) -> None:
    """A store that ignores the range sends everything: it is taken as it is, with no third request."""
    async with large_source() as source:
        picture = large_picture(source)
        source.fault("large_watermarked", cut_after=CUT, headers={"ETag": etag_of(picture)})
        source.fault("large_watermarked", body=picture, headers={"ETag": etag_of(picture)})
        assert (await run_sync(source.config(tmp_path))).exit_code == 0
        assert source.pictures_asked("large_watermarked") == 2
        assert set(tree(tmp_path / "photos").values()) == expected(source)
    assert_agrees(tmp_path / "photos")


async def test_range_that_is_never_satisfied_does_not_loop(tmp_path: Path) -> None:
    """416 after 416: each try is counted, and the picture is named at the end."""
    async with large_source() as source:
        for _ in range(10):
            source.fault("large_watermarked", cut_after=CUT, headers={"ETag": etag_of(large_picture(source))})
            source.fault("large_watermarked", status=416, body=b"<Error><Code>InvalidRange</Code></Error>")
        report = await run_sync(source.config(tmp_path, DOWNLOAD__ATTEMPTS="4"))
        assert (report.exit_code, report.missing) == (1, 1)
        assert source.pictures_asked("large_watermarked") == 4
    assert_agrees(tmp_path / "photos")


async def test_changed_object_starts_over(tmp_path: Path) -> None:
    """The picture was rendered anew between two tries: the old half is thrown away."""
    async with large_source() as source:
        old = large_picture(source)
        source.fault("large_watermarked", cut_after=CUT, headers={"ETag": etag_of(old)})
        source.on_request = lambda seen: (
            source.race.render_again(next(iter(source.race.photos)))
            if "Range" in seen.headers and large_picture(source) == old
            else None
        )
        assert (await run_sync(source.config(tmp_path, DOWNLOAD__VARIANTS="large"))).exit_code == 0
        assert [path.read_bytes() for path in (tmp_path / "photos").rglob("*.jpg")] == [large_picture(source)]
        assert large_picture(source) != old
    assert_agrees(tmp_path / "photos")


@pytest.mark.parametrize("is_same_etag", [True, False])
@pytest.mark.parametrize("garbage", [b"\0" * CUT, b"\xff\xd8 of an older version" * 60_000, b"too much" * 400_000])
async def test_left_over_draft_with_other_bytes_is_not_believed(
    tmp_path: Path, garbage: bytes, *, is_same_etag: bool
) -> None:
    """What a killed run left under a draft's name, whatever its validator says, spoils no picture."""
    async with large_source() as source:
        config = source.config(tmp_path, DOWNLOAD__ATTEMPTS="3")
        source.fault("large_watermarked", times=3, status=500)
        assert (await run_sync(config)).missing == 1
        root = tmp_path / "photos"
        ((asset_id, url),) = rows(root, "SELECT asset_id, url FROM asset WHERE state = 'wanted'")
        etag = etag_of(large_picture(source)) if is_same_etag else '"another"'
        (root / ".mirror/drafts" / f"{asset_id}.{address_of(str(url))}.{label_of(etag)}").write_bytes(garbage)
        source.requests.clear()
        assert (await run_sync(config)).exit_code == 0
        assert source.pictures_asked() <= 3
        assert set(tree(root).values()) == expected(source)
    assert_agrees(root)


async def test_kept_draft_goes_on_in_the_next_run(tmp_path: Path) -> None:
    """A stopped run keeps what it holds with its validator; the next one asks for the rest alone."""
    async with large_source() as source:
        config = source.config(tmp_path, DOWNLOAD__ATTEMPTS="1", DOWNLOAD__VARIANTS="large")
        source.fault("large_watermarked", status=500)
        assert (await run_sync(config)).missing == 1
        root, picture = tmp_path / "photos", large_picture(source)
        ((asset_id, url),) = rows(root, "SELECT asset_id, url FROM asset WHERE state = 'wanted'")
        name = f"{asset_id}.{address_of(str(url))}.{label_of(etag_of(picture))}"
        (root / ".mirror/drafts" / name).write_bytes(picture[:CUT])
        source.requests.clear()
        assert (await run_sync(config)).exit_code == 0
        (asked,) = (each for each in source.requests if not each.is_api)
        assert (asked.headers["Range"], asked.headers["If-Range"]) == (f"bytes={CUT}-", etag_of(picture))
        assert [path.read_bytes() for path in root.rglob("*.jpg")] == [picture]
    assert_agrees(root)
