"""Photos handed out of a bucket: found, copied, exported and shown as out of a folder, and refused in one sentence."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from mirror import run_sync
from mirror.archive import Copy, FileRef, stored_files
from mirror.archive.objects import open_bucket
from mirror.archive.objects.files import BucketFiles
from mirror.errors import ArchiveError, ConfigError, DamagedError
from mirror.export.exports import (
    Export,
    Exported,
    export_bags,
    export_checksums,
    export_package,
    export_table,
    export_xmp,
)
from mirror.gallery import PICTURES, GalleryOptions, GalleryReport, GalleryServer, build_gallery
from mirror.handout import Handed, hand_out
from mirror.manifest import ManifestReader, PhotoFinder, Search
from mirror.root import ArchiveRoot
from tests.export_archive import tree
from tests.gallery_archive import Page
from tests.s3_server import S3Server, memory_bucket
from tests.simulator import SourceSimulator
from tests.test_bucket_sync import Club, fetch_all
from tests.test_cli import assert_calm, mirror


@dataclass(frozen=True, slots=True)
class Twin:
    """One archive in a bucket, and the same in a folder."""

    club: Club
    folder: Path

    @property
    def manifest(self) -> Path:
        """The manifest of the one in the bucket."""
        return self.club.state / "manifest.sqlite"

    @property
    def local(self) -> ArchiveRoot:
        """The one in the folder."""
        return ArchiveRoot(self.folder)

    def pictures(self) -> list[str]:
        """Every stored picture."""
        return sorted(key for key in tree(self.folder) if not key.startswith(".mirror/"))


@pytest.fixture(scope="module")
def twin(s3_process: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twin]:
    """An archive that no test changes, with a configuration beside it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in s3_process.environ.items():
            patch.setenv(name, value)
        club = Club(server=s3_process, bucket=s3_process.new_bucket(), folder=tmp_path_factory.mktemp("club"))
        yield Twin(club=club, folder=asyncio.run(_archive(club)))


async def _archive(club: Club) -> Path:
    async with SourceSimulator(photos=24) as source:
        assert (await run_sync(club.config(source))).exit_code == 0
        text = source.config_text().replace('root = "photos"', f'root = "{club.root}"\nstate_dir = "state"')
        (club.folder / "mirror.toml").write_text(text)
    return await fetch_all(club.root, club.folder / "photos")


def pictures_asked(twin: Twin, before: int) -> list[str]:
    """What was asked of single pictures since then."""
    return [each for each in twin.club.requests()[before:] if each.endswith(".jpg")]


# -- found and handed out


def handed(root: ArchiveRoot, manifest: Path, to: Path) -> list[Handed]:
    """Hand out every photo."""
    with PhotoFinder(manifest) as finder:
        return list(hand_out(root, finder.photos(finder.find(Search())), to))


async def test_find_names_objects_by_their_address(twin: Twin) -> None:
    """What is found is printed as other programs for buckets take it, as text and as JSON."""
    done = await mirror(twin.club.folder, "find", "--race", "48211")
    assert_calm(done, 0)
    shown = [line.strip() for line in done.stdout.splitlines() if line.strip().startswith("s3://")]
    assert set(shown) <= {twin.club.root.at(key) for key in twin.pictures()}
    done = await mirror(twin.club.folder, "find", "--race", "48211", "--json")
    paths = [file["path"] for photo in json.loads(done.stdout)["photos"] for file in photo["files"]]
    assert sorted(paths) == [twin.club.root.at(key) for key in twin.pictures()]


def test_copies_are_those_of_a_folder_and_made_once(twin: Twin, tmp_path: Path) -> None:
    """Out of the bucket come the same files under the same names; done again, the store is asked nothing."""
    there = handed(twin.club.root, twin.manifest, tmp_path / "bucket")
    assert [each.how for each in there] == ["copied"] * len(there)
    assert handed(twin.local, twin.manifest, tmp_path / "folder") == there
    assert tree(tmp_path / "bucket") == tree(tmp_path / "folder")
    before = len(twin.club.requests())
    assert {each.how for each in handed(twin.club.root, twin.manifest, tmp_path / "bucket")} == {"there already"}
    edited = next((tmp_path / "bucket").iterdir())
    edited.write_bytes(b"edited")
    assert [each.how for each in handed(twin.club.root, twin.manifest, tmp_path / "bucket")].count("left alone") == 1
    assert twin.club.requests()[before:] == []
    packed = handed(twin.club.root, twin.manifest, tmp_path / "all.zip")
    with zipfile.ZipFile(tmp_path / "all.zip") as opened:
        assert {each.name: opened.read(each.name) for each in packed} == tree(tmp_path / "folder")


# -- exported

