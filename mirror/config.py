"""TOML and environment to checked, frozen settings. Only `cli` and `sync` and what opens rooms see these."""

import difflib
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)  # fmt: skip

from mirror.credentials import Credentials
from mirror.errors import ConfigError
from mirror.layout import DEFAULT_TEMPLATE, check_template
from mirror.model import VARIANTS
from mirror.race_ref import RaceRef, parse_race_ref
from mirror.secrets import find_secret
from mirror.units import parse_duration, parse_size

FILE_NAME = "mirror.toml"
_PREFIX = "MIRROR_"
_SECRET_KEYS = {"secret", "legacy_secret", "token", "registration_secret", "key", "legacy_key", "registration_id"}


def _split(value: object) -> object:
    """Lists come from the environment as words with commas between."""
    if isinstance(value, str):
        return [each.strip() for each in value.strip("[]").replace('"', "").split(",") if each.strip()]
    return value


def _empty_is_none(value: object) -> object:
    return None if value == "" else value


def _home(value: object) -> object:
    return Path(value).expanduser() if isinstance(value, str) and value else (value or None)


def _template(value: str) -> str:
    if fault := check_template(value):
        raise ValueError(fault)
    return value


def _race(value: object) -> RaceRef:
    return value if isinstance(value, RaceRef) else parse_race_ref(str(value))


def _days(value: object) -> object:
    if isinstance(value, str) and value not in {"all", "latest"}:
        return _split(value)
    return value


