"""A start list or results as a timer exports them: delimiter, encoding and the column of the bibs found out."""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mirror.errors import ConfigError

_LARGEST_BYTES = 64 * 1024 * 1024
_DELIMITERS = ",;\t|"
_BIB_NAMES = (
    "bib", "bibno", "bibnum", "bibnumber", "bibs", "racebib", "runnerbib", "startnumber", "startno", "startnr",
    "startnummer", "racenumber", "raceno", "dossard", "dorsal", "pettorale", "number", "nummer", "no", "nr", "num",
)  # fmt: skip
"""Names of the column, without what is no letter; the surest first."""
_BIB = re.compile(r"[A-Za-z]{0,3}[- ]?[0-9]{1,6}[A-Za-z]?")
_SPREADSHEET_NUMBER = re.compile(r"([0-9]+)\.0+")
_HEAD_ROWS = 20
_SHOWN_COLUMNS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class StartList:
    """The bibs of a race day."""

    file: str
    column: str
    bibs: tuple[str, ...]
    """As text, in the file's order, without repeats."""


def read_start_list(path: Path, *, column: str = "") -> StartList:
    """Read the bibs out of a CSV file.

    Args:
        column: The name of their column, or its number from 1; empty finds it out.
    Raises:
        ConfigError: The file cannot be read, or no column holds bibs; the message names the columns there are.
    """
    rows = _rows(_text(path), path)
    head_at, number = _find(rows, column, path)
    head = rows[head_at] if head_at >= 0 else []
    cells = (row[number].strip() for row in rows[head_at + 1 :] if number < len(row))
    bibs = tuple(dict.fromkeys(_plain(cell) for cell in cells if cell))
    name = head[number].strip() if number < len(head) else f"column {number + 1}"
    if not bibs:
        raise ConfigError(f"{path}: no bib stands in '{name}'")
    return StartList(file=path.name, column=name, bibs=bibs)


def _text(path: Path) -> str:
    """Read the text, whatever program wrote it."""
    try:
        with path.open("rb") as opened:
            raw = opened.read(_LARGEST_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    if len(raw) > _LARGEST_BYTES:
        raise ConfigError(f"{path}: larger than 64 MB, expected a start list or results as CSV")
    if raw.startswith(b"PK\x03\x04"):
        raise ConfigError(f"{path}: a spreadsheet, expected CSV: save it as CSV first")
    encodings = ("utf-16",) if raw[:2] in {b"\xff\xfe", b"\xfe\xff"} else ("utf-8-sig", "cp1252", "latin-1")
    for encoding in encodings:
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise ConfigError(f"{path}: is no text, expected CSV")


def _rows(text: str, path: Path) -> list[list[str]]:
    lines = [line for line in text.splitlines()[:_HEAD_ROWS] if line.strip()]
    try:
        read = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(lines))
        rows = [row for row in read if any(map(str.strip, row))]
    except csv.Error as error:
        raise ConfigError(f"{path}: cannot be read as CSV: {error}") from None
    if not rows:
        raise ConfigError(f"{path}: empty, expected a start list or results as CSV")
    return rows


def _delimiter(lines: Sequence[str]) -> str:
    """Find the delimiter: it stands in most lines; where none does, there is one column."""
    usual = {each: sorted(line.count(each) for line in lines)[len(lines) // 2] for each in _DELIMITERS if lines}
    return max(usual, key=lambda each: usual[each], default=",")


def _find(rows: Sequence[Sequence[str]], column: str, path: Path) -> tuple[int, int]:
    """Find the row of the column names, -1 if there is none, and the column of the bibs."""
    found = _named(rows, column) if column else _guessed(rows)
    if found is None:
        there = ", ".join(cell.strip() or "''" for cell in rows[0][:_SHOWN_COLUMNS])
        wanted = f"no column '{column}'" if column else "which column holds the bibs? Name it with --bib-column"
        raise ConfigError(f"{path}: {wanted}; there are: {there}")
    return found


def _named(rows: Sequence[Sequence[str]], column: str) -> tuple[int, int] | None:
    wanted = column.strip().casefold()
    if wanted.isascii() and wanted.isdigit():
        number = int(wanted) - 1
        if not 0 <= number < max(map(len, rows[:_HEAD_ROWS])):
            return None
        has_head = number < len(rows[0]) and not _BIB.fullmatch(_plain(rows[0][number]))
        return (0 if has_head else -1), number
    for at, row in enumerate(rows[:_HEAD_ROWS]):
        names = [cell.strip().casefold() for cell in row]
        if wanted in names:
            return at, names.index(wanted)
    return None


def _guessed(rows: Sequence[Sequence[str]]) -> tuple[int, int] | None:
    """Find a column with a name for bibs, and with bibs below; titles may stand above the names."""
    for at, row in enumerate(rows[:_HEAD_ROWS]):
        names = [_bare(cell) for cell in row]
        for name in _BIB_NAMES:
            if name in names and _holds_bibs(rows[at + 1 :], names.index(name), if_empty=at == 0):
                return at, names.index(name)
    # Without names: nothing but bibs, or bibs first.
    return (-1, 0) if all(_BIB.fullmatch(_plain(row[0])) for row in rows[:_HEAD_ROWS]) else None


def _holds_bibs(rows: Sequence[Sequence[str]], number: int, *, if_empty: bool) -> bool:
    """Whether most of what stands in a column can be a bib."""
    cells = [plain for row in rows[:_HEAD_ROWS] if number < len(row) and (plain := _plain(row[number]))]
    return 2 * sum(bool(_BIB.fullmatch(cell)) for cell in cells) >= len(cells) if cells else if_empty


def _bare(text: str) -> str:
    text = text.strip().casefold()
    return "bib" if text == "#" else "".join(each for each in text if each.isalpha())


def _plain(cell: str) -> str:
    """Take off what spreadsheets put around numbers."""
    cell = cell.strip().strip("'\"=").strip()
    whole = _SPREADSHEET_NUMBER.fullmatch(cell)
    return whole[1] if whole else cell
