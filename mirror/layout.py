"""Where an asset lives: names made for people, portable to every system, stable for ever once stored. Pure."""

import re
import string
import unicodedata
from functools import lru_cache

from mirror.model import Race, RaceDay

DEFAULT_TEMPLATE = "{race}/{race_day}/{variant}/{photo_id}_{name}"
"""``Harbour-10K-48211/2025-05-17-34168/original/900101_IMG_0001.jpg``."""

SIDECAR = ".xmp"
"""What a picture's sidecar has behind the picture's name."""

_LONGEST_TEXT_BYTES = 60
_LONGEST_PART_BYTES = 200
_LONGEST_EXTENSION_BYTES = 8
_VERSION_MARK_BYTES = 17
_LONGEST_ID_BYTES = 20
_FIELD_BYTES = {
    "race": _LONGEST_TEXT_BYTES + 1 + _LONGEST_ID_BYTES, "race_id": _LONGEST_ID_BYTES,
    "race_day": 11 + _LONGEST_ID_BYTES, "race_day_id": _LONGEST_ID_BYTES,
    "album": _LONGEST_TEXT_BYTES, "album_id": _LONGEST_TEXT_BYTES,
    "variant": _LONGEST_ID_BYTES, "photo_id": _LONGEST_ID_BYTES, "name": _LONGEST_TEXT_BYTES, "year": 7,
}  # fmt: skip
"""The fields of a template, and how long each can become."""
_FREE_FIELDS = {"race", "album", "album_id", "name"}

_RESERVED = re.compile(r"(con|prn|aux|nul|conin|conout|com[0-9¹²³]|lpt[0-9¹²³])(?=\.|$)", re.IGNORECASE)
_PLAIN = re.compile(r"[A-Za-z0-9._+()-]*")
REPEATED = re.compile(r"([._-])\1+")
# Letters and marks that show nothing: fillers, joiners, variation selectors.
_INVISIBLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_PICTURE_EXTENSION = re.compile(
    r"\.(?:jpe?g|jpe|jfif|png|gif|webp|tiff?|hei[cf]|avif|jp2|bmp|dng|raw|cr[23]|nef|arw)$", re.IGNORECASE
)
_FIXED_TEXT = re.compile(r"[\w.+()\- /]*")
EDGES = " .-_"


def clean_name(text: str, *, longest_bytes: int) -> str:
    """Turn hostile text into a part of a file name that every system can hold; it may come out empty.

    Letters and digits of all scripts and ``. _ + ( ) -`` stay, composed (NFC); anything else becomes a dash. The result
    is no name that Windows reserves, and neither begins nor ends with a dot, dash, space or underscore, but for the
    underscore that defuses a reserved name.
    """
    if not _PLAIN.fullmatch(text):
        text = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text[:1000]).encode("utf-8", "replace").decode())
        text = "".join(char if char in "._+()-" or unicodedata.category(char)[0] in "LNM" else "-" for char in text)
        text = unicodedata.normalize("NFC", _INVISIBLE.sub("", text).lstrip(EDGES))
        # A mark without its letter would join whatever stands before it.
        while text and unicodedata.category(text[0])[0] == "M":
            text = text[1:].lstrip(EDGES)
    text = _cut(REPEATED.sub(r"\1", text).strip(EDGES), longest_bytes).rstrip(EDGES)
    if len(_defuse(text).encode()) > longest_bytes:
        text = _cut(text, longest_bytes - 1).rstrip(EDGES)
    return _defuse(text)


def race_folder(race: Race) -> str:
    """Name a race's folder: ``Harbour-10K-48211``."""
    name = clean_name(race.name, longest_bytes=_LONGEST_TEXT_BYTES)
    return f"{name}-{race.race_id}" if name else str(race.race_id)


def race_day_folder(day: RaceDay) -> str:
    """Name a race day's folder: ``2025-05-17-34168``, or ``34168`` where the date is not known."""
    return f"{day.starts_on.isoformat()}-{day.race_day_id}" if day.starts_on else str(day.race_day_id)


def check_template(template: str) -> str | None:
    """Say what is wrong with a layout template; None if nothing is.

    A template that passes gives every asset a key of its own, whatever the names are.
    """
    try:
        items = list(string.Formatter().parse(template))
    except ValueError:
        return "braces do not match: fields are written {photo_id}"
    fields = [name for _, name, _, _ in items if name is not None]
    fixed = "".join(text for text, *_ in items)
    if unknown := sorted(set(fields) - set(_FIELD_BYTES)):
        return f"unknown field {{{unknown[0]}}}, known are {', '.join(f'{{{name}}}' for name in _FIELD_BYTES)}"
    if any(spec or how for _, name, spec, how in items if name is not None) or "{{" in template or "}}" in template:
        return "fields are written {photo_id}, without a format"
    if not {"race", "race_id"} & set(fields) or not {"photo_id", "variant"} <= set(fields):
        return "must hold {race} or {race_id}, {variant} and {photo_id}: they keep files apart"
    if not _FIXED_TEXT.fullmatch(fixed):
        return "fixed text may hold letters, digits and . _ + ( ) - only, with / between folders"
    return next(filter(None, map(_check_part, template.split("/"))), None)


