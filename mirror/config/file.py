"""The configuration's file: what it is called, where it is looked for, and how a new one reads."""

import contextlib
from importlib.resources import files
from pathlib import Path

FILE_NAME = "mirror.toml"
_EXAMPLE = "config.example.toml"


def example_text() -> str:
    """Return the complete example configuration, from the installed package or from a checkout."""
    packaged = files("mirror") / _EXAMPLE
    if packaged.is_file():
        return packaged.read_text("utf-8")
    return (Path(__file__).parents[2] / _EXAMPLE).read_text("utf-8")


def find_config(start: Path) -> Path | None:
    """Find ``mirror.toml`` in a folder or above it."""
    folder = start.absolute()
    for each in (folder, *folder.parents):
        with contextlib.suppress(OSError):  # a folder above that nobody may look into
            if (each / FILE_NAME).is_file():
                return each / FILE_NAME
    return None
