"""A forgotten photo is gone: from the tree, from every byte of the manifest, from copies; and it does not come back."""

import asyncio
import contextlib
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mirror import run_sync
from mirror.demo.race import DemoPhoto
from mirror.errors import ConfigError
from mirror.forget import Receipt, Takedown, forget, look_up
from mirror.manifest import KeepingReader, note_export
from mirror.root import ArchiveRoot
from tests.simulator import SourceSimulator
from tests.test_cli import assert_calm, mirror
from tests.test_sync import assert_agrees, rows, tree

BIB = "73190421"
NAME = "Geheim_Foto_Name.JPG"


def marked(source: SourceSimulator) -> DemoPhoto:
    """A photo whose bib, name and URL stand nowhere else."""
    photo = next(each for each in source.race.photos.values() if each.race_day_id == 34168 and len(each.offered) == 3)
    photo.bibs, photo.uploaded_filename = [BIB, 1179], NAME
    return photo


def look(folder: Path, photo_id: int) -> Takedown:
    """Find a photo in the archive below a folder."""
    with KeepingReader(folder / "photos/.mirror/manifest.sqlite") as reader:
        return look_up(reader, photo_ids=[photo_id])


async def take_down(folder: Path, photo: DemoPhoto) -> Receipt:
    """Forget a photo."""
    root = folder / "photos"
    return await forget(ArchiveRoot(root), root / ".mirror/manifest.sqlite", look(folder, photo.photo_id))


def assert_no_trace(folder: Path, photo: DemoPhoto) -> None:
    """No file below a folder holds the photo's bib, name or address, neither in its bytes nor in its name."""
    traces = [BIB.encode(), b"Geheim", photo.name.encode(), photo.name[-20:].encode()]
    for path in folder.rglob("*"):
        held = str(path.relative_to(folder)).encode() + (path.read_bytes() if path.is_file() else b"")
        assert not [trace for trace in traces if trace in held], path
        assert not path.name.startswith(str(photo.photo_id)), path


async def test_nothing_of_a_forgotten_photo_is_left(tmp_path: Path) -> None:
    """Files, sidecars, versions, drafts, rows, history, free pages and log: not a byte, and all others are as they were."""
    async with SourceSimulator(photos=60) as source:
        photo = marked(source)
        config = source.config(tmp_path)
        await run_sync(config)
        photo.name, photo.version = f"{photo.name[:-4]}ffff", 1
        photo.bibs = [BIB, 5]
        await run_sync(config, is_full=True)
        before = tree(tmp_path / "photos")
        key = next(each for each in before if f"/{photo.photo_id}_" in each)
        (tmp_path / "photos" / f"{key}.xmp").write_text(f"a sidecar that tells of bib {BIB}")
        (tmp_path / "photos/.mirror/drafts" / f"{asset_of(tmp_path, photo)}.00ff.deadbeef").write_bytes(b"half")
        receipt = await take_down(tmp_path, photo)
        assert_no_trace(tmp_path / "photos", photo)
        assert (len(receipt.photos), receipt.versions, receipt.drafts) == (1, 3, 1)
        assert BIB not in repr(receipt)
        assert "Geheim" not in repr(receipt)
        after = tree(tmp_path / "photos")
        assert after == {key: digest for key, digest in before.items() if f"/{photo.photo_id}_" not in key}
        assert len(before) - len(after) == 3
    assert_agrees(tmp_path / "photos")


def asset_of(folder: Path, photo: DemoPhoto) -> int:
    """The id of one of a photo's assets."""
    return look(folder, photo.photo_id).photos[0].files[0].asset_id


async def test_forgotten_photo_does_not_come_back(tmp_path: Path) -> None:
    """Listed again, by since and full passes, corrected, with a newly wanted variant: it is not planned and not fetched."""
    async with SourceSimulator(photos=40) as source:
        photo = marked(source)
        await run_sync(source.config(tmp_path, DOWNLOAD__VARIANTS="thumbnail,large"))
        await take_down(tmp_path, photo)
        source.requests.clear()
        photo.bibs = [BIB, 6]
        report = await run_sync(source.config(tmp_path), is_full=True)
        assert (report.exit_code, report.new_photos, report.rejects) == (0, 0, ())
        assert (await run_sync(source.config(tmp_path))).exit_code == 0
        assert source.pictures_asked(photo.name) == 0
        assert_no_trace(tmp_path / "photos", photo)


async def test_unusable_record_of_a_forgotten_photo_is_not_kept_either(tmp_path: Path) -> None:
    """What could not be used was kept as it came: that goes too, and does not come again."""
    async with SourceSimulator() as source:
        photo = marked(source)
        photo.extra = {"large": {"image_url": f"ftp://x/{photo.name}", "height": 1, "width": 1}}
        config = source.config(tmp_path)
        assert len((await run_sync(config)).rejects) == 1
        await take_down(tmp_path, photo)
        assert (await run_sync(config, is_full=True)).rejects == ()
        assert_no_trace(tmp_path / "photos", photo)


