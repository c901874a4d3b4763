"""Options that several commands take, and how they find their archive."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirror.cli.running import find_archive
from mirror.errors import ConfigError

if TYPE_CHECKING:
    from mirror.config import Config

ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="Configuration file; else mirror.toml here or above.")
]
ArchiveDir = Annotated[
    Path | None, typer.Option("--archive", help="The archive's folder; else found from here upwards.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output on standard output.")]


def config_for(config: Path | None, archive: Path | None) -> "Config":
    """Load the configuration that the options name, or the nearest one.

    Raises:
        ConfigError: There is none, or it is wrong.
    """
    from mirror.config import find_config, load_config

    if config is None and archive is not None:
        config = find_config(archive)
        if config is None:
            raise ConfigError(
                f"{archive}: no mirror.toml in or above it: give --config FILE, or 'mirror sync RACE --to DIR'"
            )
    return load_config(config)


def manifest_for(config: Path | None, archive: Path | None) -> Path:
    """Find the manifest of the archive that the options name, or of the nearest one; reading needs no configuration.

    Raises:
        ConfigError: There is no archive.
    """
    root = archive or (find_archive(Path.cwd()) if config is None else None)
    if root is not None and (root / ".mirror" / "manifest.sqlite").exists():
        return root / ".mirror" / "manifest.sqlite"
    if config is None and archive is not None:
        raise ConfigError(f"{archive}: no archive there: 'mirror sync RACE --to {archive}' makes one")
    from mirror.opening import manifest_path

    path = manifest_path(config_for(config, archive))
    if not path.exists():
        raise ConfigError(f"{path}: no manifest yet: 'mirror sync' makes it")
    return path
