"""Damage made by hand is found, named and mended; what is right is left alone."""

import asyncio
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mirror import run_sync
from mirror.config import Config
from mirror.decode import try_decoding
from mirror.demo.drawing import tiny_picture
from mirror.errors import ManifestError
from mirror.findings import Check, Finding, Sample, VerifyReport
from mirror.root import ArchiveRoot
from mirror.tally import Steps
from mirror.verify import repair, verify
from tests.simulator import SourceSimulator
from tests.test_cli import assert_calm, mirror
from tests.test_sync import assert_agrees, rows, tree


async def check(
    folder: Path, wish: Check | None = None, *, stop: asyncio.Event | None = None,
    on_found: Callable[[Finding], None] = lambda _: None,
) -> VerifyReport:  # fmt: skip
    """Verify the archive below a folder."""
    root = folder / "photos"
    return await verify(
        ArchiveRoot(root), root / ".mirror/manifest.sqlite", wish or Check(), steps=Steps(), stop=stop or asyncio.Event(),
        on_found=on_found,
    )  # fmt: skip


async def archived(source: SourceSimulator, folder: Path) -> tuple[Config, list[str]]:
    """Archive a race; returns its keys in order."""
    config = source.config(folder)
    assert (await run_sync(config)).exit_code == 0
    return config, sorted(tree(folder / "photos"))


def flip(path: Path) -> None:
    """Change one byte in the middle; the size stays."""
    path.chmod(0o644)
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    path.write_bytes(body)


def without_tables(picture: bytes) -> bytes:
    """A JPEG whose structure is whole and whose code tables are nonsense."""
    start = picture.index(b"\xff\xc4") + 5
    return picture[:start] + b"\xff" * 16 + picture[start + 16 :]


