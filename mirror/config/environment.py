"""Settings from environment variables: ``MIRROR_DOWNLOAD__ATTEMPTS``, ``MIRROR_RACES__0__DAYS``, ``MIRROR_RACES``."""

import difflib
import re
from collections.abc import Mapping
from typing import Any

from pydantic_settings import EnvSettingsSource

from mirror.config.faults import SECTIONS
from mirror.config.settings import Config
from mirror.config.toml_lines import KeyPath

_PREFIX = "MIRROR_"
_NOT_SETTINGS = {"MIRROR_CONFIG"}
_LIKE, _VERY_LIKE = 0.7, 0.85
_ALL_NAMES = [f"{_PREFIX}{section}__{name}".upper() for section, names in SECTIONS.items() for name in names]


def read_environment(environ: Mapping[str, str]) -> tuple[dict[str, Any], dict[KeyPath, str], list[str]]:
    """Pick the settings out of an environment; an empty variable counts as none.

    Returns:
        The settings as nested data, the variable that each came from, and a line for each unknown one.
    """
    given: dict[str, str | None] = {}
    variables: dict[KeyPath, str] = {}
    faults = []
    for name, value in environ.items():
        if not name.upper().startswith(_PREFIX) or name.upper() in _NOT_SETTINGS or not value:
            continue
        path = tuple(int(part) if part.isdecimal() else part for part in name[len(_PREFIX) :].lower().split("__"))
        if _is_known(path):
            given[name.lower()] = value
            variables[path] = name
        elif fault := _unknown(name.upper()):
            faults.append(f"environment variable {name}: {fault}")
    source = EnvSettingsSource(Config)
    source.env_vars = given
    return source(), variables, faults


def _is_known(path: KeyPath) -> bool:
    section, *inner = path
    if section == "races":
        return not inner or (len(inner) == 2 and isinstance(inner[0], int) and inner[1] in SECTIONS["races"])
    return len(inner) == 1 and inner[0] in SECTIONS.get(str(section), ())


def _unknown(name: str) -> str | None:
    """Say what an unknown variable may have meant; None if it does not look like a setting of ours."""
    flat = {re.sub("_+", "_", each): each for each in _ALL_NAMES}
    tail = name.removeprefix(_PREFIX).lower()
    near: str | None = flat.get(re.sub("_+", "_", name)) or next(
        (each for each in _ALL_NAMES if tail in SECTIONS["api"] and each.lower().endswith(f"__{tail}")), None
    )
    likeness = _LIKE if "__" in name else _VERY_LIKE
    near = near or next(iter(difflib.get_close_matches(name, _ALL_NAMES, n=1, cutoff=likeness)), None)
    if near:
        return f"unknown setting, did you mean {near}?"
    return "unknown setting, expected a name such as MIRROR_API__SECRET" if "__" in name else None