def _check_part(part: str) -> str | None:
    """Say what is wrong with one folder or file of a template."""
    items = [(text, name) for text, name, _, _ in string.Formatter().parse(part)]
    if not part or part[0] in EDGES or part[-1] in EDGES:
        return f"'{part}': folders and files neither begin nor end with a dot, dash, space or underscore, nor are empty"
    if "}{" in part or re.search(r"[0-9]\{|\}[0-9]", part):
        return f"'{part}': something other than a digit must stand between and beside fields"
    longest = sum(len(text.encode()) + _FIELD_BYTES.get(name or "", 0) for text, name in items)
    if longest > _LONGEST_PART_BYTES - _LONGEST_EXTENSION_BYTES - _VERSION_MARK_BYTES:
        return f"'{part}': can become too long for a file name; put some of it into a folder"
    kinds = "".join(
        "f" if name in _FREE_FIELDS else "i" for _, name in items if name in {*_FREE_FIELDS, "photo_id", "variant"}
    )
    if re.search("fi+f", kinds):
        return f"'{part}': {{photo_id}} and {{variant}} must stand before or behind names, not between two of them"
    return None


def asset_key(
    template: str,
    *,
    race: str,
    race_day: str,
    race_id: int,
    race_day_id: int,
    album: str | None,
    album_id: str | None,
    variant: str,
    photo_id: int,
    uploaded_filename: str | None,
    year: int | None,
    extension: str,
) -> str:
    """Fill a template that `check_template` passed; the uploaded name is a hint, the extension comes from the content.

    Args:
        race: The race's frozen folder name.
        race_day: The race day's frozen folder name.
        uploaded_filename: Hostile text; any folders in it and a picture's extension are left out.
        extension: Without a dot, in lower case.
    Returns:
        A path below the archive's root, ``/``-separated, each part portable and at most 200 bytes.
    """

    def text(value: str | None, missing: str = "") -> str:
        return clean_name(value or "", longest_bytes=_LONGEST_TEXT_BYTES) or missing

    values = {
        "race": race,
        "race_id": str(race_id),
        "race_day": race_day,
        "race_day_id": str(race_day_id),
        "album": text(album, "no-album") if "{album}" in template else "",
        "album_id": text(album_id, "no-album") if "{album_id}" in template else "",
        "variant": variant,
        "photo_id": str(photo_id),
        "name": text(uploaded_stem(uploaded_filename or "")) if "{name}" in template else "",
        "year": str(year) if year else "undated",
    }
    folders, slash, name = template.format_map(values).rpartition("/")
    return f"{_portable_folders(folders)}{slash}{_portable(name)}.{extension}"


@lru_cache(maxsize=1024)
def _portable_folders(path: str) -> str:
    # Nearly every asset of a group lies in the same few folders.
    return "/".join(map(_portable, path.split("/"))) if path else ""


def _portable(part: str) -> str:
    return _defuse(unicodedata.normalize("NFC", REPEATED.sub(r"\1", part).strip(EDGES) or "unnamed"))


def version_key(key: str, sha256_hex: str) -> str:
    """Say where earlier bytes of an asset are kept: ``.mirror/versions/<folders>/900101_IMG_0001.<16 digits>.jpg``."""
    folders, slash, name = key.rpartition("/")
    stem, dot, extension = name.rpartition(".")
    return f".mirror/versions/{folders}{slash}{stem if dot else name}.{sha256_hex[:16]}" + (
        f".{extension}" if dot else ""
    )


def uploaded_stem(uploaded: str) -> str:
    """Take folders and a picture's extension off an uploaded name; what is left is still hostile text."""
    return _PICTURE_EXTENSION.sub("", re.split(r"[\\/]", uploaded.strip())[-1].rstrip(EDGES))


def _cut(text: str, longest_bytes: int) -> str:
    return text.encode("utf-8", "replace")[: max(longest_bytes, 0)].decode("utf-8", "ignore")


def _defuse(part: str) -> str:
    """Windows takes ``con`` and ``con.anything`` for a device: ``con_``, ``con_.anything`` are names."""
    return _RESERVED.sub(r"\1_", part, count=1) if _RESERVED.match(part) else part
