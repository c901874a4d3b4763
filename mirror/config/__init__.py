"""TOML and environment to checked, frozen settings. Only the roof and what opens rooms see these."""

from mirror.config.gallery import GallerySettings
from mirror.config.load import FILE_NAME, example_text, find_config, load_config, quick_config
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
