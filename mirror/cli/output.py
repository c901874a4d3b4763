"""What commands print: JSON for programs, tables for people."""

import json
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


def to_json(data: Any) -> str:
    """Write plain data as JSON, times in ISO 8601."""
    return json.dumps(data, default=_plain)


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, date | datetime) else str(value)


def printable(text: object) -> str:
    """Make foreign text harmless for a terminal."""
    return "".join(each if each.isprintable() else " " for each in str(text))


def console() -> "Console":
    """Open standard output for people: colours in a terminal, plain text elsewhere, nothing guessed at."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False, soft_wrap=False)