def swap(one: Path, other: Path) -> None:
    """Give two files each other's names."""
    aside = one.with_name("aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)


async def test_sound_archive_is_right_and_untouched(tmp_path: Path) -> None:
    """Every file is named right, noted with the time, and the tree is as before."""
    async with SourceSimulator() as source:
        _, keys = await archived(source, tmp_path)
        source.requests.clear()
        before = {path: path.stat() for path in (tmp_path / "photos").rglob("*.jpg")}
        found: list[Finding] = []
        report = await check(tmp_path, on_found=found.append)
        assert source.requests == []
    assert report.is_right
    assert sorted(each.path for each in found) == keys
    assert {each.mark for each in found} == {"="}
    assert rows(tmp_path / "photos", "SELECT count(*) FROM asset WHERE verified_at IS NULL") == [(0,)]
    assert all(path.stat().st_ino == stat.st_ino for path, stat in before.items())


async def test_damage_made_by_hand_is_found_and_repaired(tmp_path: Path) -> None:
    """A flipped byte, a deleted file, an extra file, a swapped pair: each named for what it is, and just those fetched."""
    async with SourceSimulator() as source:
        config, keys = await archived(source, tmp_path)
        root = tmp_path / "photos"
        before = tree(root)
        flip(root / keys[0])
        (root / keys[3]).unlink()
        swap(root / keys[5], root / keys[9])
        extra = root / Path(keys[0]).parent / "notes.txt"
        extra.write_text("mine")
        sidecar = root / f"{keys[7]}.xmp"
        sidecar.write_text("what a picture program says of a photo")
        source.requests.clear()
        report = await check(tmp_path, Check(wants_again=True))
        assert sorted(report.damaged) == [keys[0], keys[5], keys[9]]
        assert report.missing == [keys[3]]
        assert report.extra == [str(extra.relative_to(root))]
        await repair(config, report)
        assert (report.is_right, report.mended) == (True, 4)
        assert (source.api_requests(), source.pictures_asked()) == (0, 4)
    assert extra.read_text() == "mine"
    extra.unlink()
    sidecar.unlink()
    assert tree(root) == before
    assert_agrees(root)


async def test_damaged_bytes_never_become_an_earlier_version(tmp_path: Path) -> None:
    """They are kept apart as foreign: no version claims the hash of bytes that it does not hold."""
    async with SourceSimulator() as source:
        config, keys = await archived(source, tmp_path)
        root = tmp_path / "photos"
        flip(root / keys[0])
        damaged = (root / keys[0]).read_bytes()
        report = await check(tmp_path)
        await repair(config, report)
    ((place, why, digest),) = rows(root, "SELECT key, why, sha256 FROM version")
    assert (why, digest) == ("foreign", None)
    assert (root / str(place)).read_bytes() == damaged


@pytest.mark.parametrize("harm", [flip, Path.unlink])
async def test_damage_that_nobody_noticed_is_no_version_either(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    """New bytes come for a file that is damaged, or gone, by then: no version claims what it was."""
    async with SourceSimulator() as source:
        config, _ = await archived(source, tmp_path)
        root = tmp_path / "photos"
        photo = max(source.race.photos.values(), key=lambda each: each.uploaded_ts)
        key = next(key for key in tree(root) if f"thumbnail/{photo.photo_id}_" in key)
        harm(root / key)
        photo.name, photo.version = f"{photo.name[:-4]}ffff", 1
        assert (await run_sync(config)).stored == len(photo.offered)
    report = await check(tmp_path)
    assert report.is_right
    assert report.right_versions == len(photo.offered) - 1
    assert rows(root, "SELECT count(*) FROM version WHERE why = 'replaced'") == [(report.right_versions,)]


async def test_next_sync_mends_what_was_found(tmp_path: Path) -> None:
    """Without --repair the assets are wanted, the history says why, and the next run fetches them."""
    async with SourceSimulator() as source:
        config, keys = await archived(source, tmp_path)
        root = tmp_path / "photos"
        before = tree(root)
        flip(root / keys[0])
        (root / keys[1]).unlink()
        await check(tmp_path)
        assert rows(root, "SELECT what FROM history ORDER BY what") == [("damaged",), ("vanished",)]
        assert (await run_sync(config)).stored == 2
    assert tree(root) == before


async def test_damage_stays_named_until_it_is_mended(tmp_path: Path) -> None:
    """A second verification does not call right what the first one found, and a repair then still knows of it."""
    async with SourceSimulator() as source:
        config, keys = await archived(source, tmp_path)
        flip(tmp_path / "photos" / keys[0])
        (tmp_path / "photos" / keys[1]).unlink()
        await check(tmp_path)
        report = await check(tmp_path)
        assert (report.damaged, report.missing) == ([keys[0]], [keys[1]])
        await repair(config, report)
        assert (await check(tmp_path)).is_right


async def test_failed_repair_is_not_right(tmp_path: Path) -> None:
    """What the source does not give again stays damaged."""
    async with SourceSimulator() as source:
        config, keys = await archived(source, tmp_path)
        flip(tmp_path / "photos" / keys[0])
        report = await check(tmp_path, Check(wants_again=True))
        source.fault("", times=1000, status=403)
        await repair(config, report)
        assert (report.mended, report.is_right) == (0, False)


async def test_stopped_verification_goes_on(tmp_path: Path) -> None:
    """What the first one looked at is not looked at again; the one after begins anew."""
    async with SourceSimulator(photos=250) as source:
        _, keys = await archived(source, tmp_path)
    stop = asyncio.Event()
    seen: list[Finding] = []

    def stop_soon(finding: Finding) -> None:
        seen.append(finding)
        stop.set()

    first = await check(tmp_path, stop=stop, on_found=stop_soon)
    assert 0 < len(seen) < len(keys)
    rest = await check(tmp_path)
    assert rest.goes_on_from is not None
    assert first.right + rest.right == len(keys)
    assert (await check(tmp_path)).right == len(keys)


async def test_recently_verified_files_are_left_out(tmp_path: Path) -> None:
    """With an age, only what was not looked at for so long."""
    async with SourceSimulator() as source:
        _, keys = await archived(source, tmp_path)
    assert (await check(tmp_path, Check(sample=Sample(count=5)))).right == 5
    assert (await check(tmp_path, Check(older_than_s=3600))).right == len(keys) - 5
    assert (await check(tmp_path, Check(older_than_s=3600))).right == 0


async def test_read_only_media_are_verified(tmp_path: Path) -> None:
    """Where nothing can be written, the report is all there is, and not a byte changes."""
    async with SourceSimulator() as source:
        _, keys = await archived(source, tmp_path)
    root = tmp_path / "photos"
    flip(root / keys[0])
    (root / ".mirror/drafts").rmdir()
    manifest = root / ".mirror/manifest.sqlite"
    before = manifest.read_bytes()
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    for folder in (root / ".mirror", root):
        folder.chmod(0o555)
    try:
        report = await check(tmp_path)
    finally:
        for folder in (root / ".mirror", root):
            folder.chmod(0o755)
    assert (report.damaged, report.is_noted) == ([keys[0]], False)
    assert manifest.read_bytes() == before


async def test_half_of_the_tree_missing_is_not_believed(tmp_path: Path) -> None:
    """So many at once are rather a disk that is not there: named, but not fetched again unasked."""
    async with SourceSimulator(photos=40) as source:
        _, keys = await archived(source, tmp_path)
    root = tmp_path / "photos"
    for key in keys[: len(keys) // 2]:
        (root / key).unlink()
    report = await check(tmp_path)
    assert len(report.missing) == len(keys) // 2
    assert report.is_withheld
    assert rows(root, "SELECT count(*) FROM asset WHERE state = 'wanted'") == [(0,)]


async def test_other_tree_is_refused(tmp_path: Path) -> None:
    """A manifest says nothing about a tree that is not its own."""
    async with SourceSimulator() as source:
        await archived(source, tmp_path)
    (tmp_path / "photos/.mirror/archive-id").write_text("another")
    with pytest.raises(ManifestError, match="belongs to another manifest"):
        await check(tmp_path)


async def test_earlier_versions_are_verified_apart(tmp_path: Path) -> None:
    """A damaged version is named and nobody is asked for it: the source has those bytes no more."""
    async with SourceSimulator() as source:
        config, _ = await archived(source, tmp_path)
        photo = max(source.race.photos.values(), key=lambda each: each.photo_id)
        photo.name, photo.version = f"{photo.name[:-4]}ffff", 1
        await run_sync(config, is_full=True)
    versions = [path for path in (tmp_path / "photos/.mirror/versions").rglob("*") if path.is_file()]
    assert (await check(tmp_path)).right_versions == len(versions) > 0
    flip(versions[0])
    report = await check(tmp_path)
    assert report.bad_versions == [str(versions[0].relative_to(tmp_path / "photos"))]
    assert (report.damaged, report.is_right) == ([], False)


async def test_link_in_the_place_of_a_file_is_damage(tmp_path: Path) -> None:
    """Not even to the right bytes: what a link leads to is not the archive's."""
    async with SourceSimulator() as source:
        _, keys = await archived(source, tmp_path)
    file = tmp_path / "photos" / keys[0]
    shutil.move(file, tmp_path / "elsewhere.jpg")
    file.symlink_to(tmp_path / "elsewhere.jpg")
    assert (await check(tmp_path)).damaged == [keys[0]]


def test_decoding_tells_broken_from_whole() -> None:
    """A whole picture decodes; one that is cut, and one whose code tables are nonsense, do not."""
    picture = tiny_picture()
    assert try_decoding(picture) == "decoded"
    assert try_decoding(picture[:-20]) == "broken"
    assert try_decoding(without_tables(picture)) == "broken"


async def test_deep_verification_names_what_no_decoder_reads(tmp_path: Path) -> None:
    """Bytes as the source served them that are no picture to a decoder: named apart, and not fetched again."""
    async with SourceSimulator() as source:
        source.fault("thumbs_v2", times=1, body=without_tables(tiny_picture()))
        config = source.config(tmp_path)
        await run_sync(config)
    assert (await check(tmp_path)).is_right
    report = await check(tmp_path, Check(is_deep=True))
    assert len(report.undecodable) == 1
    assert report.asset_ids == []
    assert not report.is_right


async def test_command_says_what_it_found(tmp_path: Path) -> None:
    """Lines for a person, rclone's for a script, JSON for a program; 1 for damage, 0 when all was mended."""
    async with SourceSimulator() as source:
        _, keys = await archived(source, tmp_path)
        flip(tmp_path / "photos" / keys[0])
        done = await mirror(tmp_path, "verify", "--combined", "found.txt")
        assert_calm(done, 1)
        assert f"* {keys[0]}" in done.stdout
        lines = (tmp_path / "found.txt").read_text().splitlines()
        assert sorted(line[2:] for line in lines) == keys
        assert [line for line in lines if line[0] != "="] == [f"* {keys[0]}"]
        done = await mirror(tmp_path, "verify", "--repair", "--json")
        assert_calm(done, 0)
        assert json.loads(done.stdout)["mended"] == 1
    done = await mirror(tmp_path, "verify", "--combined", "-", "--race", "48211")
    assert_calm(done, 0)
    assert len(done.stdout.splitlines()) == len(keys)


@pytest.mark.parametrize("words", [["--sample", "0"], ["--sample", "x"], ["--older-than", "soon"], ["--race", "5"]])
async def test_wrong_wish_ends_with_two(tmp_path: Path, words: list[str]) -> None:
    """What cannot be understood is said."""
    async with SourceSimulator(photos=4) as source:
        await archived(source, tmp_path)
    assert_calm(await mirror(tmp_path, "verify", *words), 2)
