"""How each kind of value is read, from TOML's own types and from the plain text of an environment variable."""

import json
import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, SecretStr

from mirror.layout import check_template
from mirror.model import VARIANTS
from mirror.race_ref import RaceRef, parse_race_ref
from mirror.root import ArchiveRoot, is_url, parse_root, parse_web_base
from mirror.timetable import Rate
from mirror.units import parse_duration, parse_size

T = TypeVar("T")

MOST_AT_ONCE = 256
MOST_HELPERS = 16
_LONGEST_TEXT = 4096
_LARGEST_ID = 2**63 - 1
_YES_NO = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_HOST = re.compile(r"(?:\*\.)?[\w-]+(?:\.[\w-]+)*|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*")
_VISIBLE = re.compile(r"[\x21-\x7e]*")


def listed(value: object) -> list[Any]:
    """Read a list: TOML's own, JSON, or words with commas between."""
    if isinstance(value, list | tuple):
        return list(value)
    if not isinstance(value, str):
        raise ValueError("expected a list")  # noqa: TRY004 - pydantic gathers ValueError only
    if value.lstrip().startswith("["):
        try:
            return list(json.loads(value))
        except json.JSONDecodeError:
            raise ValueError('expected a list such as ["first", "second"]') from None
    return [word.strip() for word in value.split(",") if word.strip()]


def whole(least: int, most: int) -> BeforeValidator:
    """Read a whole number within bounds."""

    def read(value: object) -> int:
        text = str(value).strip()
        if isinstance(value, int | str) and re.fullmatch(r"[0-9]{1,19}", text) and least <= int(text) <= most:
            return int(text)
        raise ValueError(f"expected a whole number from {least} to {most}")

    return BeforeValidator(read)


def above_zero(parse: Callable[[object], T]) -> BeforeValidator:
    """Read a duration or size that cannot be zero."""

    def read(value: object) -> T:
        if not (found := parse(value)):
            raise ValueError("expected more than zero")
        return found

    return BeforeValidator(read)


def word_or(word: str, parse: Callable[[object], T]) -> BeforeValidator:
    """Read one certain word, or what the kind says."""

    def read(value: object) -> T | str:
        if value == word:
            return word
        try:
            return parse(value)
        except ValueError as error:
            raise ValueError(str(error).replace("expected ", f'expected "{word}" or ', 1)) from None

    return BeforeValidator(read)


def _flag(value: object) -> bool:
    found = _YES_NO.get(str(value).strip().lower())
    if found is None:
        raise ValueError("expected true or false")
    return found


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.isprintable() or len(value) > _LONGEST_TEXT:
        raise ValueError("expected a line of text in quotes")
    return value


def _ascii(value: object) -> str:
    if not _text(value).isascii():
        raise ValueError("expected plain letters, digits and signs: it goes into a request header")
    return str(value)


def _secret(value: object) -> SecretStr:
    if isinstance(value, SecretStr):
        return value
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else "\0"
    if not _VISIBLE.fullmatch(text):
        raise ValueError("expected text in quotes, without spaces and special characters")
    return SecretStr(text)


def _maybe_text(value: object) -> str | None:
    return None if value is None or value == "" else _text(value)


def _path(value: object) -> Path:
    if isinstance(value, str | Path) and str(value) and "\0" not in str(value):
        try:
            return Path(value).expanduser()
        except RuntimeError:
            raise ValueError("expected a path; the home folder of '~' is not known") from None
    raise ValueError("expected a path in quotes")


def _root(value: object) -> ArchiveRoot:
    if isinstance(value, ArchiveRoot):
        return value
    return parse_root(value) if isinstance(value, str) and is_url(value) else ArchiveRoot(_path(value))


def _maybe_path(value: object) -> Path | None:
    return None if value is None or value == "" else _path(value)


def _command(value: object) -> tuple[str, ...]:
    try:
        words = listed(value) if not isinstance(value, str) or value.lstrip().startswith("[") else shlex.split(value)
        if all(isinstance(word, str) and "\0" not in word for word in words):
            return tuple(words)
    except ValueError:
        pass
    raise ValueError('expected a command such as "pass show runsignup" or ["pass", "show", "runsignup"]')


def _base_url(value: object) -> str:
    text = _text(value).rstrip("/")
    if not re.fullmatch(r"https?://[^/?#@\s]+(?:/[^?#@\s]*)?", text, re.IGNORECASE):
        raise ValueError('expected an address such as "https://runsignup.com/rest", without user and query')
    return text


def _web_base(value: object) -> str | None:
    return None if value is None or value == "" else parse_web_base(_text(value))


def _hosts(value: object) -> tuple[str, ...]:
    hosts = [_text(host).lower() for host in listed(value)]
    if wrong := [host for host in hosts if not _HOST.fullmatch(host)]:
        raise ValueError(
            f'expected host names such as "*.example.org", without scheme, port and path; not "{wrong[0]}"'
        )
    return tuple(dict.fromkeys(hosts))