Duration = Annotated[float, BeforeValidator(parse_duration)]
Size = Annotated[int, BeforeValidator(parse_size)]
Count = Annotated[int, Field(ge=1)]
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
VariantNames = Annotated[tuple[Literal["original", "large", "thumbnail"], ...], NoDecode, BeforeValidator(_split)]
MaybePath = Annotated[Path | None, BeforeValidator(_home)]
MaybeText = Annotated[str | None, BeforeValidator(_empty_is_none)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class Api(_Section):
    """Where the API lives, and who calls."""

    base_url: str = Field(default="https://runsignup.com/rest", pattern=r"^https?://[^/]+")
    key: SecretStr = SecretStr("")
    secret: SecretStr = SecretStr("")
    secret_file: MaybePath = None
    secret_command: str = ""
    legacy_key: SecretStr = SecretStr("")
    legacy_secret: SecretStr = SecretStr("")
    token: SecretStr = SecretStr("")
    registration_id: SecretStr = SecretStr("")
    registration_secret: SecretStr = SecretStr("")
    contact: str = Field(default="", pattern=r"^[\x20-\x7e]*$")
    page_size: Count = 100

    @model_validator(mode="after")
    def _both_halves(self) -> "Api":
        has_secret = bool(self.secret.get_secret_value() or self.secret_file or self.secret_command)
        for first, second, has_second in (
            ("key", "secret", has_secret),
            ("legacy_key", "legacy_secret", bool(self.legacy_secret.get_secret_value())),
            ("registration_id", "registration_secret", bool(self.registration_secret.get_secret_value())),
        ):
            if bool(getattr(self, first).get_secret_value()) != has_second:
                raise ValueError(f"{first} and {second} go together: both or neither")
        if sum(bool(each.get_secret_value()) for each in (self.key, self.legacy_key, self.token)) > 1:
            raise ValueError("key, legacy_key and token are three ways to sign in: give one of them")
        return self


class ArchiveSettings(_Section):
    """Where the photos go."""

    root: Annotated[Path, BeforeValidator(_home)] = Path("photos")
    template: Annotated[str, BeforeValidator(_template)] = DEFAULT_TEMPLATE
    min_free: Size = 10**9
    state_dir: MaybePath = None


class DownloadSettings(_Section):
    """How pictures are fetched. Durations in seconds, sizes in bytes."""

    variants: VariantNames = VARIANTS  # type: ignore[assignment]  # the literal names, spelt once in model
    concurrency: Literal["auto"] | Annotated[int, Field(ge=1, le=256)] = "auto"
    least_requests: Count = 1
    start_requests: Count = 8
    most_requests: Annotated[int, Field(ge=1, le=256)] = 64
    attempts: Count = 5
    first_wait: Duration = 0.5
    longest_wait: Duration = 60.0
    total_wait: Duration = 600.0
    longest_retry_after: Duration = 300.0
    connect_timeout: Duration = 10.0
    stall_timeout: Duration = 30.0
    least_rate: Size = 1000
    least_rate_after: Duration = 60.0
    limit_rate: Size = 0
    largest_asset: Size = 200 * 10**6
    largest_page: Size = 32 * 10**6
    most_redirects: Annotated[int, Field(ge=0, le=20)] = 3
    allowed_hosts: Words = ("*.amazonaws.com", "*.runsignup.com")
    allow_http: bool = False
    allow_private: bool = False
    proxy: MaybeText = None
    ca_file: MaybePath = None
    group_drafts: Count = 500
    group_bytes: Size = 64 * 10**6
    group_wait: Duration = 1.0


class ListingSettings(_Section):
    """How listings are read."""

    full_every: Literal["auto"] | Duration = "auto"
    overlap: Duration = 86_400.0
    most_pages: Count = 100_000
    race_every: Duration = 86_400.0


class RaceSettings(_Section):
    """One race to archive."""

    race: Annotated[RaceRef, BeforeValidator(_race)]
    days: Annotated[Literal["all", "latest"] | tuple[Count, ...], BeforeValidator(_days)] = "all"
    variants: VariantNames | None = None
    participant_uploads: bool = True
    albums: Words = ()


class Config(BaseSettings):
    """All settings of one archive, checked and frozen."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, arbitrary_types_allowed=True
    )

    api: Api = Api()
    archive: ArchiveSettings = ArchiveSettings()
    download: DownloadSettings = DownloadSettings()
    listing: ListingSettings = ListingSettings()
    races: tuple[RaceSettings, ...] = ()

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource, dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:  # fmt: skip
        """Let the environment win over the file."""
        return env_settings, init_settings

    def credentials(self) -> Credentials:
        """Collect the credentials, reading the secret's file or running its command if one is set.

        Raises:
            ConfigError: The file or the command gives no secret, or others can read the file.
        """
        api = self.api
        return Credentials(
            key=api.key.get_secret_value(),
            secret=api.secret.get_secret_value() or find_secret(api.secret_file, api.secret_command),
            legacy_key=api.legacy_key.get_secret_value(),
            legacy_secret=api.legacy_secret.get_secret_value(),
            token=api.token.get_secret_value(),
            registration_id=api.registration_id.get_secret_value(),
            registration_secret=api.registration_secret.get_secret_value(),
        )

    def chosen_races(self, only: Sequence[str] = ()) -> tuple[RaceSettings, ...]:
        """The configured races, or those of them that were asked for by id or address.

        Raises:
            ConfigError: None is configured, or one asked for is not.
        """
        if not self.races:
            raise ConfigError("no race is configured: add a [[races]] block, or type 'mirror sync RACE --to DIR'")
        try:
            wanted = [parse_race_ref(text) for text in only]
        except ValueError as error:
            raise ConfigError(f"--race: {error}") from None
        for ref in wanted:
            if all(ref != race.race for race in self.races):
                known = ", ".join(str(race.race) for race in self.races)
                raise ConfigError(f"--race: {ref} is not configured; configured are {known}")
        return tuple(race for race in self.races if not wanted or race.race in wanted)


class _Environment(EnvSettingsSource):
    """The environment that was given, not the process's own."""

    environ: Mapping[str, str] = {}

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {name.lower(): value for name, value in self.environ.items()}


def example_text() -> str:
    """Return the complete example configuration."""
    packaged = files("mirror") / "config.example.toml"
    if packaged.is_file():
        return packaged.read_text("utf-8")
    return (Path(__file__).parent.parent / "config.example.toml").read_text("utf-8")


def find_config(start: Path) -> Path | None:
    """Find ``mirror.toml`` in a folder or above it."""
    folder = start.absolute()
    return next((each / FILE_NAME for each in (folder, *folder.parents) if (each / FILE_NAME).is_file()), None)


def load_config(path: Path | str | None = None, *, environ: Mapping[str, str] | None = None) -> Config:
    """Load settings from a file and the environment.

    Args:
        path: The file; None looks for ``mirror.toml`` in the current folder and above.
    Raises:
        ConfigError: Every wrong setting, one line each: where, what was found, what is expected.
    """
    found = Path(path) if path is not None else find_config(Path.cwd())
    if found is None:
        raise ConfigError(f"no {FILE_NAME} here or above: 'mirror init' writes one, or give --config FILE")
    try:
        text = found.read_text("utf-8")
        data = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"{found}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{found}: not valid TOML: {error}") from None
    config = build_config(data, environ=environ, place=str(found), text=text)
    archive = config.archive
    here = found.absolute().parent
    state_dir = here / archive.state_dir if archive.state_dir else None
    return config.model_copy(
        update={"archive": archive.model_copy(update={"root": here / archive.root, "state_dir": state_dir})}
    )


