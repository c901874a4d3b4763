"""Imports go down only, and one outside world has one room."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import mirror

PACKAGE = Path(mirror.__file__).parent

FLOORS = [
    {"__main__"},
    {"cli"},
    {"__init__"},
    {"progress", "demo_run"},
    {"dryrun", "rebuild", "failures", "verify", "watch", "fleet"},
    {"hooks"},
    {
        "sync",
        "check",
        "export",
        "find",
        "gallery",
        "handout",
        "history",
        "report",
        "forget",
        "prune",
        "news",
        "metrics",
    },
    {"running"},
    {"passes", "recheck", "fetching", "findings", "keeping"},
    {"leftovers"},
    {"targets", "listing"},
    {"opening"},
    {"source"},
    {"commit", "cluster"},
    {"download"},
    {"one_try"},
    {"feed", "pipeline"},
    {"records", "photo_ids", "current"},
    {"transport"},
    {"config"},
    {"manifest", "decode"},
    {"archive", "imagecheck", "body", "hosts"},
    {"asset_ref"},
    {"race_choice", "when"},
    {"credentials", "fields", "layout", "leases", "pace", "race_ref", "timetable", "units", "demo", "retry"},
    {"breaker"},
    {"model", "tally", "root"},
    {"errors", "faces"},
]
"""From the roof to the ground; a room may import rooms of lower floors only."""

OWNERS = {
    "aiohttp": {"transport", "demo"},
    "sqlite3": {"manifest"},
    "tenacity": {"retry"},
    "aiofiles": {"archive"},
    "typer": {"cli"},
    "jinja2": {"gallery", "report"},
    "pydantic_settings": {"config"},
    "PIL": {"decode", "demo"},
    "prometheus_client": {"metrics"},
    "distributed": {"cluster"},
    "dask": {"cluster"},
    "pyarrow": {"export"},
    "obstore": {"archive"},
}
"""One outside world, one room."""

CONFIG_READERS = {
    "cli", "sync", "opening", "check", "dryrun", "failures", "rebuild", "demo_run", "__init__", "verify", "watch",
    "fleet", "running",
}  # fmt: skip


def room_of(path: Path) -> str:
    """The room a file belongs to: its first part below the package."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports() -> Iterator[tuple[str, str]]:
    """Every (room, imported module) of the package, lazy imports too."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from ((room_of(path), alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                if node.module == "mirror":
                    yield from ((room_of(path), f"mirror.{alias.name}") for alias in node.names)
                else:
                    yield room_of(path), node.module


def floor_of(room: str) -> int:
    """How far below the roof a room lies."""
    return next(number for number, rooms in enumerate(FLOORS) if room in rooms)


def test_rooms_import_lower_floors_only() -> None:
    """A room imports only rooms that lie below it."""
    upward = [
        f"{room} imports {module}"
        for room, module in imports()
        if module.startswith("mirror.")
        and (other := module.split(".")[1]) != room
        and not other.startswith("__")
        and floor_of(other) <= floor_of(room)
    ]
    assert upward == []


@pytest.mark.parametrize("library", sorted(OWNERS))
def test_outside_world_has_one_room(library: str) -> None:
    """Each outside world is spoken to by one room alone."""
    users = {room for room, module in imports() if module.split(".")[0] == library}
    assert users <= OWNERS[library]


def test_only_the_roof_sees_the_configuration() -> None:
    """Below the roof settings arrive as arguments."""
    assert {room for room, module in imports() if module == "mirror.config"} <= CONFIG_READERS


def test_no_file_is_above_the_ceiling() -> None:
    """No file of the package is longer than 300 lines."""
    long = {
        str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py") if len(path.read_text().splitlines()) > 300
    }
    assert long == set()