EXPORTS: dict[str, Callable[[Export, Path], object]] = {
    "csv": lambda export, to: export_table(export, "csv", to / "photos.csv"),
    "jsonl": lambda export, to: export_table(export, "jsonl", to / "photos.jsonl"),
    "sha256": lambda export, to: export_checksums(export, to / "SHA256SUMS"),
    "datapackage": export_package,
    "bagit": lambda export, to: list(export_bags(export, to)),
    "sidecars": lambda export, to: export_xmp(export, "sidecars", to),
    "embedded": lambda export, to: export_xmp(export, "embedded", to),
}


def export(root: ArchiveRoot, manifest: Path, kind: str, to: Path) -> object:
    """Make an export of everything."""
    with ManifestReader(manifest) as reader:
        return EXPORTS[kind](Export(reader=reader, root=root, days=tuple(reader.export_days())), to)


@pytest.mark.parametrize("kind", sorted(EXPORTS))
def test_export_has_the_bytes_of_a_folders_own(twin: Twin, tmp_path: Path, kind: str) -> None:
    """Every kind of export is the same, byte for byte; those that need no picture ask for none."""
    before = len(twin.club.requests())
    export(twin.club.root, twin.manifest, kind, tmp_path / "bucket")
    asked = pictures_asked(twin, before)
    export(twin.local, twin.manifest, kind, tmp_path / "folder")
    assert tree(tmp_path / "bucket") == tree(tmp_path / "folder") != {}
    assert bool(asked) == (kind in {"bagit", "embedded"})


async def test_damaged_object_is_handed_to_nobody(twin: Twin, s3: S3Server, tmp_path: Path) -> None:
    """Other bytes of the same size under a key are noticed on their way: no copy, no bag, and the earlier bag stays."""
    other = Club(server=s3, bucket=s3.new_bucket(), folder=tmp_path / "other")
    bucket = open_bucket(other.root)
    for key in twin.pictures():
        await bucket.put(key, (twin.folder / key).read_bytes())
    (made,) = await asyncio.to_thread(bags, other.root, twin, tmp_path)
    assert (made.files, made.wrong) == (len(twin.pictures()), ())
    earlier = tree(tmp_path / "bags")
    wrong = next(key for key in twin.pictures() if "/original/" in key)
    await bucket.put(wrong, bytes(reversed((twin.folder / wrong).read_bytes())))
    shutil.rmtree(next((tmp_path / "bags").iterdir()) / "data/", ignore_errors=False)
    missing = tree(tmp_path / "bags")
    (failed,) = await asyncio.to_thread(bags, other.root, twin, tmp_path)
    assert "its bytes are not those that were stored" in failed.wrong[0]
    assert tree(tmp_path / "bags") == missing != earlier
    found = await asyncio.to_thread(handed, other.root, twin.manifest, tmp_path / "copies")
    assert [each.how for each in found].count("damaged") == 1
    assert len(tree(tmp_path / "copies")) == len(found) - 1


def bags(root: ArchiveRoot, twin: Twin, to: Path) -> list[Exported]:
    """Make bags."""
    made = export(root, twin.manifest, "bagit", to / "bags")
    assert isinstance(made, list)
    return made


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("find --untagged --to out --link", "--link makes links to files of this machine"),
        ("export bagit --to out --link", "--link makes links to files of this machine"),
        ("export xmp --beside", "--beside writes into the archive's folder"),
        ("gallery --to out", "no page can point into s3://"),
        ("gallery --to out --copy --link-base https://example.org", "take one of the two"),
        ("gallery --to out --link-base http://example.org", "expected an address such as https://"),
    ],
)
async def test_what_needs_a_folder_is_refused_before_anything_is_done(twin: Twin, words: str, says: str) -> None:
    """One sentence that says what else to do, exit code 2, and nothing is left of it."""
    before = len(twin.club.requests())
    done = await mirror(twin.club.folder, *words.split())
    assert_calm(done, 2)
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (twin.club.folder / "out").exists()
    assert twin.club.requests()[before:] == []


# -- shown


def gallery(twin: Twin, folder: Path, **options: object) -> GalleryReport:
    """Make the gallery of the bucket."""
    return build_gallery(twin.club.root, twin.manifest, GalleryOptions(folder=folder, **options))  # type: ignore[arg-type]


def test_gallery_holds_copies_and_fetches_none_twice(twin: Twin, tmp_path: Path) -> None:
    """A gallery of copies stands alone; made again, nothing is asked of the store."""
    report = gallery(twin, tmp_path / "site", is_copy=True)
    assert (report.copied, report.missing) == (len(twin.pictures()), 0)
    assert tree(tmp_path / "site/photos") == {key: (twin.folder / key).read_bytes() for key in twin.pictures()}
    before = len(twin.club.requests())
    assert gallery(twin, tmp_path / "site", is_copy=True).copied == 0
    assert twin.club.requests()[before:] == []


