"""Lenient fields: what the odd JSON types of a PHP service mean. Pure."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

_LARGEST_ID = 2**63 - 1
_MOST_DIGITS = 19


def as_text(value: object) -> str | None:
    """Text that every store can hold; other kinds of value are no text."""
    if type(value) is str and value.isascii() and "\0" not in value:
        return value
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text = str(value).replace("\0", "")
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def as_whole_number(value: object) -> int | None:
    """A number, or digits in a string; anything else is as good as absent."""
    if type(value) is int:
        return value if 0 <= value <= _LARGEST_ID else None
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value) <= _MOST_DIGITS:
        value = int(value)
    return value if isinstance(value, int) and 0 <= value <= _LARGEST_ID else None


def as_id(value: object) -> int | None:
    """A number above zero; anything else is as good as absent."""
    return as_whole_number(value) or None


def as_items(value: object) -> list[Any]:
    """A list; PHP may write one as an object keyed by index."""
    if isinstance(value, Mapping):
        return list(value.values())
    return list(value) if isinstance(value, list) else []


def as_bibs(value: object) -> tuple[str, ...]:
    """Bibs as text, in order, without repeats."""
    if isinstance(value, str):
        value = value.split(",")
    elif isinstance(value, int):
        value = [value]
    texts = ((as_text(int(each) if isinstance(each, float) else each) or "").strip() for each in as_items(value))
    return tuple(dict.fromkeys(text for text in texts if text))


Text = Annotated[str | None, BeforeValidator(as_text)]
Count = Annotated[int | None, BeforeValidator(as_whole_number)]
Id = Annotated[int | None, BeforeValidator(as_id)]
Bibs = Annotated[tuple[str, ...], BeforeValidator(as_bibs)]


class Lenient(BaseModel):
    """A record whose unknown fields are no fault."""

    model_config = ConfigDict(frozen=True, extra="ignore")