async def test_tally_agrees_after_forgetting(tmp_path: Path) -> None:
    """The counts that status shows are those of what is left."""
    async with SourceSimulator() as source:
        photo = marked(source)
        await run_sync(source.config(tmp_path))
        await take_down(tmp_path, photo)
    root = tmp_path / "photos"
    held = rows(root, "SELECT sum(photos), sum(stored), sum(stored_bytes), sum(gone), sum(wanted) FROM tally")
    counted = rows(root, "SELECT (SELECT count(*) FROM photo), count(*), sum(size_bytes), 0, 0 FROM asset")
    assert held == counted


@contextlib.contextmanager
def frozen(root: Path) -> Iterator[sqlite3.Connection]:
    """A copy of the manifest, open for a look."""
    with contextlib.closing(sqlite3.connect(root / ".mirror/manifest.sqlite")) as connection:
        yield connection


@pytest.mark.parametrize("step", ["bury", "files", "erase"])
async def test_killed_forgetting_goes_on(tmp_path: Path, step: str) -> None:
    """Killed after any of its steps: no sync brings the photo back, and the same command finishes."""
    async with SourceSimulator(photos=40) as source:
        photo = marked(source)
        config = source.config(tmp_path)
        await run_sync(config)
        with killed_at(tmp_path, step) as words:
            killed = await asyncio.to_thread(
                subprocess.run, [sys.executable, "-c", words, str(photo.photo_id)], cwd=tmp_path, check=False,
                capture_output=True,
            )  # fmt: skip
            assert killed.returncode == -signal.SIGKILL, killed.stderr
        source.requests.clear()
        report = await run_sync(config, is_full=True)
        assert (report.exit_code, source.pictures_asked()) == (0, 0)
        done = await mirror(tmp_path, "forget", "--photo", str(photo.photo_id), "--yes")
        assert_calm(done, 0)
        assert_no_trace(tmp_path / "photos", photo)
    assert rows(tmp_path / "photos", "SELECT count(*) FROM tombstone WHERE finished_at IS NOT NULL") == [(1,)]
    assert_agrees(tmp_path / "photos")


@contextlib.contextmanager
def killed_at(folder: Path, step: str) -> Iterator[str]:
    """A program that forgets a photo and dies right after a step."""
    method = {"bury": "KeepingManifest.bury", "files": "LocalArchive.remove_drafts", "erase": "KeepingManifest.erase"}
    owner, name = method[step].split(".")
    yield f"""
import asyncio, os, signal, sys
from pathlib import Path
from mirror.archive import LocalArchive
from mirror.forget import forget, look_up
from mirror.manifest import KeepingManifest, KeepingReader
from mirror.root import ArchiveRoot
path = Path({str(folder)!r}, "photos/.mirror/manifest.sqlite")
whole = {owner}.{name}
async def last(self, *given):
    await whole(self, *given)
    os.kill(os.getpid(), signal.SIGKILL)
{owner}.{name} = last
with KeepingReader(path) as reader:
    takedown = look_up(reader, photo_ids=[int(sys.argv[1])])
asyncio.run(forget(ArchiveRoot(path.parent.parent), path, takedown))
"""


async def test_copies_of_the_manifest_forget_too(tmp_path: Path) -> None:
    """The snapshot beside the tree is renewed; copies left half made, or kept by a rebuild, are deleted."""
    async with SourceSimulator() as source:
        photo = marked(source)
        config = source.config(tmp_path, ARCHIVE__STATE_DIR=str(tmp_path / "state"))
        await run_sync(config)
    root, path = tmp_path / "photos", tmp_path / "state/manifest.sqlite"
    assert BIB.encode() in (root / ".mirror/manifest.sqlite").read_bytes()
    shutil.copy(path, root / ".mirror/manifest.sqlite.new")
    shutil.copy(path, tmp_path / "state/manifest.sqlite.kept-20260517T140000Z")
    (tmp_path / "state/rebuild").mkdir()
    shutil.copy(path, tmp_path / "state/rebuild/manifest.sqlite")
    with KeepingReader(path) as reader:
        takedown = look_up(reader, photo_ids=[photo.photo_id])
    receipt = await forget(ArchiveRoot(root), path, takedown)
    assert receipt.manifests == 1
    assert_no_trace(root, photo)
    assert_no_trace(tmp_path / "state", photo)
    assert rows(root, "SELECT photo_id FROM tombstone") == [(photo.photo_id,)]


