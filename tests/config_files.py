"""A configuration file to write, load and have refused."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mirror.config import Config, load_config
from mirror.errors import ConfigError


class ConfigFile:
    """A ``mirror.toml`` that only its owner can read, loaded in an environment that is empty but for what is given."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "mirror.toml"
        self.path.touch(mode=0o600)

    def load(self, text: str, environ: Mapping[str, str] | None = None, **more: Any) -> Config:
        """Load a text as the file."""
        self.path.write_text(text)
        return load_config(self.path, environ=environ or {}, **more)

    def refusal(self, text: str, environ: Mapping[str, str] | None = None, **more: Any) -> str:
        """Say what is said about a wrong text, without the file's folder."""
        with pytest.raises(ConfigError) as refused:
            self.load(text, environ, **more)
        return str(refused.value).replace(f"{self.folder}/", "")
