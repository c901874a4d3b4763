"""The settings, section by section. Durations are ``float`` seconds, sizes are ``int`` bytes."""

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

from pydantic import Field, PrivateAttr, SecretStr, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from mirror.config.fleet import FleetSettings
from mirror.config.gallery import GallerySettings
from mirror.config.kinds import (
    AllOrSize,
    AtOnce,
    AutoCount,
    AutoDuration,
    BaseUrl,
    Command,
    Count,
    Duration,
    Flag,
    Header,
    HelperCount,
    Hosts,
    Limit,
    MaybePath,
    MaybeText,
    Root,
    Secret,
    Size,
    Tables,
    Template,
    Timetable,
    Variants,
    Wait,
    whole,
)
from mirror.config.race import RaceSettings
from mirror.config.secret import find_secret
from mirror.config.section import NO_SECRET, Section
from mirror.config.watching import WatchSettings
from mirror.credentials import Credentials
from mirror.errors import ConfigError
from mirror.layout import DEFAULT_TEMPLATE
from mirror.model import VARIANTS
from mirror.race_ref import parse_race_ref
from mirror.root import ArchiveRoot

REGISTRATION_DUE = date(2027, 1, 1)
"""From this day on the API refuses callers that are not registered."""

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class ApiSettings(Section):
    """Where the API lives, and who calls."""

    SECRETS: ClassVar = ("secret", "legacy_secret", "token", "registration_secret")
    """Each may also come from a file or a command."""
    PAIRS: ClassVar = (("key", "secret"), ("legacy_key", "legacy_secret"), ("registration_id", "registration_secret"))

    base_url: BaseUrl = "https://runsignup.com/rest"
    key: Secret = NO_SECRET
    secret: Secret = NO_SECRET
    secret_file: MaybePath = None
    secret_command: Command = ()
    legacy_key: Secret = NO_SECRET
    legacy_secret: Secret = NO_SECRET
    legacy_secret_file: MaybePath = None
    legacy_secret_command: Command = ()
    token: Secret = NO_SECRET
    token_file: MaybePath = None
    token_command: Command = ()
    registration_id: Secret = NO_SECRET
    registration_secret: Secret = NO_SECRET
    registration_secret_file: MaybePath = None
    registration_secret_command: Command = ()
    contact: Header = ""
    page_size: Annotated[int, whole(1, 10_000)] = 100

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield secrets with several origins, and several ways to sign in."""
        for name in self.SECRETS:
            given = self._given(name)
            if len(given) > 1:
                yield given[1], f"{' and '.join(given)} are given, expected one of them"
        families = [name for name in ("key", "legacy_key", "token") if self.has(name)]
        if len(families) > 1:
            yield families[1], f"{' and '.join(families)} are different ways to sign in, expected one of them"

    def missing_halves(self) -> Iterator[tuple[str, str]]:
        """Yield each half of a pair that is given without the other."""
        for first, second in self.PAIRS:
            if self.has(first) and not self.has(second):
                variable = f"MIRROR_API__{second.upper()}"
                yield first, f"needs {second} beside it: set {variable}, api.{second}_file or api.{second}_command"
            if self.has(second) and not self.has(first):
                yield self._given(second)[0], f"needs {first} beside it: set MIRROR_API__{first.upper()} or api.{first}"

    def has(self, name: str) -> bool:
        """Whether a setting is given, or where it comes from."""
        return bool(self._given(name))

    def _given(self, name: str) -> list[str]:
        """Those of a secret's three settings that are given."""
        values = {each: getattr(self, each, None) for each in (name, f"{name}_file", f"{name}_command")}
        return [
            each
            for each, value in values.items()
            if (value.get_secret_value() if isinstance(value, SecretStr) else value)
        ]


class ArchiveSettings(Section):
    """Where the photos go."""

    root: Root = ArchiveRoot(Path("photos"))
    template: Template = DEFAULT_TEMPLATE
    min_free: Size = 10**9
    versions: AllOrSize = "all"
    state_dir: MaybePath = None
    snapshot_every: Wait = 900.0

    @property
    def manifest(self) -> Path:
        """The file of the manifest: inside the archive if it is in a folder and ``state_dir`` says nothing else."""
        return (self.state_dir or self.root.state_dir) / "manifest.sqlite"

    @property
    def is_manifest_apart(self) -> bool:
        """Whether the manifest lies elsewhere than in the archive, which then gets a copy of it."""
        return self.state_dir is not None or not self.root.is_local


