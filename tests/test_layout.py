"""Names on disk: whatever the source calls things, a key is portable, inside the archive and its own."""

import re
import string
import unicodedata
from datetime import date
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from mirror.layout import (
    DEFAULT_TEMPLATE,
    asset_key,
    check_template,
    clean_name,
    race_day_folder,
    race_folder,
    version_key,
)
from mirror.model import Race, RaceDay

RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])\s*(\..*)?", re.IGNORECASE)
PIECES = st.sampled_from(
    [
        *("..", "/", "\\", ".", " ", "_", "-", "~", ":", "*", "?", "\x00", "\n", "%2e%2e%2f", "\ud800"),
        *("CON", "nul", "COM1", "com¹", "LPT9", "IMG", "zieleinlauf", ".JPG", ".jpg.exe", "e", "é"),
        *("\u202e", "\u200b", "\u0301", "\ufb01", "\u3164", "\ufe0f", "\uff0f", "\u1100", "\u1161", "\ufdfa", "走"),
    ]
)
HOSTILE = st.one_of(st.text(), st.lists(PIECES, max_size=12).map("".join), st.text(min_size=200, max_size=1200))
IDS = st.integers(min_value=1, max_value=2**63 - 1)
TEMPLATES = st.sampled_from(
    [
        DEFAULT_TEMPLATE,
        "{race_id}/{variant}/{photo_id}",
        "{race}/{album}/{name}_{photo_id}_{variant}",
        "{race}/{year}/{race_day}/{album_id}-{name}/{variant}/{photo_id}",
        "Races/{race}/{name}/{variant} {photo_id}",
        "{race_id}/{name}/{album}/{variant}-{photo_id}-{name}",
    ]
)


def fill(template: str = DEFAULT_TEMPLATE, **changes: Any) -> str:
    """A key with everything ordinary but what is given."""
    fields: dict[str, Any] = {
        "race": "Harbour-10K-48211",
        "race_day": "2025-05-17-34168",
        "race_id": 48211,
        "race_day_id": 34168,
        "album": "Finish line",
        "album_id": "311",
        "variant": "original",
        "photo_id": 900101,
        "uploaded_filename": "IMG_0001.JPG",
        "year": 2025,
        "extension": "jpg",
    }
    return asset_key(template, **(fields | changes))


def assert_portable(part: str) -> None:
    """One folder or file name that Linux, macOS and Windows all can hold."""
    assert part
    assert part not in {".", ".."}
    assert len(part.encode()) <= 200
    assert unicodedata.is_normalized("NFC", part)
    assert not RESERVED.fullmatch(part)
    assert part[0] not in " .-"
    assert part[-1] not in " ."
    assert not set(part) & set('<>:"/\\|?*~$%')
    assert not {char for char in part if unicodedata.category(char)[0] in "CZ"} - {" "}


def test_default_layout_reads_like_a_shelf() -> None:
    """Race, race day and variant are folders; a file is its photo id and the name that the photographer knows."""
    assert fill() == "Harbour-10K-48211/2025-05-17-34168/original/900101_IMG_0001.jpg"


def test_folders_are_named_for_people_and_by_id() -> None:
    """A race's folder holds its name and id, a race day's its date and id, each without what is not known."""
    assert race_folder(Race(race_id=48211, name="Harbour 10K")) == "Harbour-10K-48211"
    assert race_folder(Race(race_id=48211, name="../..")) == "48211"
    assert race_day_folder(RaceDay(race_id=1, race_day_id=34168, starts_on=date(2025, 5, 17))) == "2025-05-17-34168"
    assert race_day_folder(RaceDay(race_id=1, race_day_id=34168)) == "34168"


@pytest.mark.parametrize(
    ("uploaded", "file"),
    [
        ("IMG_0001.JPG", "900101_IMG_0001.png"),
        ("finish line.heic", "900101_finish-line.png"),
        ("C:\\Users\\me\\DSC_7.NEF", "900101_DSC_7.png"),
        ("../../etc/passwd", "900101_passwd.png"),
        ("v1.2 final", "900101_v1.2-final.png"),
        ("Zürich  Ziel.jpeg", "900101_Zürich-Ziel.png"),
        ("दौड़.jpg", "900101_दौड़.png"),
        ("ゴール.JPG", "900101_ゴール.png"),
        (".jpg", "900101.png"),
        ("...", "900101.png"),
        ("", "900101.png"),
        (None, "900101.png"),
    ],
)
def test_uploaded_name_is_a_readable_hint(uploaded: str | None, file: str) -> None:
    """The uploaded name stays readable behind the id, without folders and picture extension."""
    assert fill(uploaded_filename=uploaded, extension="png").rpartition("/")[2] == unicodedata.normalize("NFC", file)


@settings(deadline=None)
@given(text=HOSTILE, longest_bytes=st.integers(min_value=4, max_value=90))
@example(text="con.tar.gz", longest_bytes=10)
@example(text="COM¹", longest_bytes=4)
@example(text="aux", longest_bytes=90)
@example(text="a\u202egpj.exe", longest_bytes=90)
def test_clean_name_is_portable_or_empty(text: str, longest_bytes: int) -> None:
    """Any text becomes one portable name within its length, or nothing; cleaning it again changes nothing."""
    name = clean_name(text, longest_bytes=longest_bytes)
    assert len(name.encode()) <= longest_bytes
    assert clean_name(name, longest_bytes=longest_bytes).rstrip("_") == name.rstrip("_")
    if name:
        assert_portable(name)


