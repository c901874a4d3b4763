"""What commands print: JSON for programs, tables for people."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
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


def local_time(moment: datetime | None) -> str:
    """Write a moment as the clock on the wall shows it; ``never`` for none."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M") if moment else "never"


def from_stamp(stamp: int | None) -> datetime | None:
    """Read a stamp of the source's clock; absurd ones are no time."""
    try:
        return datetime.fromtimestamp(stamp, UTC) if stamp else None
    except (OverflowError, ValueError, OSError):
        return None


def short_path(path: Path) -> str:
    """Write a path as it works from the current folder, short where it lies below."""
    here = Path.cwd()
    return printable(path.relative_to(here) if path.is_relative_to(here) else path)


def console() -> "Console":
    """Open standard output for people: colours in a terminal, plain text elsewhere, nothing guessed at."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False, soft_wrap=False)