async def test_copies_in_exports_are_removed_and_named(tmp_path: Path) -> None:
    """By their bytes under any name, by their names whatever they became; what is of others stays."""
    async with SourceSimulator() as source:
        photo = marked(source)
        await run_sync(source.config(tmp_path))
    root = tmp_path / "photos"
    key = next(key for key in tree(root) if f"original/{photo.photo_id}_" in key)
    other = next(key for key in tree(root) if f"/{photo.photo_id}_" not in key)
    place = tmp_path / "exported"
    (place / "deep").mkdir(parents=True)
    shutil.copy(root / key, place / "deep/renamed.jpg")
    shutil.copy(root / other, place / "other.jpg")
    (place / f"{Path(key).name}.xmp").write_text(BIB)
    (place / f"{photo.photo_id}.webp").write_bytes(b"a smaller one")
    (place / f"{photo.photo_id}7_other.jpg").write_bytes(b"of another photo")
    table = tmp_path / "photos.csv"
    table.write_text("a table")
    for where, kind in ((place, "xmp"), (table, "csv"), (tmp_path / "away", "bagit")):
        assert note_export(root / ".mirror/manifest.sqlite", where, kind)
    receipt = await take_down(tmp_path, photo)
    left = {path.name for path in place.rglob("*") if path.is_file()}
    assert left == {"other.jpg", f"{photo.photo_id}7_other.jpg"}
    found = {each.kind: each for each in receipt.exports}
    assert found["xmp"].removed == 3
    assert "make it again" in found["csv"].remark
    assert "not there" in found["bagit"].remark


async def test_handed_out_copies_are_removed_by_their_bytes_alone(tmp_path: Path) -> None:
    """A folder of people's own: copies and links go, a file that merely bears the photo's number stays."""
    async with SourceSimulator() as source:
        photo = marked(source)
        await run_sync(source.config(tmp_path))
    for words in (["--to", "mine"], ["--to", "linked", "--link"]):
        assert_calm(await mirror(tmp_path / "photos", "find", BIB, "--to", f"../{words[1]}", *words[2:]), 0)
    own = tmp_path / "mine" / f"{photo.photo_id}.txt"
    own.write_text("mine")
    receipt = await take_down(tmp_path, photo)
    assert sorted(each.removed for each in receipt.exports) == [1, 1]
    assert list((tmp_path / "mine").iterdir()) == [own]
    assert list((tmp_path / "linked").iterdir()) == []


async def test_bib_means_whole_photos_of_the_race_asked_for(tmp_path: Path) -> None:
    """All photos that show it; an unknown race is refused, an unknown photo named."""
    async with SourceSimulator(photos=40) as source:
        photo = marked(source)
        await run_sync(source.config(tmp_path))
    with KeepingReader(tmp_path / "photos/.mirror/manifest.sqlite") as reader:
        assert [each.photo_id for each in look_up(reader, bibs=[BIB]).photos] == [photo.photo_id]
        assert look_up(reader, bibs=[BIB], race_id=5).photos == ()
        assert look_up(reader, photo_ids=[5]).unknown == (5,)


async def test_photo_id_of_several_races_is_refused(tmp_path: Path) -> None:
    """One id may stand for two photos: which one is not guessed."""
    async with SourceSimulator() as source:
        photo = marked(source)
        await run_sync(source.config(tmp_path))
    with frozen(tmp_path / "photos") as connection:
        connection.execute(
            "INSERT INTO photo (race_id, photo_id, race_day_id, listed_under, first_run_id, seen_pass_id) "
            "VALUES (9, ?, 1, 1, 1, 1)",
            (photo.photo_id,),
        )
        connection.commit()
    with pytest.raises(ConfigError, match="--race"):
        look(tmp_path, photo.photo_id)


async def test_command_asks_and_gives_a_receipt(tmp_path: Path) -> None:
    """Without an answer nothing goes; a dry run says what would; --yes does it and the receipt says so."""
    async with SourceSimulator() as source:
        photo = marked(source)
        await run_sync(source.config(tmp_path))
    before = tree(tmp_path / "photos")
    assert_calm(await mirror(tmp_path, "forget"), 2)
    assert_calm(await mirror(tmp_path, "forget", "--bib", BIB), 2)
    done = await mirror(tmp_path, "forget", "--bib", BIB, "--dry-run")
    assert_calm(done, 0)
    assert "1179" in done.stdout
    assert_calm(await mirror(tmp_path, "forget", "--photo", "5", "--yes"), 1)
    assert tree(tmp_path / "photos") == before
    done = await mirror(tmp_path, "forget", "--bib", BIB, "--yes", "--receipt", "done.json", "--json")
    assert_calm(done, 0)
    receipt = json.loads((tmp_path / "done.json").read_text())
    assert receipt == json.loads(done.stdout)
    assert receipt["photos"][0]["photo_id"] == photo.photo_id
    assert_no_trace(tmp_path / "photos", photo)
    done = await mirror(tmp_path, "forget", "--photo", str(photo.photo_id), "--yes")
    assert_calm(done, 0)
    assert "forgotten before" in done.stderr