def test_gallery_points_to_where_the_bucket_is_public(twin: Twin, tmp_path: Path) -> None:
    """Pages name the public address of each picture, and their policy lets pictures come from there, and nothing else."""
    gallery(twin, tmp_path / "site", link_base="https://photos.example.org/2026")
    page = Page(next((tmp_path / "site").glob("48211-*.html")))
    pictures = page.all("img", "src")
    assert {each.removeprefix("https://photos.example.org/2026/") for each in pictures} <= set(twin.pictures())
    policy = page.all("meta", "content")[0]
    assert "img-src 'self' https://photos.example.org;" in policy
    assert "script-src 'self';" in policy


def test_served_gallery_hands_pictures_through(twin: Twin, tmp_path: Path) -> None:
    """A browser gets pages and pictures from this machine alone, and neither our own files nor others of the bucket."""
    gallery(twin, tmp_path / "site", link_base=PICTURES)
    with GalleryServer(tmp_path / "site", twin.club.root) as server:
        host = urlsplit(server.url).netloc

        def ask(path: str) -> tuple[int, bytes]:
            with closing(HTTPConnection(host)) as connection:
                connection.request("GET", path)
                answer = connection.getresponse()
                return answer.status, answer.read()

        page = Page(next((tmp_path / "site").glob("48211-*.html")))
        key = page.all("img", "src")[0].removeprefix("../pictures/")
        assert ask("/site/index.html")[0] == 200
        assert ask(f"/pictures/{key}") == (200, (twin.folder / key).read_bytes())
        for path in ("/pictures/none.jpg", "/pictures/.mirror/manifest.sqlite", "/pictures/.mirror/versions/a.jpg",
                     "/pictures/%2e%2e/a.jpg", "/pictures/mirror.toml", "/pictures/", "/pictures"):  # fmt: skip
            assert ask(path)[0] == 404, path


@pytest.mark.slow
def test_stop_ends_copying_while_the_store_is_silent(tmp_path: Path, twin: Twin) -> None:
    """A person who waits for a store that hangs is let go at once, and no half picture is left."""
    words = [sys.executable, "-m", "mirror", "find", "--race", "48211", "--to", str(tmp_path / "out")]
    twin.club.server.pause()
    try:
        with subprocess.Popen(words, cwd=twin.club.folder, stderr=subprocess.PIPE, text=True) as process:
            while not (tmp_path / "out").is_dir() or not any((tmp_path / "out").iterdir()):
                assert process.poll() is None
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=20)
    finally:
        twin.club.server.go_on()
    assert (process.returncode, "Traceback" in said) == (143, False)
    assert tree(tmp_path / "out") == {}


# -- several at once


def files_of(bodies: dict[str, bytes]) -> BucketFiles:
    """Stored files of a bucket with these objects."""
    bucket = memory_bucket()

    async def fill() -> None:
        for key, body in bodies.items():
            await bucket.put(key, body)

    asyncio.run(fill())
    return BucketFiles(lambda: bucket)


@pytest.mark.parametrize(("size_bytes", "most"), [(1000, 17), (40_000_000, 2), (100_000_000, 2)])
def test_no_more_is_read_ahead_than_memory_holds(size_bytes: int, most: int) -> None:
    """A few small files are on their way while one is taken, and fewer large ones, by what the manifest says of them."""
    pulled: list[int] = []

    def items() -> Iterator[tuple[int, FileRef]]:
        for number in range(100):
            pulled.append(number)
            yield number, FileRef(key=f"{number}.jpg", size_bytes=size_bytes)

    with files_of({}) as files, closing(files.read_each(items())) as answers:
        number, error = next(answers)
        assert number == 0
        assert isinstance(error, DamagedError)
        assert len(pulled) == most


def test_copying_that_is_given_up_leaves_no_half_file(tmp_path: Path) -> None:
    """Once the answers are closed nothing is written any more, and what was on its way is gone."""
    bodies = {f"{number}.jpg": os.urandom(3_000_000) for number in range(12)}
    wanted = ((key, Copy(file=FileRef(key=key), target=tmp_path / key)) for key in bodies)
    with files_of(bodies) as files:
        with closing(files.put_each(wanted)) as copied:
            assert next(copied) == ("0.jpg", None)
        left = tree(tmp_path)
    assert left == tree(tmp_path)
    assert {key: body for key, body in bodies.items() if key in left} == left


def test_target_that_cannot_be_written_is_not_the_stores_fault(tmp_path: Path) -> None:
    """A disk of this machine that refuses ends it at once, and is named."""
    (tmp_path / "a").write_bytes(b"no folder")
    copy = Copy(file=FileRef(key="a.jpg"), target=tmp_path / "a" / "a.jpg")
    with files_of({"a.jpg": b"x"}) as files, pytest.raises(ArchiveError, match=r"a/a\.jpg: cannot be written"):
        list(files.put_each([(None, copy)]))


def test_files_of_a_bucket_without_the_extra_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the library is not installed, one line says how to get it."""
    monkeypatch.setitem(__import__("sys").modules, "mirror.archive.objects.bucket", None)
    with pytest.raises(ConfigError, match=r"pip install 'mirror\[s3\]'"):
        stored_files(ArchiveRoot(url="s3://club/photos"))
