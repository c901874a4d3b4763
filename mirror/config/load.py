"""From a file, the environment and arguments to one checked configuration."""

import contextlib
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mirror.config.environment import read_environment
from mirror.config.faults import Fault, Origins, faults_in, unknown
from mirror.config.file import FILE_NAME, find_config
from mirror.config.secret import private_fault
from mirror.config.settings import ApiSettings, Config
from mirror.config.toml_lines import KeyPath, lines_of
from mirror.errors import ConfigError
from mirror.root import ArchiveRoot, is_url

_DEEPEST = 20
"""Settings lie four levels deep."""
_PATHS = [
    ("archive", "root"), ("archive", "state_dir"), ("gallery", "to"), ("download", "ca_file"),
    *(("api", f"{name}_file") for name in ApiSettings.SECRETS),
]  # fmt: skip


def load_config(
    path: Path | str | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, object] | None = None,
    is_offline: bool = False,
) -> Config:
    """Load settings from a file, the environment, which wins over it, and overrides, which win over both.

    Args:
        path: The file; None looks for ``mirror.toml`` in the current folder and above.
        environ: Environment variables; None takes the process's own.
        overrides: Such as ``{"download.concurrency": 4}``; None as a value leaves a setting alone.
        is_offline: No request will be made: half a pair of credentials is no fault.
    Returns:
        Settings with absolute paths: relative ones in the file start at its folder, others at the current one.
    Raises:
        ConfigError: Every wrong setting, one line each: where it stands, what was found, what is expected.
    """
    found = Path(path).expanduser() if path is not None else find_config(Path.cwd())
    if found is None:
        raise ConfigError(
            f"no {FILE_NAME} here or in a folder above: type 'mirror init' to write one, or give --config FILE"
        )
    text, mode = _read(found)
    data = _parse(text, found)
    api = data.get("api")
    faults = []
    fault = private_fault(found, mode)
    if fault and isinstance(api, dict):
        faults = [Fault(path=("api", name), text=fault) for name in ApiSettings.SECRETS if api.get(name)]
    folder = found.absolute().parent
    _anchor(data, folder)
    config = _build(
        data, Origins(file=str(found), lines=lines_of(text)), environ=environ, overrides=overrides or {},
        faults=faults, is_offline=is_offline,
    )  # fmt: skip
    root = config.archive.root
    if root.is_local and not root.path.is_absolute():
        archive = config.archive.model_copy(update={"root": ArchiveRoot(folder / root.path)})
        config = config.model_copy(update={"archive": archive})
    config._source_path = found.absolute()  # noqa: SLF001 - set once, here, where it is known
    return config


def quick_config(
    race: str,
    *,
    to: Path | str,
    days: str | Sequence[int] | None = None,
    variants: str | Sequence[str] | None = None,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, object] | None = None,
) -> Config:
    """Make settings for one race without a file; credentials and everything else come from the environment.

    Args:
        race: Its id or address.
        to: The archive's folder, or its address in a bucket.
        days: Race day ids, ``"all"`` or ``"latest"``; None takes the one that the address names, or all.
        variants: Such as ``"original,large"``; None takes those of ``download.variants``.
    Raises:
        ConfigError: As for `load_config`.
    """
    block = {"race": race, "days": days, "variants": variants}
    given = {"races": [{name: value for name, value in block.items() if value is not None}], "archive.root": to}
    labels: dict[KeyPath, str] = {
        ("races", 0, "race"): "race", ("races", 0, "days"): "days", ("races", 0, "variants"): "variants",
        ("archive", "root"): "to",
    }  # fmt: skip
    return _build({}, Origins(arguments=labels), environ=environ, overrides={**(overrides or {}), **given})


def _read(file: Path) -> tuple[str, int]:
    try:
        with file.open("rb") as opened:
            return opened.read().decode("utf-8-sig"), os.fstat(opened.fileno()).st_mode
    except OSError as error:
        hint = ": type 'mirror init' to write one" if isinstance(error, FileNotFoundError) else ""
        raise ConfigError(f"{file}: cannot be read ({error.strerror}){hint}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{file}: is no UTF-8 text, expected a TOML file") from None


