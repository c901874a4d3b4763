"""Large transfers go on where they were cut, and never join two versions."""

import hashlib
from pathlib import Path

import pytest

from mirror import run_sync
from tests.simulator import SmallRace, SourceSimulator
from tests.test_sync import assert_agrees, tree


class LargeRace(SmallRace):
    """Pictures of 2.5 MB: whole JPEGs with data behind their end, as phones make them."""

    def picture(self, path: str) -> bytes | None:
        """The bytes under an address."""
        small = super().picture(path)
        return None if small is None else small + hashlib.sha256(small).digest() * 80_000


def large_source() -> SourceSimulator:
    """A race day with one photo in three large variants."""
    source = SourceSimulator(photos=0)
    source.race = LargeRace(photos=0)
    source.race.gain_uploads(1)
    return source


def expected(source: SourceSimulator) -> set[str]:
    """The hashes of all that the photo host has."""
    names = [photo.name for photo in source.race.photos.values()]
    pictures = (
        source.race.picture(f"/b/{prefix}/{name}.jpg")
        for name in names for prefix in ("customOriginal_v3", "large_watermarked_v3", "thumbs_v2")
    )  # fmt: skip
    return {hashlib.sha256(picture).hexdigest() for picture in pictures if picture}


async def test_cut_transfer_goes_on_by_range(tmp_path: Path) -> None:
    """The second try asks for the rest only, under the first one's ETag, and the whole is right."""
    async with large_source() as source:
        picture = source.race.picture(f"/b/large_watermarked_v3/{next(iter(source.race.photos.values())).name}.jpg")
        assert picture is not None
        etag = f'"{hashlib.md5(picture, usedforsecurity=False).hexdigest()}"'
        source.fault("large_watermarked", times=1, cut_after=1_500_000, headers={"ETag": etag})
        report = await run_sync(source.config(tmp_path))
        assert report.exit_code == 0
        ranges = [each.headers["Range"] for each in source.requests if "Range" in each.headers]
        assert len(ranges) == 1
        assert 0 < int(ranges[0][6:-1]) <= 1_500_000
        assert set(tree(tmp_path / "photos").values()) == expected(source)
    assert_agrees(tmp_path / "photos")


@pytest.mark.parametrize("answer", [{"status": 416}, {"status": 206, "headers": {"Content-Range": "bytes 5-9/10"}}])
async def test_refused_range_starts_over(tmp_path: Path, answer: dict[str, object]) -> None:
    """An answer that does not fit what was kept costs the kept bytes, never the picture."""
    async with large_source() as source:
        source.fault("large_watermarked", times=1, cut_after=1_500_000, headers={"ETag": '"one"'})
        source.fault("large_watermarked", times=1, **answer)
        report = await run_sync(source.config(tmp_path))
        assert report.exit_code == 0
        assert set(tree(tmp_path / "photos").values()) == expected(source)
    assert_agrees(tmp_path / "photos")


@pytest.mark.parametrize("etag", ['"another version"', 'W/"weak"'])
async def test_two_versions_are_never_joined(tmp_path: Path, etag: str) -> None:
    """A changed ETag, or one that proves nothing, means that the draft starts again from zero."""
    async with large_source() as source:
        source.fault(
            "large_watermarked",
            times=1,
            cut_after=1_500_000,
            body=b"\xff\xd8" + b"x" * 2_000_000,
            headers={"ETag": etag},
        )
        report = await run_sync(source.config(tmp_path))
        assert report.exit_code == 0
        assert set(tree(tmp_path / "photos").values()) == expected(source)
    assert_agrees(tmp_path / "photos")
