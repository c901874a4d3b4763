"""The gallery from the command line and over HTTP."""

import asyncio
import json
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from mirror.gallery import GalleryOptions, GalleryReport, GalleryServer, keep_fresh
from mirror.root import ArchiveRoot
from tests.gallery_archive import DAY, Page, archive, ask, build, own
from tests.simulator import SourceSimulator
from tests.test_cli import assert_calm, mirror

__all__ = ["archive", "own"]

# -- over HTTP


def test_server_shows_pages_and_pictures_and_nothing_else(own: Path, tmp_path: Path) -> None:
    """Neither manifest nor configuration nor a neighbour's file is served, however it is asked for."""
    site = build(own).index.parent
    (own / "mirror.toml").write_text('[api]\nsecret = "hush"')
    (own / "secret.jpg").symlink_to(tmp_path / "outside.jpg")
    (tmp_path / "outside.jpg").write_bytes(b"outside")
    with GalleryServer(site, ArchiveRoot(own)) as server:
        host = urlsplit(server.url).netloc

        def status(path: str, **headers: str) -> int:
            with closing(HTTPConnection(host)) as connection:
                connection.request("GET", path, headers=headers)
                return connection.getresponse().status

        key = ask(own, "SELECT key FROM asset WHERE state = 'stored'")[0][0]
        shown = ("photos-gallery/", f"photos-gallery/{DAY}.html", f"photos/{key}")
        assert [status(f"/{each}") for each in shown] == [200, 200, 200]
        assert status("/") == 302
        for path in (
            "photos/mirror.toml", "photos/.mirror/manifest.sqlite", "photos/secret.jpg", "photos/", "outside.jpg",
            "photos-gallery/../photos/mirror.toml", "photos-gallery/%2e%2e/outside.jpg", "photos-gallery/.lock",
            "photos-gallery/data/", "%00", "photos-gallery/..%5coutside.jpg",
        ):  # fmt: skip
            assert status(f"/{path}") in {400, 404}, path
        assert status("/", Host="evil.example:80") == 403


async def test_served_gallery_is_made_again_when_a_run_brought_something(own: Path) -> None:
    """While it is served, the gallery follows the archive; what keeps it from that is said, and tried again."""
    site = build(own).index.parent
    manifest, stop, made = own / ".mirror" / "manifest.sqlite", asyncio.Event(), asyncio.Event()
    reports: list[GalleryReport] = []

    def note(report: GalleryReport) -> None:
        reports.append(report)
        made.set()

    options = GalleryOptions(folder=site)
    work = asyncio.create_task(keep_fresh(ArchiveRoot(own), manifest, options, stop=stop, on_built=note, poll_s=0.01))
    for count in (1, 2):
        ask(own, "INSERT INTO run (command, program, started_at) VALUES ('sync', 'test', '2026-06-01T00:00:00Z')")
        ask(own, "UPDATE bib SET bib = ?", str(count))
        await asyncio.wait_for(made.wait(), 30)
        made.clear()
    stop.set()
    await asyncio.wait_for(work, 30)
    assert all(report.written for report in reports)
    assert not work.exception()


# -- from the command line


async def test_gallery_command_makes_says_and_counts(own: Path, tmp_path: Path) -> None:
    """It says what to open, as JSON too; a second run says that nothing is new."""
    done = await mirror(tmp_path, "gallery", "--archive", "photos", "--title", "Our races")
    assert_calm(done, 0)
    assert "Open photos-gallery/index.html" in done.stdout
    assert "Our races" in Page(tmp_path / "photos-gallery" / "index.html").words
    done = await mirror(own, "gallery", "--title", "Our races", "--json")
    assert_calm(done, 0)
    assert json.loads(done.stdout)["written"] == 0
    done = await mirror(own, "gallery", "--variants", "huge")
    assert_calm(done, 2)


async def test_picture_that_cannot_be_copied_is_named(own: Path, tmp_path: Path) -> None:
    """One file that is gone costs that file; the gallery is made, and the exit code says that something is missing."""
    (own / ask(own, "SELECT key FROM asset WHERE variant = 'large'")[0][0]).unlink()
    done = await mirror(tmp_path, "gallery", "--archive", "photos", "--copy")
    assert_calm(done, 1)
    assert "1 picture could not be copied" in done.stdout
    assert "not copied: Harbour-10K-48211/" in done.stderr
    assert (tmp_path / "photos-gallery" / "index.html").exists()


async def test_settings_say_what_the_gallery_is(own: Path, tmp_path: Path) -> None:
    """Without options the archive's configuration decides; what is typed wins."""
    (tmp_path / "mirror.toml").write_text('[gallery]\nto = "web"\ntitle = "From the file"\nprivate = true\n')
    done = await mirror(own, "gallery", "--title", "Typed")
    assert_calm(done, 0)
    page = Page(tmp_path / "web" / "index.html")
    assert "Typed" in page.words
    assert not page.all("form", "role")


async def test_sync_refreshes_the_gallery_if_the_settings_say_so(tmp_path: Path) -> None:
    """After a sync the gallery is there; one that cannot be made is named and keeps no photo from being stored."""
    async with SourceSimulator() as source:
        source.config(tmp_path)
        file = tmp_path / "mirror.toml"
        file.write_text(f"[gallery]\nrefresh = true\n{source.config_text()}")
        (tmp_path / "photos-gallery").mkdir()
        (tmp_path / "photos-gallery" / "mine.txt").write_text("mine")
        done = await mirror(tmp_path, "sync")
        assert_calm(done, 2)
        assert "the gallery was not made" in done.stderr
        assert list((tmp_path / "photos").rglob("*.jpg"))
        (tmp_path / "photos-gallery" / "mine.txt").unlink()
        done = await mirror(tmp_path, "sync")
        assert_calm(done, 0)
        assert "Gallery: photos-gallery/index.html" in done.stdout
