"""What is wrong with settings, in plain words: where it stands, what was found, what is expected."""

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from mirror.config.race import RaceSettings
from mirror.config.settings import ApiSettings, Config
from mirror.config.toml_lines import KeyPath

_SHOWN = 60
# Never shown: secrets, and what may hold one.
_HIDDEN = {
    "proxy",
    "webhook",
    *ApiSettings.SECRETS,
    *(f"{name}_command" for name in ApiSettings.SECRETS),
    *(first for first, _ in ApiSettings.PAIRS),
}

SECTIONS: Mapping[str, list[str]] = {
    name: list((RaceSettings if name == "races" else type(info.default)).model_fields)
    for name, info in Config.model_fields.items()
}
"""The names of all settings, by section."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One wrong setting."""

    path: KeyPath
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Origins:
    """Where settings come from: the lines of a file, environment variables, arguments."""

    file: str = ""
    lines: Mapping[KeyPath, int] = field(default_factory=dict)
    variables: Mapping[KeyPath, str] = field(default_factory=dict)
    arguments: Mapping[KeyPath, str] = field(default_factory=dict)

    def report(self, faults: Iterable[Fault]) -> str:
        """Write one line for each fault, in the order of the file."""
        ordered = sorted(faults, key=lambda fault: self._line(fault.path) or 0)
        return "\n".join(dict.fromkeys(self._place(fault.path) + fault.text for fault in ordered))

    def _line(self, path: KeyPath) -> int | None:
        return next((self.lines[part] for part in _prefixes(path) if part in self.lines), None)

    def _place(self, path: KeyPath) -> str:
        key = ".".join(map(str, path))
        for part in _prefixes(path):
            if part in self.arguments:
                return f"{self.arguments[part]}: "
        for part in _prefixes(path):
            if part in self.variables:
                return f"environment variable {self.variables[part]}: {key}: "
        line = self._line(path)
        place = f"{self.file}:{line}: " if line else f"{self.file}: " if self.file else ""
        return f"{place}{key}: "


def faults_in(error: ValidationError, section: str = "") -> Iterator[Fault]:
    """Translate what pydantic found."""
    for each in error.errors(include_url=False):
        path: KeyPath = (section, *each["loc"]) if section else each["loc"]
        if each["type"] == "contradiction":
            yield from (Fault(path=(*path, *name.split(".")), text=text) for name, text in each["ctx"]["faults"])
        else:
            yield Fault(path=path, text=_text(each, path))


def _text(each: Mapping[str, Any], path: KeyPath) -> str:
    kind, value = each["type"], each["input"]
    if kind == "extra_forbidden":
        return unknown(path)
    if kind == "missing":
        return "is missing: each [[races]] block needs the race's id or address, such as race = 48211"
    if kind == "value_error":
        expected = str(each["ctx"]["error"])
        name = path[-1]
        names_it = name in {"race", "races"}
        if names_it or name in _HIDDEN or (name in {"base_url", "root"} and {"@", "?"} & set(str(value))):
            return expected
        return f"found {_shown(value)}{',' if expected.startswith('expected') else ':'} {expected}"
    if isinstance(value, dict):
        return "is a section, expected a single value"
    return f"expected a section: a line [{path[0]}], with its settings below it"


def unknown(path: KeyPath) -> str:
    """Say that a setting is unknown, and which known one it may have meant."""
    name = str(path[-1])
    if len(path) == 1:
        homes = [section for section, names in SECTIONS.items() if name in names]
        near = difflib.get_close_matches(name, SECTIONS, n=1)
        known = ", ".join(f"[{section}]" for section in SECTIONS)
    else:
        names = SECTIONS[str(path[0])]
        homes = [section for section, others in SECTIONS.items() if name in others]
        near = difflib.get_close_matches(name, names, n=1)
        known = ", ".join(names)
    if homes:
        return f"unknown setting here, '{name}' belongs below [{homes[0]}]"
    return f"unknown setting, did you mean '{near[0]}'?" if near else f"unknown setting, known are {known}"


def _shown(value: object) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except ValueError:
        text = str(value)
    text = "".join(char if char.isprintable() else "?" for char in text)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def _prefixes(path: KeyPath) -> Iterator[KeyPath]:
    """The path and what holds it, innermost first."""
    return (path[:size] for size in range(len(path), 0, -1))