class DownloadSettings(Section):
    """How pictures are fetched, and how patient requests are."""

    variants: Variants = VARIANTS
    concurrency: AutoCount = "auto"
    helpers: HelperCount = "auto"
    least_requests: AtOnce = 1
    start_requests: AtOnce = 16
    most_requests: AtOnce = 128
    attempts: Annotated[int, whole(1, 1000)] = 5
    first_wait: Duration = 0.5
    longest_wait: Duration = 60.0
    total_wait: Duration = 600.0
    longest_retry_after: Duration = 300.0
    host_patience: Duration = 300.0
    connect_timeout: Wait = 10.0
    stall_timeout: Wait = 30.0
    least_rate: Size = 1000
    least_rate_after: Wait = 60.0
    limit_rate: Size = 0
    limit_rate_at: Timetable = ()
    largest_asset: Limit = 200 * 10**6
    largest_page: Limit = 32 * 10**6
    memory: Size = 64 * 10**6
    most_redirects: Annotated[int, whole(0, 20)] = 3
    allowed_hosts: Hosts = ("*.amazonaws.com", "*.runsignup.com")
    allow_http: Flag = False
    allow_private: Flag = False
    proxy: Annotated[MaybeText, Field(repr=False)] = None
    ca_file: MaybePath = None
    group_drafts: Count = 500
    group_bytes: Limit = 64 * 10**6
    group_wait: Wait = 1.0

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield bounds that cross."""
        if self.least_requests > self.most_requests:
            yield "least_requests", f"is {self.least_requests}, expected at most most_requests, {self.most_requests}"


class ListingSettings(Section):
    """How listings are read."""

    full_every: AutoDuration = "auto"
    overlap: Duration = 86_400.0
    most_pages: Count = 100_000
    race_every: Duration = 86_400.0


class Config(BaseSettings):
    """All settings of one archive, checked and frozen; made by `load_config` or `quick_config`."""

    model_config = SettingsConfigDict(
        env_prefix="MIRROR_", env_nested_delimiter="__", enable_decoding=False,
        extra="forbid", frozen=True, arbitrary_types_allowed=True,
    )  # fmt: skip

    api: ApiSettings = ApiSettings()
    archive: ArchiveSettings = ArchiveSettings()
    download: DownloadSettings = DownloadSettings()
    listing: ListingSettings = ListingSettings()
    watch: WatchSettings = WatchSettings()
    gallery: GallerySettings = GallerySettings()
    fleet: FleetSettings = FleetSettings()
    races: Annotated[tuple[RaceSettings, ...], Tables] = ()

    _source_path: Path | None = PrivateAttr(default=None)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take what is given and nothing else: `load_config` joins file and environment, and knows what came whence."""
        return (init_settings,)

    @model_validator(mode="after")
    def _check(self) -> "Config":
        base = urlsplit(self.api.base_url)
        if base.scheme == "http" and base.hostname not in _LOOPBACK and not self.download.allow_http:
            text = "expected https: a secret would travel in the open (download.allow_http = true allows it)"
            raise PydanticCustomError("contradiction", "http", {"faults": [("api.base_url", text)]})
        return self

    @property
    def source_path(self) -> Path | None:
        """The file that the settings come from; None if there is none."""
        return self._source_path

    def credentials(self) -> Credentials:
        """Collect the credentials, reading secrets' files and running their commands where they are set.

        Raises:
            ConfigError: A file or a command gives no secret, others can read the file, or half of a pair is missing.
        """
        api = self.api
        if faults := list(api.missing_halves()):
            raise ConfigError("\n".join(f"api.{name}: {text}" for name, text in faults))
        found = {
            name: getattr(api, name).get_secret_value()
            or find_secret(f"api.{name}", file=getattr(api, f"{name}_file"), command=getattr(api, f"{name}_command"))
            for name in api.SECRETS
        }
        return Credentials(
            key=api.key.get_secret_value(),
            legacy_key=api.legacy_key.get_secret_value(),
            registration_id=api.registration_id.get_secret_value(),
            **found,
        )

    def registration_warning(self, today: date) -> str | None:
        """Say that the caller registration is missing; None if it is there, or the service runs on this machine."""
        if self.api.has("registration_id") or urlsplit(self.api.base_url).hostname in _LOOPBACK:
            return None
        since = "will be refused from" if today < REGISTRATION_DUE else "are refused since"
        return (
            f"calls without a caller registration {since} {REGISTRATION_DUE}: register on the API keys page of your "
            "account (free), then set api.registration_id and api.registration_secret"
        )

    def chosen_races(self, only: Sequence[str] = ()) -> tuple[RaceSettings, ...]:
        """Give the configured races, or those of them that are asked for by id or address, with nothing left open.

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
            if not any(ref.is_same_race(race.race) for race in self.races):
                known = ", ".join(str(race.race) for race in self.races)
                raise ConfigError(f"--race: {ref} is not configured; configured are {known}")
        return tuple(
            race.resolved(self.download.variants)
            for race in self.races
            if not wanted or any(ref.is_same_race(race.race) for ref in wanted)
        )
