"""Pictures handed out: whole, under names of their own, again without doing anything twice; the archive untouched."""

import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from mirror.errors import ArchiveError, ConfigError
from mirror.handout import Handed, hand_out
from mirror.manifest import PhotoFinder, Search
from mirror.root import ArchiveRoot
from tests.demo_archive import copied, demo
from tests.test_sync import tree

__all__ = ["demo"]

HUNDRED = Search(uploaded_by="DSC_10")


def hand(folder: Path, to: Path, search: Search = HUNDRED, *, variant: str = "", is_link: bool = False) -> list[Handed]:
    """Hand out what a search brings."""
    with PhotoFinder(folder / "photos/.mirror/manifest.sqlite") as finder:
        photos = finder.photos(finder.find(search))
        return list(hand_out(ArchiveRoot(folder / "photos"), photos, to, variant=variant, is_link=is_link))


def hows(handed: Sequence[Handed]) -> set[str]:
    """What became of them."""
    return {each.how for each in handed}


def test_copies_are_whole_and_named_by_date_race_and_photo(demo: Path, tmp_path: Path) -> None:
    """Each the bytes of its original, or of the best variant that is held; nothing else lies there."""
    handed = hand(demo, tmp_path / "out" / "here")
    assert hows(handed) == {"copied"}
    found = tree(tmp_path / "out/here")
    assert len(found) == len(handed) > 90
    assert found["2025-05-18_48211_900102_DSC_1001.jpg"] in tree(demo / "photos").values()
    assert "2025-05-18_48211_900106_DSC_1005_large.jpg" in found
    assert set(found.values()) <= set(tree(demo / "photos").values())


def test_second_time_does_nothing(demo: Path, tmp_path: Path) -> None:
    """What is there is not written again, and a wider search adds only what is new."""
    hand(demo, tmp_path / "out")
    before = {each: (each.stat().st_ino, each.stat().st_mtime_ns) for each in (tmp_path / "out").iterdir()}
    again = hand(demo, tmp_path / "out", Search(uploaded_by="DSC_1"))
    assert hows(again) == {"copied", "there already"}
    assert {each: (each.stat().st_ino, each.stat().st_mtime_ns) for each in before} == before


def test_copy_that_was_edited_is_left_alone(demo: Path, tmp_path: Path) -> None:
    """Somebody's work under that name is worth more than our copy; it is named."""
    first = hand(demo, tmp_path)[0]
    (tmp_path / first.name).write_bytes(b"edited")
    again = {each.photo_id: each for each in hand(demo, tmp_path)}[first.photo_id]
    assert (again.how, again.is_right) == ("left alone", False)
    assert str(tmp_path / first.name) in again.reason
    assert (tmp_path / first.name).read_bytes() == b"edited"


def test_copy_with_another_time_is_known_by_its_bytes(demo: Path, tmp_path: Path) -> None:
    """A stick that lost the times holds our copies all the same."""
    for each in hand(demo, tmp_path):
        os.utime(tmp_path / each.name, (1, 1))
    assert hows(hand(demo, tmp_path)) == {"there already"}


def test_links_are_relative_and_lead_to_the_archive(demo: Path, tmp_path: Path) -> None:
    """They survive a move of both, and a second time nothing is done."""
    folder = copied(demo, tmp_path)
    assert hows(hand(folder, folder / "links", is_link=True)) == {"linked"}
    assert hows(hand(folder, folder / "links", is_link=True)) == {"there already"}
    folder = folder.rename(tmp_path / "moved")
    links = list((folder / "links").iterdir())
    assert links
    for link in links:
        assert link.is_symlink()
        assert link.resolve().is_relative_to(folder / "photos")
        assert link.read_bytes()


def test_zip_holds_the_pictures_as_they_are(demo: Path, tmp_path: Path) -> None:
    """Stored, each with its own name, checked against its hash; made anew the next time."""
    for _ in range(2):
        handed = hand(demo, tmp_path / "x.ZIP", variant="thumbnail")
        assert hows(handed) == {"packed"}
    with zipfile.ZipFile(tmp_path / "x.ZIP") as packed:
        assert packed.testzip() is None
        assert packed.namelist() == [each.name for each in handed]
        assert {each.compress_type for each in packed.infolist()} == {zipfile.ZIP_STORED}
    assert [each.name for each in tmp_path.iterdir()] == ["x.ZIP"]


def test_zip_of_somebody_else_is_not_replaced(demo: Path, tmp_path: Path) -> None:
    """What we did not make we do not overwrite."""
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as other:
        other.writestr("a", "b")
    with pytest.raises(ConfigError, match="was not made by mirror"):
        hand(demo, tmp_path / "x.zip")
    with zipfile.ZipFile(tmp_path / "x.zip") as other:
        assert other.namelist() == ["a"]


@pytest.mark.parametrize("to", ["out", "out.zip"])
def test_damaged_file_is_named_and_the_others_come(demo: Path, tmp_path: Path, to: str) -> None:
    """Never a wrong byte under a name of ours: a short file is not handed out, a ZIP file holds no changed one."""
    folder = copied(demo, tmp_path)
    damaged = next(folder.glob("photos/*/*/original/900102_*"))
    body = damaged.read_bytes()
    damaged.chmod(0o644)
    damaged.write_bytes(body[:-1] if to == "out" else body[:-1] + b"?")
    handed = hand(folder, tmp_path / to)
    assert [each.photo_id for each in handed if not each.is_right] == [900102]
    assert len(handed) > 90
    assert not list(tmp_path.glob("out/*900102*"))


def test_variant_that_is_not_held_is_named(demo: Path, tmp_path: Path) -> None:
    """Another variant is no answer to who asked for this one."""
    handed = {each.photo_id: each for each in hand(demo, tmp_path, variant="original")}
    assert (handed[900106].how, handed[900102].how) == ("not held", "copied")
    assert handed[900106].reason == "photo 900106: the archive holds no original of it"


def test_place_in_the_way_is_named(demo: Path, tmp_path: Path) -> None:
    """A file where the folder should be is left as it is."""
    (tmp_path / "out").write_text("mine")
    with pytest.raises(ConfigError, match="is no folder"):
        hand(demo, tmp_path / "out")
    with pytest.raises(ArchiveError):
        hand(demo, tmp_path / "out" / "below")
    with pytest.raises(ConfigError, match="the archive's own records"):
        hand(demo, demo / "photos" / ".mirror" / "out")
    assert (tmp_path / "out").read_text() == "mine"


def test_handing_out_changes_nothing_in_the_archive(demo: Path, tmp_path: Path) -> None:
    """Not even the time at which a file was changed last."""
    before = {each: each.stat().st_ctime_ns for each in (demo / "photos").rglob("*.jpg")}
    hand(demo, tmp_path / "a")
    hand(demo, tmp_path / "b", is_link=True)
    hand(demo, tmp_path / "c.zip")
    assert {each: each.stat().st_ctime_ns for each in before} == before
