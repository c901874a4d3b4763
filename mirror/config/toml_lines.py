"""On which line of a TOML text each setting stands. Pure."""

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

KeyPath = tuple[str | int, ...]


def lines_of(text: str) -> Mapping[KeyPath, int]:
    """Say for each section and key of a valid TOML text on which line, from 1 on, it begins.

    Returns:
        Paths such as ``("download", "attempts")`` and ``("races", 0, "days")``, with their lines.
    """
    found: dict[KeyPath, int] = {}
    inside: KeyPath = ()
    for line, statement in _statements(text):
        data = tomllib.loads(statement)
        if statement.lstrip().startswith("["):
            inside = _header(data, found)
            found.setdefault(inside, line)
            found.setdefault(inside[:1], line)
        else:
            for path in _paths(data):
                found.setdefault(inside + path, line)
    return found


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Cut a text into its headers and key-value pairs, each with its first line: whatever parses by itself is one."""
    gathered: list[str] = []
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        gathered.append(line)
        statement = "\n".join(gathered)
        try:
            tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue
        yield number - len(gathered) + 1, statement
        gathered.clear()


def _header(data: Mapping[str, Any], found: Mapping[KeyPath, int]) -> KeyPath:
    """The path that a header opens; a list of tables counts on."""
    path: KeyPath = ()
    value: Any = data
    while isinstance(value, dict) and value:
        name, value = next(iter(value.items()))
        path = (*path, name)
        if isinstance(value, list):
            number = 0
            while (*path, number) in found:
                number += 1
            path, value = (*path, number), value[0]
    return path


def _paths(value: Any) -> Iterator[KeyPath]:
    """All paths within a value, tables and lists of tables included."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        yield (name,)
        yield from ((name, *path) for path in _paths(inner))
