"""The gallery's files: what they show, that they change only where something changed, and that nothing breaks out."""

import json
import re
import shutil
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote

import pytest

from mirror.errors import ConfigError, ManifestError
from mirror.gallery.pages import name_of
from mirror.gallery.site import Site
from mirror.race_ref import parse_race_ref
from tests.gallery_archive import (
    DAY,
    HOSTILE,
    Page,
    archive,
    ask,
    build,
    files_of,
    make_archive,
    make_hostile,
    own,
    shapes_of,
    shards_of,
    write_down,
)

__all__ = ["archive", "own"]

# -- what is shown


def test_every_photo_of_the_archive_is_in_the_index(archive: Path, tmp_path: Path) -> None:
    """Outline, blocks and manifest name the same photos, and every file that a block names is there."""
    site = tmp_path / "site"
    report = build(archive, folder=site)
    outlines = [content for _, content in shards_of(site) if isinstance(content, dict) and "ids" in content]
    ids = [sum(each["ids"][: n + 1]) for each in outlines for n in range(len(each["ids"]))]
    assert sorted(ids) == [row[0] for row in ask(archive, "SELECT photo_id FROM photo ORDER BY 1")]
    assert report.photos == len(ids) == 40
    blocks = {name: each for each in outlines for name, _ in each["blocks"]}
    for folder, content in shards_of(site):
        if folder != "all" and isinstance(content, list) and len(content[0]) > 2:
            outline = next(each for each in blocks.values() if f"{folder[-5:]}/" in "".join(each["folders"]))
            for record in content:
                assert (site / unquote(outline["root"]) / outline["folders"][record[4]] / record[5]).resolve().is_file()


def test_pages_point_to_files_that_are_there(archive: Path, tmp_path: Path) -> None:
    """Every address in every page leads to a file, without a network and without a base."""
    site = tmp_path / "deep" / "site"
    build(archive, folder=site)
    for file in site.glob("*.html"):
        page = Page(file)
        addresses = {
            *page.all("a", "href"),
            *page.all("img", "src"),
            *page.all("script", "src"),
            *page.all("link", "href"),
        }
        assert len(addresses) > 10
        assert [each for each in addresses if not (site / unquote(each)).is_file()] == []


def test_page_shows_each_albums_first_photos_by_itself(archive: Path, tmp_path: Path) -> None:
    """Without scripts each album's first pictures are there, with their names, sizes and links to the large ones."""
    build(archive, folder=tmp_path / "site")
    page = Page(tmp_path / "site" / f"{DAY}.html")
    pictures = [attributes for tag, attributes in page.tags if tag == "img" and attributes.get("src")]
    assert len(pictures) == 28
    bibs = ask(archive, "SELECT p.photo_id, b.bib FROM photo AS p JOIN bib AS b USING (photo_no) ORDER BY b.position")
    one = next(each for each in pictures if " and " in str(each["alt"]))
    photo_id = int(str(one["alt"]).split()[1].rstrip(","))
    assert one["alt"] == name_of(photo_id, [bib for each, bib in bibs if each == photo_id])
    assert one["width"] == "300"
    assert all(name in page.words for name in ("Course", "Finish line", "All Participant Uploads"))
    assert sum("/large/" in each for each in page.all("a", "href")) == 28


@pytest.mark.parametrize(
    ("bibs", "name"),
    [((), "Photo 12"), (("7",), "Photo 12, bib 7"), (("1", "2", "3"), "Photo 12, bibs 1, 2 and 3")],
)
def test_photo_is_named_for_those_who_cannot_see_it(bibs: tuple[str, ...], name: str) -> None:
    """A photo is called by its id and its bibs."""
    assert name_of(12, bibs) == name


def test_names_from_outside_stay_text(tmp_path: Path) -> None:
    """Markup in race, album and file names and in bibs adds no tag, no attribute and no script to any page."""
    calm, wild = tmp_path / "calm", tmp_path / "wild"
    for folder, change in ((calm, lambda _: None), (wild, make_hostile)):
        folder.mkdir()
        build(make_archive(folder, photos=12, change=change))
    for file in (wild / "photos-gallery").glob("*.html"):
        page, other = Page(file), Page(calm / "photos-gallery" / file.name)
        # Albums are sorted by their names: the same tags, in another order.
        assert shapes_of(page) == shapes_of(other)
        assert "onerror" in page.words
        addresses = [*page.all("a", "href"), *page.all("img", "src")]
        assert [each for each in addresses if re.match(r"(?!\.\./|index\.html|48211-)", each)] == []
    records = [content for _, content in shards_of(wild / "photos-gallery") if isinstance(content, list)]
    assert any(f"{HOSTILE}.jpg" == each[0] for content in records for each in content)