@settings(deadline=None)
@given(template=TEMPLATES, race=HOSTILE, album=HOSTILE, uploaded=HOSTILE, ids=st.tuples(IDS, IDS))
def test_every_key_is_portable(template: str, race: str, album: str, uploaded: str, ids: tuple[int, int]) -> None:
    """Whatever race, album and file are called, each part of the key is portable and the key stays in the archive."""
    race_id, photo_id = ids
    folder = race_folder(Race(race_id=race_id, name=race))
    given_names = {"album": album, "album_id": album, "uploaded_filename": uploaded}
    key = fill(template, race=folder, race_id=race_id, photo_id=photo_id, **given_names)
    parts = key.split("/")
    assert len(parts) == len(template.split("/"))
    assert not key.startswith(("/", ".mirror"))
    for part in parts:
        assert_portable(part)
    assert str(photo_id) in parts[-1]


@settings(deadline=None)
@given(
    template=TEMPLATES,
    first=st.tuples(IDS, HOSTILE, HOSTILE, st.sampled_from(["original", "large"])),
    second=st.tuples(IDS, HOSTILE, HOSTILE, st.sampled_from(["original", "large"])),
)
@example(DEFAULT_TEMPLATE, (1, "IMG.jpg", "", "large"), (2, "img.JPG", "", "large"))
@example(DEFAULT_TEMPLATE, (1, "1_a", "", "large"), (11, "a", "", "large"))
@example("{race}/{album}/{name}_{photo_id}_{variant}", (1, "x_2", "", "large"), (2, "x", "", "large"))
def test_no_two_assets_share_a_key(
    template: str, first: tuple[int, str, str, str], second: tuple[int, str, str, str]
) -> None:
    """Different photos or variants have keys that differ even where case does not count."""
    assume((first[0], first[3]) != (second[0], second[3]))
    keys = [
        fill(template, photo_id=photo_id, uploaded_filename=name, album=album, variant=variant)
        for photo_id, name, album, variant in (first, second)
    ]
    assert len({unicodedata.normalize("NFKD", key).casefold() for key in keys}) == 2


@settings(deadline=None)
@given(uploaded=HOSTILE)
def test_key_is_stable(uploaded: str) -> None:
    """The same photo gets the same key each time."""
    assert fill(uploaded_filename=uploaded) == fill(uploaded_filename=uploaded)


@settings(deadline=None)
@given(uploaded=HOSTILE)
def test_version_lies_below_mirror_and_is_portable(uploaded: str) -> None:
    """Earlier bytes keep their folders and name below .mirror/versions/, told apart by their hash."""
    key = fill(uploaded_filename=uploaded)
    version = version_key(key, "0123456789abcdef" * 4)
    assert version.startswith(".mirror/versions/Harbour-10K-48211/2025-05-17-34168/original/900101")
    assert version.endswith(".0123456789abcdef.jpg")
    for part in version.split("/")[1:]:
        assert_portable(part)
    assert version_key("900.jpg", "f" * 64) == ".mirror/versions/900.ffffffffffffffff.jpg"


@pytest.mark.parametrize("template", TEMPLATES.elements)  # type: ignore[attr-defined]
def test_good_templates_pass(template: str) -> None:
    """Templates that keep assets apart are taken."""
    assert check_template(template) is None


@pytest.mark.parametrize(
    ("template", "word"),
    [
        ("", "must hold"),
        ("{race}/{photo_id}", "must hold"),
        ("{variant}/{photo_id}", "must hold"),
        ("{race}/{variant}/{photo}", "unknown field {photo}"),
        ("{race}/{variant}/{photo_id", "braces"),
        ("{race}/{variant}/{photo_id:>5}", "without a format"),
        ("{race}/{variant}/{photo_id!r}", "without a format"),
        ("{race}/{{x}}/{variant}/{photo_id}", "without a format"),
        ("{race.name}/{variant}/{photo_id}", "unknown field"),
        ("/{race}/{variant}/{photo_id}", "nor are empty"),
        ("{race}//{variant}/{photo_id}", "nor are empty"),
        ("../{race}/{variant}/{photo_id}", "neither begin"),
        (".mirror/{race}/{variant}/{photo_id}", "neither begin"),
        ("{race}/{variant}/{photo_id}.", "neither begin"),
        ("{race}\\{variant}/{photo_id}", "fixed text"),
        ("{race}/{variant}/{photo_id}:x", "fixed text"),
        ("{race}/{variant}/{photo_id}{name}", "between"),
        ("{race}/{variant}/{photo_id}1{name}", "between"),
        ("{race}/{variant}/{name}_{photo_id}_{album}", "before or behind"),
        ("{race}/{variant}_{album}_{name}_{race_day}_{photo_id}", "too long"),
        ("{race}/{variant}/" + "x" * 160 + "{photo_id}", "too long"),
    ],
)
def test_bad_template_is_named(template: str, word: str) -> None:
    """A template that could mix assets up, leave the archive or break a file system is refused in plain words."""
    assert word in (check_template(template) or "")


@settings(deadline=None)
@given(template=st.text(alphabet=string.ascii_letters + "{}/._- !:1é\x00\n", max_size=40))
def test_check_template_never_raises(template: str) -> None:
    """Any text is judged, none breaks the judge."""
    assert check_template(template) is None or check_template(template)
