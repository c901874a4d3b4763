"""Which asset a file's name speaks of: a layout template read backwards. Pure."""

import re
import string
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mirror.layout import EDGES, REPEATED
from mirror.model import VARIANTS

_ID = "[0-9]{1,18}"
_FREE = "[^/]*"
_FIELDS = {
    # Folders named for people have the id at their end: what stands before it may have changed since.
    "race": rf"(?P<race>(?:{_FREE}[^0-9/])?(?P<race_id>{_ID}))",
    "race_id": rf"(?P<race_id>{_ID})",
    "race_day": rf"(?P<race_day>(?:{_FREE}[^0-9/])?(?P<race_day_id>{_ID}))",
    "race_day_id": rf"(?P<race_day_id>{_ID})",
    "variant": rf"(?P<variant>{'|'.join(VARIANTS)})",
    "photo_id": rf"(?P<photo_id>{_ID})",
    "year": "(?:[0-9]+|undated)",
}
"""What each field of a template looks like in a path; any other holds a name."""
_ENDING = r"(?:~[0-9]+)?(?:\.[A-Za-z0-9]{1,8})?"
_GROUP = re.compile(r"\(\?P<(\w+)>")


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetRef:
    """What the name of a file says of it; nobody has looked whether there is such a photo."""

    race_id: int
    photo_id: int
    variant: str
    race_day_id: int | None = None
    race_folder: str | None = None
    """Name of the race's folder; None where the template has none."""
    race_day_folder: str | None = None


class AssetNames:
    """Reads names back that `mirror.layout.asset_key` made, or might have made when races had other names.

    Args:
        templates: Layout templates that `mirror.layout.check_template` passed, the likelier first.
    """

    def __init__(self, templates: Iterable[str]) -> None:
        self._patterns = [re.compile(_pattern(each), re.IGNORECASE) for each in dict.fromkeys(templates)]

    def read(self, key: str) -> AssetRef | None:
        """Say which asset a path below the archive's root speaks of; None if it is none of ours."""
        key = unicodedata.normalize("NFC", key)
        for pattern in self._patterns:
            if found := pattern.fullmatch(key):
                said = found.groupdict()
                return AssetRef(
                    race_id=int(said["race_id"]),
                    photo_id=int(said["photo_id"]),
                    variant=said["variant"].lower(),
                    race_day_id=int(said["race_day_id"]) if said.get("race_day_id") else None,
                    race_folder=said.get("race"),
                    race_day_folder=said.get("race_day"),
                )
        return None


def _pattern(template: str) -> str:
    """Write a template as a regular expression; what stands in it twice must be the same both times."""
    seen: set[str] = set()

    def once(found: re.Match[str]) -> str:
        name = found[1]
        if name in seen:
            return f"(?:(?=(?P={name})(?![0-9]))"
        seen.add(name)
        return found[0]

    return _GROUP.sub(once, "/".join("".join(_part(part)) for part in template.split("/"))) + _ENDING


def _part(part: str) -> Iterator[str]:
    """One folder or file; a name may be empty, and then what separated it is gone as well."""
    items = [(REPEATED.sub(r"\1", text), name) for text, name, _, _ in string.Formatter().parse(part)]
    for number, (text, name) in enumerate(items):
        if name is None or name in _FIELDS:
            yield re.escape(text) + _FIELDS.get(name or "", "")
            continue
        bare = text.rstrip(EDGES)
        following, after = items[number + 1] if number + 1 < len(items) else ("", None)
        rest = following.lstrip(EDGES)
        if bare != text:
            yield f"{re.escape(bare)}(?:{re.escape(text[len(bare) :])}{_FREE})?"
        elif rest != following:
            yield f"{re.escape(text)}(?:{_FREE}{re.escape(following[: len(following) - len(rest)])})?"
            items[number + 1] = (rest, after)
        else:
            yield re.escape(text) + _FREE