def test_pages_allow_nothing_from_elsewhere(archive: Path, tmp_path: Path) -> None:
    """The policy forbids everything but own scripts, styles and pictures; nothing inline stands in a page."""
    build(archive, folder=tmp_path / "site")
    for file in (tmp_path / "site").glob("*.html"):
        page = Page(file)
        (policy,) = [attributes["content"] for tag, attributes in page.tags if "http-equiv" in attributes]
        assert str(policy).startswith("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'")
        assert "unsafe" not in str(policy)
        assert all("src" in attributes for tag, attributes in page.tags if tag == "script")
        assert not [tag for tag, attributes in page.tags if tag == "style" or "style" in attributes]
        assert not [each for _, attributes in page.tags for each in attributes if each.startswith("on")]
        assert "//" not in "".join(page.all("a", "href") + page.all("script", "src") + page.all("img", "src"))


# -- options


def test_private_gallery_knows_no_bib_and_no_unlisted_photo(own: Path) -> None:
    """Neither page nor index holds a bib, and what the source took down is not shown; what named them is removed."""
    build(own)
    ask(own, "UPDATE bib SET bib = 'BIB' || bib")
    ask(own, "UPDATE photo SET unlisted_at = '2026-06-01T00:00:00Z' WHERE photo_id = 900115")
    assert build(own).photos == 40
    report = build(own, is_private=True)
    assert report.photos == 39
    text = "".join(
        each.read_text()
        for each in report.index.parent.rglob("*")
        if each.suffix in {".html", ".js"} and "app" not in each.parts
    )
    assert "BIB" not in text
    assert "900115_" not in text
    assert "search" not in Page(report.index).all("form", "role")


def test_copied_gallery_stands_alone(own: Path) -> None:
    """With copies, the site shows everything where the archive is not, and holds no original that was left out."""
    report = build(own, is_copy=True, variants=("large", "thumbnail"))
    site = report.index.parent
    assert report.copied == 80
    assert not list(site.rglob("original"))
    shutil.rmtree(own)
    page = Page(site / f"{DAY}.html")
    assert all((site / unquote(each)).is_file() for each in [*page.all("img", "src"), *page.all("a", "href")] if each)


def test_copies_follow_the_archive(own: Path) -> None:
    """Nothing is copied twice; a changed picture is copied again, and one that is shown no more is removed."""
    assert build(own, is_copy=True).copied > 100
    assert build(own, is_copy=True).copied == 0
    key = ask(own, "SELECT key FROM asset WHERE variant = 'large'")[0][0]
    (own / key).chmod(0o644)
    (own / key).write_bytes(b"other")
    ask(own, "UPDATE asset SET size_bytes = 5 WHERE key = ?", key)
    assert build(own, is_copy=True).copied == 1
    site = build(own, is_copy=True, variants=("thumbnail",)).index.parent
    assert not list(site.rglob("large"))
    assert not (build(own).index.parent / "photos").exists()


def test_gallery_is_in_the_register_of_copies(own: Path) -> None:
    """Whoever wants to be forgotten is in the gallery too, so that the archive remembers where it is."""
    report = build(own)
    assert (str(report.index.parent), "gallery") in ask(own, "SELECT path, kind FROM export")


def test_only_the_races_asked_for_are_shown(archive: Path, tmp_path: Path) -> None:
    """A race is chosen by id or address; one that is not there is named with those that are."""
    options = {"folder": tmp_path / "site", "races": (parse_race_ref("48211"),)}
    assert build(archive, **options).race_days == 2
    with pytest.raises(ConfigError, match="999 is not in the archive; there are 48211"):
        build(archive, folder=tmp_path / "site", races=(parse_race_ref("999"),))


def test_photos_of_which_no_browser_shows_anything_are_counted(own: Path) -> None:
    """A lone TIFF is left out, and said to be."""
    ask(own, "UPDATE asset SET key = replace(key, '.jpg', '.tif') WHERE photo_no = 1")
    report = build(own)
    assert (report.photos, report.left_out) == (39, 1)


