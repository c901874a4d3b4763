"""TOML and environment to checked, frozen settings. Only the roof and what opens rooms see these."""

from typing import TYPE_CHECKING

from mirror.faces import lazy_face

if TYPE_CHECKING:
    from mirror.config.file import FILE_NAME, example_text, find_config
    from mirror.config.gallery import GallerySettings
    from mirror.config.load import load_config, quick_config
    from mirror.config.race import RaceSettings
    from mirror.config.settings import (
        ApiSettings,
        ArchiveSettings,
        Config,
        DownloadSettings,
        ListingSettings,
    )
    from mirror.credentials import Credentials

__all__ = [
    "FILE_NAME",
    "ApiSettings",
    "ArchiveSettings",
    "Config",
    "Credentials",
    "DownloadSettings",
    "GallerySettings",
    "ListingSettings",
    "RaceSettings",
    "example_text",
    "find_config",
    "load_config",
    "quick_config",
]

__getattr__ = lazy_face(
    __name__,
    {
        "file": "FILE_NAME example_text find_config",
        "gallery": "GallerySettings",
        "load": "load_config quick_config",
        "race": "RaceSettings",
        "settings": "ApiSettings ArchiveSettings Config Credentials DownloadSettings ListingSettings",
    },
)