def _parse(text: str, file: Path) -> dict[str, Any]:
    try:
        data = tomllib.loads(text)
        if _is_deeper(data, _DEEPEST):
            raise RecursionError
    except RecursionError:
        raise ConfigError(f"{file}: tables or lists within one another beyond any use") from None
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        found = re.search(r"\(at line (\d+), column (\d+)\)", message)
        place = f"{file}:{found[1]}:{found[2]}" if found else f"{file}:{len(text.splitlines())}"
        what = re.sub(r"\s*\(at .*\)$", "", message)
        if what.startswith("Cannot "):
            what = "this key or section stands in the file for the second time"
        raise ConfigError(f"{place}: not readable as TOML: {what[:1].lower()}{what[1:]}") from None
    return data


def _is_deeper(value: object, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels == 0 or any(_is_deeper(each, levels - 1) for each in inner)


def _build(
    data: dict[str, Any],
    origins: Origins,
    *,
    environ: Mapping[str, str] | None,
    overrides: Mapping[str, object],
    faults: Sequence[Fault] = (),
    is_offline: bool = False,
) -> Config:
    """Join the layers, check them, and report everything that is wrong at once."""
    from_env, variables, unknown_variables = read_environment(os.environ if environ is None else environ)
    from_call: dict[str, Any] = {}
    arguments = dict(origins.arguments)
    for key, value in overrides.items():
        if value is not None:
            section, _, name = key.partition(".")
            from_call = _merge(from_call, {section: {name: value} if name else value})
            arguments.setdefault((section, name) if name else (section,), f"override: {key}")
    for layer in (from_env, from_call):
        _anchor(layer, Path.cwd())
        _forget_secrets(data, layer)
        data = _merge(data, layer)
    origins = Origins(file=origins.file, lines=origins.lines, variables=variables, arguments=arguments)
    found = [*faults, *(Fault(path=(name,), text=unknown((name,))) for name in set(data) - set(Config.model_fields))]
    config = None
    try:
        config = Config(**{name: value for name, value in data.items() if name in Config.model_fields})
    except ValidationError as error:
        found.extend(faults_in(error))
    if not is_offline:
        with contextlib.suppress(ValidationError):  # said already
            api = config.api if config else ApiSettings.model_validate(data.get("api", {}))
            found.extend(Fault(path=("api", name), text=text) for name, text in api.missing_halves())
    if config is None or found or unknown_variables:
        raise ConfigError("\n".join(filter(None, [*unknown_variables, origins.report(found)])))
    return config


def _merge(lower: Any, upper: Any) -> Any:
    """Lay one layer of settings over another; numbered parts change single entries of a list."""
    if isinstance(lower, dict) and isinstance(upper, dict):
        return {**lower, **{name: _merge(lower.get(name), value) for name, value in upper.items()}}
    if isinstance(lower, list) and isinstance(upper, dict) and all(str(name).isdigit() for name in upper):
        return _merge({str(number): value for number, value in enumerate(lower)}, upper)
    return upper


def _forget_secrets(lower: dict[str, Any], upper: dict[str, Any]) -> None:
    """Where the upper layer says where a secret comes from, the lower one's origins of it do not count."""
    low, high = lower.get("api"), upper.get("api")
    if isinstance(low, dict) and isinstance(high, dict):
        for name in ApiSettings.SECRETS:
            origins = {name, f"{name}_file", f"{name}_command"}
            if origins & set(high):
                for each in origins & set(low):
                    del low[each]


def _anchor(data: dict[str, Any], folder: Path) -> None:
    """Make relative paths start at a folder."""
    for section, name in _PATHS:
        settings = data.get(section)
        value = settings.get(name) if isinstance(settings, dict) else None
        if isinstance(settings, dict) and isinstance(value, str | Path) and str(value) and not is_url(str(value)):
            with contextlib.suppress(RuntimeError):  # an unknown home folder: said where the value is checked
                settings[name] = str(folder / Path(value).expanduser())