def test_other_folders_are_left_alone(archive: Path, own: Path, tmp_path: Path) -> None:
    """A folder with something else in it, the archive itself, another archive's gallery: refused, untouched."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="is no gallery"):
        build(archive, folder=other)
    with pytest.raises(ConfigError, match="cannot lie in its archive"):
        build(own, folder=own / "gallery")
    site = tmp_path / "site"
    build(archive, folder=site)
    ask(own, "UPDATE archive SET archive_id = 'another'")
    with pytest.raises(ConfigError, match="gallery of another archive"):
        build(own, folder=site)
    assert [each.name for each in other.iterdir()] == ["thesis.txt"]


def test_files_of_a_web_host_are_kept(archive: Path, tmp_path: Path) -> None:
    """What somebody put beside the pages stays there."""
    build(archive, folder=tmp_path / "site")
    (tmp_path / "site" / "robots.txt").write_text("User-agent: *")
    build(archive, folder=tmp_path / "site", is_private=True)
    assert (tmp_path / "site" / "robots.txt").exists()


def test_empty_archive_has_a_page(tmp_path: Path) -> None:
    """Before the first photo the gallery says what to do."""
    write_down(tmp_path / "photos" / ".mirror" / "manifest.sqlite", photos=0)
    report = build(tmp_path / "photos")
    assert "There are no photos yet" in Page(report.index).words


# -- what is written again


def test_second_build_writes_nothing(archive: Path, tmp_path: Path) -> None:
    """Nothing new, nothing written: every file keeps its time."""
    site = tmp_path / "site"
    build(archive, folder=site)
    before = files_of(site)
    report = build(archive, folder=site)
    assert (report.written, report.removed) == (0, 0)
    assert {name: when for name, when in files_of(site).items() if name != ".lock"} == {
        name: when for name, when in before.items() if name != ".lock"
    }


def test_one_more_photo_rewrites_only_what_names_it(tmp_path: Path) -> None:
    """Of a large race day one block, the outline, the lists of its bibs and the pages change, whatever the time."""
    root = tmp_path / "photos"
    write_down(root / ".mirror" / "manifest.sqlite", photos=5000)
    whole = build(root)
    assert whole.shards > 20
    ask(root, "INSERT INTO photo VALUES (90001, 48211, 950000, 34168, 34168, '1', 'late.jpg', 1779030600, 1, 1, NULL)")
    ask(root, "INSERT INTO bib VALUES (90001, 0, '1179')")
    ask(
        root,
        "INSERT INTO asset (photo_no, variant, state, url, host, key, size_bytes, taken_at) VALUES "
        "(90001, 'thumbnail', 'stored', '', '', 'Harbour-10K-48211/2026-05-17-34168/thumbnail/950000_late.jpg', 9, "
        "'2026-05-17T07:09:00')",
    )
    report = build(root)
    # Block, outline, bib list, list over all races, what the page of all races loads, two pages, now.js.
    assert report.written <= 9
    assert report.removed == report.written - 3


DYING = """
import os, sys
from pathlib import Path
from mirror.gallery import GalleryOptions, build_gallery
from mirror.root import ArchiveRoot

root, left = Path(sys.argv[1]), [int(sys.argv[2])]

def dying(step):
    def take(self, *arguments, **options):
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), 9)
        return step(self, *arguments, **options)
    return take

Path.replace, Path.unlink = dying(Path.replace), dying(Path.unlink)
options = GalleryOptions(folder=root.with_name("photos-gallery"))
build_gallery(ArchiveRoot(root), root / ".mirror" / "manifest.sqlite", options)
"""
"""A build that is killed before it gives a name to, or removes, the file of this number."""


def test_gallery_is_whole_whenever_its_making_is_killed(own: Path, tmp_path: Path) -> None:
    """Killed before any step, every page names only files that are there; the next build leaves nothing over."""
    site = build(own).index.parent
    codes = []
    for number in range(0, 40, 5):
        ask(own, "UPDATE photo SET uploaded_filename = ? || photo_id", f"round {number} ")
        codes.append(subprocess.run([sys.executable, "-c", DYING, own, str(number)], check=False).returncode)
        assert_whole(site)
    assert {-signal.SIGKILL, 0} == set(codes)
    build(own)
    fresh = build(own, folder=tmp_path / "fresh").index.parent
    assert set(files_of(site)) == set(files_of(fresh))


def assert_whole(site: Path) -> None:
    """Every page's scripts, styles and outline are there, and so is every shard that an outline names."""
    for file in site.glob("*.html"):
        page = Page(file)
        names = [*page.all("script", "src"), *page.all("link", "href")]
        (main,) = [attributes for tag, attributes in page.tags if tag == "main"]
        folder = site / "data" / (main.get("data-key") or "all")
        outline = folder / f"{main['data-outline']}.js"
        assert [each for each in names if not (site / each).is_file()] == []
        content = json.loads(outline.read_text()[len('mirror.shard("0123456789abcdef",') : -3])
        shards = [name for name, _ in content.get("blocks", ())] + [name for _, name in content["bibs"] or ()]
        assert [each for each in shards if not (folder / f"{each}.js").is_file()] == []


def test_two_builds_at_once_do_not_meet(tmp_path: Path) -> None:
    """While one build is on, another waits, and says who is there when it waited long enough."""
    with closing(Site(tmp_path, archive_id="x")), pytest.raises(ManifestError, match="in use by another run"):
        Site(tmp_path, archive_id="x", lock_wait_s=0)
