"""The gallery's index, piece by piece."""

from datetime import UTC, date
from pathlib import Path

from mirror.gallery.entries import Entry, ratio_of, taken_time, wall_time, zone_of
from mirror.gallery.shards import Folders, bib_lists, cut_blocks, differences, make_shard
from mirror.manifest import GalleryReader, HeldFile
from tests.gallery_archive import archive, ask, own

__all__ = ["archive", "own"]


def entry(photo_id: int, when: int = 0) -> Entry:
    """A photo with no more than its id."""
    file = HeldFile(variant="thumbnail", key=f"a/{photo_id}.jpg", width_px=3, height_px=2, size_bytes=1)
    return Entry(
        photo_id=photo_id, time=when, is_taken=True, uploaded=0, name="", album_id="", bibs=(), ratio=150, small=file,
        big=file, original=None,
    )  # fmt: skip


def test_blocks_hold_every_photo_once_and_few_change() -> None:
    """Cut anywhere, all photos are there in order; a photo in the middle changes one block, or splits one."""
    photos = [entry(number) for number in range(10_000)]
    blocks = list(cut_blocks(photos))
    assert [each for block in blocks for each in block] == photos
    assert all(100 <= len(block) <= 800 for block in blocks[:-1])
    more = list(cut_blocks([*photos[:5000], entry(77_777), *photos[5000:]]))
    before, after = ({tuple(each.photo_id for each in block) for block in some} for some in (blocks, more))
    assert len(after - before) <= 2


def test_bib_lists_are_short_and_complete() -> None:
    """Every bib stands in the list with the longest beginning that fits it, and no list is long."""
    found = {str(number): [number] for number in range(30_000)} | {"": [1], "1": list(range(2000)), "ä": [2]}
    lists = dict(bib_lists(found))
    assert sum(len(bibs) for bibs in lists.values()) == len(found)
    for start, bibs in lists.items():
        assert len(bibs) == 1 or sum(len(ids) for _, ids in bibs) <= 1500
        for bib, _ in bibs:
            assert max((each for each in lists if bib.startswith(each)), key=len) == start


def test_shard_is_plain_ascii_whatever_is_in_it() -> None:
    """Line separators, closing tags and lone surrogates are escaped; the name is that of the content."""
    shard = make_shard(["</script>", "\u2028", "\ud800", "Ä"])
    assert shard.text.isascii()
    assert shard.name == make_shard(["</script>", "\u2028", "\ud800", "Ä"]).name != make_shard([]).name
    assert differences([5, 7, 7, 3]) == [5, 2, 0, -4]


def test_folders_of_a_layout_with_one_for_each_photo_stay_few() -> None:
    """Most keys stay whole there; all of them can be put together again."""
    keys = [f"{number}/large/a.jpg" for number in range(1000)] + ["plain.jpg"]
    folders = Folders(keys)
    names = folders.names()
    assert len(names) == 201
    assert [names[number] + name for number, name in map(folders.split, keys)] == keys


def test_camera_clock_that_was_never_set_is_not_believed() -> None:
    """A time far from the race day says nothing; the camera's own wall clock counts, whatever its offset."""
    day = date(2026, 5, 17)
    assert taken_time("2026-05-17T08:00:00-04:00", day) == taken_time("2026-05-17T08:00:00", day) == 1_779_004_800
    assert taken_time("2000-01-01T00:00:00", day) is None
    assert taken_time("2000-01-01T00:00:00", None) is not None
    assert taken_time("nonsense", day) is taken_time(None, day) is None


def test_upload_time_is_that_of_a_clock_at_the_race() -> None:
    """Zones are applied; unknown zones and absurd stamps do no harm."""
    assert wall_time(1_779_030_000, zone_of("America/New_York")) == 1_779_030_000 - 4 * 3600
    assert zone_of("Nowhere/At all") is zone_of(None) is zone_of("../../etc/passwd") is UTC
    assert wall_time(2**62, UTC) is wall_time(None, UTC) is None


def test_shape_is_known_or_plausible() -> None:
    """The first file with a size says how wide a photo is; without one it is as cameras make them."""

    def file(width: int | None, height: int | None) -> HeldFile:
        return HeldFile(variant="large", key="k", width_px=width, height_px=height, size_bytes=1)

    assert [ratio_of(file(None, None), file(200, 300)), ratio_of(file(None, 3)), ratio_of(file(9000, 1))] == [
        67,
        150,
        300,
    ]


def test_bibs_of_photos_without_files_are_passed_over(own: Path) -> None:
    """A photo of which nothing is stored keeps its bibs to itself."""
    (first, second) = (row[0] for row in ask(own, "SELECT DISTINCT photo_no FROM bib ORDER BY 1 LIMIT 2"))
    ask(own, "UPDATE asset SET state = 'wanted' WHERE photo_no = ?", first)
    with GalleryReader(own / ".mirror" / "manifest.sqlite") as reader, reader.moment():
        held = {
            photo.photo_id: photo for day in reader.held_days() for photo in reader.held_photos(48211, day.race_day_id)
        }
    (photo_id,) = ask(own, "SELECT photo_id FROM photo WHERE photo_no = ?", second)[0]
    assert len(held) == 39
    assert held[photo_id].bibs == tuple(row[0] for row in ask(own, "SELECT bib FROM bib WHERE photo_no = ?", second))
