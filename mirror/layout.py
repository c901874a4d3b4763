"""Where an asset lives: names made for people, portable to every system, stable for ever once stored. Pure."""

import re
import string
import unicodedata

from mirror.model import Race, RaceDay

DEFAULT_TEMPLATE = "{race}/{race_day}/{variant}/{photo_id}_{name}"
_FIELDS = {"race", "race_id", "race_day", "race_day_id", "album", "album_id", "variant", "photo_id", "name", "year"}
_LONGEST_PART_BYTES = 200
_LONGEST_NAME_BYTES = 80
_LONGEST_SUFFIX = 5
_RESERVED = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(?:\.|$)", re.IGNORECASE)
_PICTURE_SUFFIX = re.compile(r"\.(?:jpe?g|jfif|png|gif|webp|tiff?|hei[cf]|avif|jp2|bmp|dng|raw)$", re.IGNORECASE)


def _cut(text: str, longest_bytes: int) -> str:
    return text.encode("utf-8", "replace")[:longest_bytes].decode("utf-8", "ignore")


def clean_name(text: str, *, longest_bytes: int) -> str:
    """Turn hostile text into one part of a file name that every system can hold; it may come out empty.

    Letters, digits and ``. - _ + ( )`` stay, in Unicode's composed form; whatever else becomes a single dash.
    """
    text = unicodedata.normalize("NFKC", text.encode("utf-8", "replace").decode())
    kept = "".join(c if c in "._+()-" or unicodedata.category(c)[0] in "LN" else "-" for c in text)
    # Marks that did not compose are dropped: their order differs between file systems.
    kept = re.sub(r"-{2,}", "-", re.sub(r"\.{2,}", ".", kept)).strip(".-_ ")
    kept = _cut(unicodedata.normalize("NFC", kept), longest_bytes).rstrip(".-_ ")
    return f"{kept}_" if _RESERVED.match(kept) and len(kept.encode()) < longest_bytes else kept


def race_folder(race: Race) -> str:
    """Name a race's folder: ``Harbour-10K-48211``."""
    return "-".join(filter(None, (clean_name(race.name, longest_bytes=_LONGEST_NAME_BYTES), str(race.race_id))))


def race_day_folder(day: RaceDay) -> str:
    """Name a race day's folder: ``2025-05-17-34168``, or ``34168`` where the date is not known."""
    return f"{day.starts_on.isoformat()}-{day.race_day_id}" if day.starts_on else str(day.race_day_id)


def check_template(template: str) -> str | None:
    """Say what is wrong with a layout template; None if nothing is."""
    try:
        names = {name for _, name, spec, how in string.Formatter().parse(template) if name is not None}
        odd = [spec or how for _, name, spec, how in string.Formatter().parse(template) if spec or how]
    except ValueError as error:
        return f"cannot be read: {error}"
    if unknown := sorted(names - _FIELDS):
        return f"unknown field {{{unknown[0]}}}: known are {', '.join(sorted(_FIELDS))}"
    if odd:
        return f"fields take no format: found {odd[0]!r}"
    if not names & {"race", "race_id"} or not {"photo_id", "variant"} <= names:
        return "must hold {race} or {race_id}, {variant} and {photo_id}: they keep names apart"
    if "}{" in template:
        return "fields must be parted by some character: '}{' found"
    parts = template.split("/")
    if any(part in {"", ".", ".."} or part.startswith(".") for part in parts) or "\\" in template:
        return "must be a plain relative path with '/' between its parts"
    fixed = "".join(text for text, *_ in string.Formatter().parse(template)).replace("/", "")
    if fixed and any(c not in "._+()- " and not c.isalnum() for c in fixed):
        return "fixed text may hold letters, digits and . - _ + ( ) only"
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
    """Fill a template into a whole key; the extension comes from the content, the uploaded name is a hint at most.

    Args:
        race: The race's frozen folder name.
        race_day: The race day's frozen folder name.
    Returns:
        A path below the archive's root, ``/``-separated, each part portable and at most 200 bytes.
    """
    stem = _PICTURE_SUFFIX.sub("", (uploaded_filename or "").replace("\\", "/").rsplit("/", 1)[-1])
    values = {
        "race": race,
        "race_id": str(race_id),
        "race_day": race_day,
        "race_day_id": str(race_day_id),
        "album": clean_name(album or "", longest_bytes=_LONGEST_NAME_BYTES) or "no-album",
        "album_id": clean_name(album_id or "", longest_bytes=_LONGEST_NAME_BYTES) or "no-album",
        "variant": clean_name(variant, longest_bytes=_LONGEST_NAME_BYTES),
        "photo_id": str(photo_id),
        "name": clean_name(stem, longest_bytes=_LONGEST_NAME_BYTES),
        "year": str(year) if year else "undated",
    }
    longest = _LONGEST_PART_BYTES - _LONGEST_SUFFIX
    parts = [_part(part.format_map(values), longest) for part in template.split("/")]
    return "/".join(parts) + f".{extension}"


def _part(text: str, longest_bytes: int) -> str:
    text = _cut(unicodedata.normalize("NFC", text), longest_bytes).strip(" .-_") or "_"
    return f"{text}_" if _RESERVED.match(text) else text


def version_key(key: str, sha256_hex: str) -> str:
    """Say where earlier bytes of an asset are kept."""
    folder, _, name = key.rpartition("/")
    stem, _, extension = name.rpartition(".")
    return f".mirror/versions/{folder}/{_cut(stem, 160)}.{sha256_hex[:16]}.{extension}"
