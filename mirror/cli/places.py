"""Where a command's archive and configuration are."""

import shlex
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mirror.errors import ConfigError
from mirror.root import STATE, ArchiveRoot

if TYPE_CHECKING:
    from mirror.config import Config
    from mirror.when import When

_MANIFEST = "manifest.sqlite"
_SETTINGS = "mirror.toml"


def load_settings(
    archive: ArchiveRoot | None, config: Path | None, *, race: str = "", is_offline: bool = False,
    overrides: Mapping[str, object] | None = None,
) -> "Config":  # fmt: skip
    """Load the configuration that the options mean, or the nearest one.

    Args:
        race: What was asked for: without a configuration there is another way to it.
        overrides: Further settings that win over file and environment, by name.
    Raises:
        ConfigError: There is none, or it is wrong.
    """
    from mirror.config import find_config, load_config

    root, start = archive, folder_of(archive)
    if race and config is None and find_config(start) is None:
        shown = shlex.quote(race)
        raise ConfigError(f"no {_SETTINGS} here or above: without one, type 'mirror sync {shown} --to DIR'")
    if archive is not None and config is None:
        config = find_config(start)
        if config is None:
            raise ConfigError(
                f"{start}: no {_SETTINGS} in it or above: give --config FILE, or type 'mirror sync RACE --to DIR'"
            )
        if archive.is_local and config.parent == start.absolute() and not (start / STATE).is_dir():
            root = None  # a folder with a configuration, which says itself where the photos are
    place = {} if root is None else {"archive.root": root.path.absolute() if root.is_local else root}
    return load_config(config, overrides={**place, **(overrides or {})}, is_offline=is_offline)


def folder_of(archive: ArchiveRoot | None) -> Path:
    """The folder in which, and above which, a configuration is looked for."""
    return archive.path if archive is not None and archive.is_local else Path()


def load_archive_settings(archive: ArchiveRoot | None, config: Path | None) -> "Config":
    """Load the settings of an archive that is there; one without a configuration takes those of the environment.

    For runs that ask the API for nothing: no credentials are needed.

    Raises:
        ConfigError: There is no archive, or a setting is wrong.
    """
    from mirror.config import find_config, quick_config

    if config is not None or find_config(folder_of(archive)) is not None:
        return load_settings(archive, config, is_offline=True)
    root, _ = find_manifest(archive, None)
    return quick_config("1", to=str(root)).model_copy(update={"races": ()})


def find_manifest(archive: ArchiveRoot | None, config: Path | None) -> tuple[ArchiveRoot, Path]:
    """Find the archive's root and its manifest, by ``.mirror`` or by configuration, whichever is nearer.

    Raises:
        ConfigError: There is neither.
    """
    if archive is not None and not archive.is_local:
        return archive, _manifest_of_bucket(archive, config)
    if config is None:
        start = folder_of(archive).absolute()
        for folder in (start, *start.parents):
            if (folder / STATE / _MANIFEST).is_file():
                return ArchiveRoot(folder), folder / STATE / _MANIFEST
            if (folder / _SETTINGS).is_file():
                break
        else:
            place = f"{archive}: no archive there" if archive else "no archive here"
            raise ConfigError(f"{place} or above: 'mirror sync RACE --to DIR' makes one; else give --archive DIR")
    place_of = load_settings(archive, config, is_offline=True).archive
    return place_of.root, place_of.manifest


def _manifest_of_bucket(archive: ArchiveRoot, config: Path | None) -> Path:
    """Find the manifest of an archive in a bucket: where its configuration says, or where it is by itself."""
    from mirror.config import find_config

    file = config or find_config(Path())
    settings = load_settings(None, file, is_offline=True).archive if file is not None else None
    own = archive.state_dir / _MANIFEST if settings is None or settings.root != archive else settings.manifest
    if not own.is_file():
        raise ConfigError(
            f"{own}: not found, and it would be the manifest of {archive}: 'mirror sync RACE --to {archive}' begins "
            "an archive there, 'mirror rebuild' takes the manifest out of one that was begun elsewhere"
        )
    return own


def moment_of(words: str, option: str) -> "When":
    """Read the moment that an option names.

    Raises:
        ConfigError: Nobody can know what is meant.
    """
    from mirror.when import parse_when

    try:
        return parse_when(words, now=datetime.now())  # noqa: DTZ005 - as the clock on the wall shows it
    except ValueError as error:
        raise ConfigError(f"{option} {error}") from None


def find_own_manifest(archive: ArchiveRoot | None, config: Path | None) -> tuple[ArchiveRoot, Path]:
    """As `find_manifest`, for commands that write: the manifest itself where a copy of it lies beside the tree.

    Raises:
        ConfigError: There is none.
    """
    root, path = find_manifest(archive, config)
    from mirror.config import find_config

    above = find_config(root.path) if config is None and root.is_local else None
    if above is not None:
        place_of = load_settings(None, above, is_offline=True).archive
        own = None if place_of.state_dir is None else place_of.state_dir / _MANIFEST
        if own is not None and own.is_file() and is_same_root(place_of.root, root):
            return root, own
    return root, path


def is_same_root(one: ArchiveRoot, other: ArchiveRoot) -> bool:
    """Whether two places are one."""
    if one.is_local and other.is_local:
        return one.path.resolve() == other.path.resolve()
    return one == other