def _variants(value: object) -> tuple[str, ...]:
    found = set(map(str, listed(value)))
    if not found or not found <= set(VARIANTS):
        raise ValueError(f"expected some of {', '.join(VARIANTS)}")
    return tuple(name for name in VARIANTS if name in found)


def _template(value: object) -> str:
    if fault := check_template(_text(value)):
        raise ValueError(fault)
    return str(value)


def _race(value: object) -> RaceRef:
    return value if isinstance(value, RaceRef) else parse_race_ref("" if isinstance(value, bool) else str(value))


def _days(value: object) -> Literal["all", "latest"] | tuple[int, ...]:
    if value in ("all", "latest"):
        return "all" if value == "all" else "latest"
    days: Sequence[Any] = ()
    if isinstance(value, str | list | tuple | int) and not isinstance(value, bool):
        days = [value] if isinstance(value, int) else listed(value)
    if not days or not all(re.fullmatch(r"[0-9]{1,18}", str(day)) and int(day) for day in days):
        raise ValueError('expected "all", "latest" or a list of race day ids such as [34168]')
    return tuple(dict.fromkeys(int(day) for day in days))


def _albums(value: object) -> tuple[str, ...]:
    albums = [] if value == "all" else [str(album).strip() for album in listed(value)]
    if not all(re.fullmatch(r"[\w-]{1,100}", album) for album in albums):
        raise ValueError('expected album ids such as ["311", "reg-34168"]')
    return tuple(dict.fromkeys(albums))


def _timetable(value: object) -> tuple[Rate, ...]:
    rates = {}
    for entry in listed(value):
        found = re.fullmatch(r"([01]?[0-9]|2[0-3]):([0-5][0-9])\s+(\S.*)", str(entry).strip())
        if found is None:
            raise ValueError('expected times with sizes such as ["08:00 500KB", "18:30 0"]')
        minute = int(found[1]) * 60 + int(found[2])
        if minute in rates:
            raise ValueError(f"expected each time once, {found[1]}:{found[2]} stands twice")
        rates[minute] = Rate(minute=minute, bytes_s=parse_size(found[3]))
    return tuple(sorted(rates.values()))


def _tables(value: object) -> object:
    """Races from the environment: JSON, ids or addresses with commas between, or numbered one by one."""
    if isinstance(value, dict) and value and all(str(key).isdigit() for key in value):
        value = [value[key] for key in sorted(value, key=int)]
    if isinstance(value, dict) or not isinstance(value, str | list | tuple):
        raise ValueError("expected one [[races]] block for each race, in double brackets")  # noqa: TRY004 - as above
    return tuple({"race": each} if isinstance(each, str | int) else each for each in listed(value))


Duration = Annotated[float, BeforeValidator(parse_duration)]
Wait = Annotated[float, above_zero(parse_duration)]
Size = Annotated[int, BeforeValidator(parse_size)]
Limit = Annotated[int, above_zero(parse_size)]
AutoDuration = Annotated[float | Literal["auto"], word_or("auto", parse_duration)]
AutoCount = Annotated[int | Literal["auto"], word_or("auto", whole(1, MOST_AT_ONCE).func)]
HelperCount = Annotated[int | Literal["auto"], word_or("auto", whole(0, MOST_HELPERS).func)]
AllOrSize = Annotated[int | Literal["all"], word_or("all", parse_size)]
Count = Annotated[int, whole(1, 1_000_000)]
AtOnce = Annotated[int, whole(1, MOST_AT_ONCE)]
Flag = Annotated[bool, BeforeValidator(_flag)]
Header = Annotated[str, BeforeValidator(_ascii)]
MaybeText = Annotated[str | None, BeforeValidator(_maybe_text)]
Secret = Annotated[SecretStr, BeforeValidator(_secret)]
Root = Annotated[ArchiveRoot, BeforeValidator(_root)]
MaybePath = Annotated[Path | None, BeforeValidator(_maybe_path)]
Command = Annotated[tuple[str, ...], BeforeValidator(_command)]
MaybeWebBase = Annotated[str | None, BeforeValidator(_web_base)]
BaseUrl = Annotated[str, BeforeValidator(_base_url)]
Hosts = Annotated[tuple[str, ...], BeforeValidator(_hosts)]
Variants = Annotated[tuple[str, ...], BeforeValidator(_variants)]
Template = Annotated[str, BeforeValidator(_template)]
Race = Annotated[RaceRef, BeforeValidator(_race)]
Days = Annotated[Literal["all", "latest"] | tuple[int, ...], BeforeValidator(_days)]
Timetable = Annotated[tuple[Rate, ...], BeforeValidator(_timetable)]
Albums = Annotated[tuple[str, ...], BeforeValidator(_albums)]
Tables = BeforeValidator(_tables)
