"""Names read back: which asset a file speaks of, whatever its race is called by now."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.asset_ref import AssetNames, AssetRef
from mirror.layout import DEFAULT_TEMPLATE, asset_key, check_template, race_folder
from mirror.model import VARIANTS, Race

TEMPLATES = (
    DEFAULT_TEMPLATE,
    "{race_id}/{race_day_id}/{variant}/{photo_id}",
    "{race}/{year}/{album}/{name}_{photo_id}_{variant}",
    "{race}/{race_id}/{race_day}/{variant}-{photo_id}-{name}",
    "archive-{race}/{album_id}/{photo_id}.{variant}/{name}",
)


@pytest.mark.parametrize("template", TEMPLATES)
@given(
    race_id=st.integers(1, 10**18 - 1), photo_id=st.integers(1, 10**18 - 1), variant=st.sampled_from(VARIANTS),
    name=st.one_of(st.none(), st.text(max_size=40)), race_name=st.text(max_size=30),
    extension=st.sampled_from(["jpg", "png", "heic"]),
)  # fmt: skip
def test_names_are_read_back_whatever_they_are_made_of(  # noqa: PLR0917 - hypothesis names them
    template: str, race_id: int, photo_id: int, variant: str, name: str | None, race_name: str, extension: str
) -> None:
    """Every key that a template makes says its race, photo and variant again, with ``~2`` too."""
    assert check_template(template) is None
    folder = race_folder(Race(race_id=race_id, name=race_name))
    key = asset_key(
        template, race=folder, race_day="2026-05-17-34168", race_id=race_id, race_day_id=34168, album=name,
        album_id=name, variant=variant, photo_id=photo_id, uploaded_filename=name, year=2026, extension=extension,
    )  # fmt: skip
    stem, _, end = key.rpartition(".")
    for each in (key, f"{stem}~2.{end}"):
        found = AssetNames([template]).read(each)
        assert found is not None
        assert (found.race_id, found.photo_id, found.variant) == (race_id, photo_id, variant)


def test_folders_are_told_as_they_are() -> None:
    """A race that got another name, and a race day without its date, are known by their ids."""
    found = AssetNames([DEFAULT_TEMPLATE]).read("Old name 48211/34168/large/900101_x.jpg")
    assert found == AssetRef(
        race_id=48211, race_day_id=34168, photo_id=900101, variant="large", race_folder="Old name 48211",
        race_day_folder="34168",
    )  # fmt: skip


@pytest.mark.parametrize(
    "key",
    [
        "notes.txt", "Harbour-10K/2026-05-17-34168/large/900101_x.jpg", "Harbour-10K-48211/large/900101_x.jpg",
        "Harbour-10K-48211/2026-05-17-34168/huge/900101_x.jpg", "Harbour-10K-48211/2026-05-17-34168/large/x_900101.jpg",
        "Harbour-10K-48211/2026-05-17-34168/large/900101x.jpg", "a/Harbour-10K-48211/34168/large/900101.jpg",
    ],
)  # fmt: skip
def test_other_names_are_none_of_ours(key: str) -> None:
    """What does not say race, race day, variant and photo says nothing."""
    assert AssetNames([DEFAULT_TEMPLATE]).read(key) is None


def test_an_id_that_stands_in_two_places_must_be_the_same() -> None:
    """A folder moved into another race's is no file of either."""
    names = AssetNames(["{race}/{race_id}/{variant}/{photo_id}"])
    assert names.read("A-1/1/large/5.jpg") is not None
    assert names.read("A-1/2/large/5.jpg") is None
    assert names.read("A-1/12/large/5.jpg") is None


def test_older_template_is_understood_too() -> None:
    """Stored files keep their names when the template changes."""
    names = AssetNames(["{race_id}/{variant}/{photo_id}", DEFAULT_TEMPLATE])
    assert names.read("1/large/5.jpg") is not None
    assert names.read("A-1/2025-05-01-7/large/5_x.jpg") is not None