def quick_config(
    race: str, *, to: Path, days: str = "", variants: str = "", environ: Mapping[str, str] | None = None
) -> Config:
    """Make settings for one race without a file; credentials and everything else come from the environment.

    Raises:
        ConfigError: As for `load_config`.
    """
    block = {"race": race, **({"days": days} if days else {}), **({"variants": variants} if variants else {})}
    return build_config({"races": [block], "archive": {"root": str(to.absolute())}}, environ=environ, place="--to")


def build_config(
    data: dict[str, Any], *, environ: Mapping[str, str] | None = None, place: str = "", text: str = ""
) -> Config:
    """Check settings given as plain data.

    Raises:
        ConfigError: As for `load_config`.
    """
    env = {name: value for name, value in (os.environ if environ is None else environ).items() if _is_setting(name)}
    source = type("_Given", (_Environment,), {"environ": env})

    class _Loaded(Config):
        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, *_: Any, **__: Any
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return source(settings_cls), init_settings

    try:
        loaded = _Loaded(**data)
    except ValidationError as error:
        raise ConfigError("\n".join(_lines(error, env, place, text))) from None
    except SettingsError as error:
        raise ConfigError(f"environment: {error}") from None
    return Config.model_construct(**{name: getattr(loaded, name) for name in Config.model_fields})


def _is_setting(name: str) -> bool:
    """Whether an environment variable is one of ours: ``MIRROR_SECTION__KEY``."""
    return name.upper().startswith(_PREFIX) and ("__" in name)


def _lines(error: ValidationError, env: Mapping[str, str], place: str, text: str) -> list[str]:
    lines = []
    for each in error.errors(include_url=False):
        path = [
            part for part in each["loc"] if not str(part).startswith(("function-", "literal[", "tuple[", "constrained"))
        ]
        path = [part for part in path if part not in {"int", "float", "Literal"}]
        lines.append(f"{_where(path, env, place, text)}: {_what(each, path)}")
    return list(dict.fromkeys(lines))


def _where(path: Sequence[int | str], env: Mapping[str, str], place: str, text: str) -> str:
    name = _PREFIX + "__".join(str(part).upper() for part in path)
    key = ".".join(str(part) for part in path)
    if any(each.upper() == name for each in env):
        return f"{name} (environment)"
    line = _line_of(path, text)
    return f"{place}:{line}: {key}" if line else f"{place}: {key}" if place else key


def _line_of(path: Sequence[int | str], text: str) -> int | None:
    """The line on which a key stands: its section's header first, then the key below it."""
    inside, seen = len(path) == 1, 0
    section = str(path[0]) if path else ""
    wanted = path[1] if len(path) > 1 and isinstance(path[1], int) else 0
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[{1,2}\s*([^\]\s]+)\s*\]{1,2}", line):
            inside = header[1] == section and seen == wanted
            seen += header[1] == section
            if header[1] == section and len(path) == 1:
                return number
        elif inside and path and re.match(rf"\s*[\"']?{re.escape(str(path[-1]))}[\"']?\s*=", line):
            return number
    return None


def _what(each: Any, path: Sequence[int | str]) -> str:
    """One fault in plain words: the value found and what is expected."""
    if each["type"] == "extra_forbidden":
        names = _known_names(path)
        close = difflib.get_close_matches(str(path[-1]), names, n=1)
        return "unknown setting" + (f", did you mean '{close[0]}'?" if close else f"; known are {', '.join(names)}")
    message = each["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    message = re.sub(r"^Input should be ", "expected ", message)
    if each["type"] == "missing":
        return "is missing"
    if isinstance(each["input"], dict | BaseModel) or _SECRET_KEYS & {str(part) for part in path}:
        return message
    return f"found {str(each['input'])[:80]!r}, {message}"


def _known_names(path: Sequence[int | str]) -> list[str]:
    model: Any = Config
    for part in path[:-1]:
        if isinstance(part, str) and part in model.model_fields:
            model = RaceSettings if part == "races" else model.model_fields[part].annotation
    return list(model.model_fields)
