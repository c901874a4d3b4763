"""Settings: read as people write them, wrong ones named in plain words, secrets shown nowhere."""

import os
import pickle
import re
import shlex
import sys
import tomllib
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from mirror.config import (
    Config,
    Credentials,
    RaceSettings,
    example_text,
    find_config,
    load_config,
    quick_config,
)
from mirror.config.faults import SECTIONS
from mirror.config.toml_lines import lines_of
from mirror.errors import ConfigError
from mirror.race_ref import RaceRef, parse_race_ref
from mirror.units import parse_duration, parse_size

PAIR = {"MIRROR_API__KEY": "key-7f", "MIRROR_API__SECRET": "hush-41"}

Load = Callable[..., Config]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A configuration file that only its owner can read."""
    file = tmp_path / "mirror.toml"
    file.touch(mode=0o600)
    return file


@pytest.fixture
def load(file: Path) -> Load:
    """Load a text as the configuration file, in an environment that is empty but for what is given."""

    def load(text: str, environ: Mapping[str, str] | None = None, **more: Any) -> Config:
        file.write_text(text)
        return load_config(file, environ=environ or {}, **more)

    return load


@pytest.fixture
def refusal(load: Load, file: Path) -> Callable[..., str]:
    """What is said about a wrong configuration, without the file's folder."""

    def refuse(text: str, environ: Mapping[str, str] | None = None, **more: Any) -> str:
        with pytest.raises(ConfigError) as refused:
            load(text, environ, **more)
        return str(refused.value).replace(f"{file.parent}/", "")

    return refuse


# -- the example -----------------------------------------------------------------------------------------------------


def test_example_is_valid_and_changes_nothing(load: Load) -> None:
    """The example loads as it stands, without credentials, and every setting in it is the default."""
    assert load(example_text()).model_dump() == load("").model_dump()


def test_example_holds_every_setting_and_no_other(load: Load) -> None:
    """Each setting of the model stands in the example once it is uncommented, and nothing else does."""
    text = example_text()
    head, mark, races = text.partition("# [[races]]\n")
    data = tomllib.loads(head + mark[2:] + re.sub(r"^# ", "", races, flags=re.MULTILINE))
    assert {name: set(each[0] if name == "races" else each) for name, each in data.items()} == {
        name: set(names) for name, names in SECTIONS.items()
    }
    race = load(head + mark[2:] + re.sub(r"^# ", "", races, flags=re.MULTILINE)).races[0]
    default = RaceSettings(race=race.race)
    assert race.model_dump(exclude={"variants"}) == default.model_dump(exclude={"variants"})


def test_example_comments_every_setting() -> None:
    """No setting of the example stands without a comment in its block or on its line."""
    blocks = re.split(r"\n\s*\n", example_text())
    bare = [block for block in blocks if "=" in block and "#" not in block]
    assert bare == []


# -- where settings come from ----------------------------------------------------------------------------------------


def test_environment_wins_over_file_and_overrides_over_both(load: Load) -> None:
    """Three layers, the nearer to the person who types, the stronger."""
    text = "[download]\nattempts = 2\nfirst_wait = 2\nstall_timeout = 2\n"
    environ = {"MIRROR_DOWNLOAD__ATTEMPTS": "3", "mirror_download__first_wait": "3"}
    got = load(text, environ, overrides={"download.attempts": 4, "download.longest_wait": None}).download
    assert (got.attempts, got.first_wait, got.stall_timeout, got.longest_wait) == (4, 3.0, 2.0, 60.0)


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("DOWNLOAD__VARIANTS", "thumbnail, original", ("original", "thumbnail")),
        ("DOWNLOAD__VARIANTS", '["large"]', ("large",)),
        ("DOWNLOAD__CONCURRENCY", "3", 3),
        ("DOWNLOAD__CONCURRENCY", "auto", "auto"),
        ("DOWNLOAD__ALLOW_HTTP", "true", True),
        ("DOWNLOAD__ALLOW_HTTP", "0", False),
        ("DOWNLOAD__LARGEST_PAGE", "1GiB", 2**30),
        ("DOWNLOAD__ALLOWED_HOSTS", "a.example,*.B.example", ("a.example", "*.b.example")),
        ("LISTING__FULL_EVERY", "1d", 86_400.0),
        ("API__SECRET_COMMAND", "printf '%s' 'a b'", ("printf", "%s", "a b")),
        ("API__CONTACT", "", ""),
        ("ARCHIVE__TEMPLATE", "{race_id}/{variant}/{photo_id}", "{race_id}/{variant}/{photo_id}"),
    ],
)
def test_any_setting_comes_from_the_environment(load: Load, variable: str, value: str, expected: object) -> None:
    """Numbers, flags, lists with commas or as JSON, durations and sizes are all plain text in the environment."""
    config = load("", {f"MIRROR_{variable}": value}, is_offline=True)
    section, _, name = variable.lower().partition("__")
    assert getattr(getattr(config, section), name) == expected


def test_races_come_from_the_environment(load: Load) -> None:
    """Races are ids or addresses with commas between, JSON, or single settings of the file's races by number."""
    ids = (RaceRef(race_id=5), RaceRef(race_id=6))
    assert tuple(race.race for race in load("", {"MIRROR_RACES": "5, 6"}).races) == ids
    json = '[{"race": 5, "days": [7]}, 6]'
    assert load("[[races]]\nrace = 1", {"MIRROR_RACES": json}).races[0].days == (7,)
    text = "[[races]]\nrace = 5\n[[races]]\nrace = 6\n"
    races = load(text, {"MIRROR_RACES__1__DAYS": "latest", "MIRROR_RACES__2__RACE": "8"}).races
    assert [(race.race.race_id, race.days) for race in races] == [(5, "all"), (6, "latest"), (8, "all")]


def test_empty_variable_counts_as_none(load: Load) -> None:
    """A variable that is set to nothing, as build services do with absent secrets, changes nothing."""
    assert load("[download]\nattempts = 2", {"MIRROR_DOWNLOAD__ATTEMPTS": ""}).download.attempts == 2


def test_paths_start_at_the_file_or_the_current_folder(
    load: Load, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relative paths of the file start at its folder, those of environment and overrides where one stands."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", "/home/me")
    assert load("").archive.root == file.parent / "photos"
    assert load('[archive]\nroot = "a"\nstate_dir = "~/s"').archive.root == file.parent / "a"
    assert load('[archive]\nstate_dir = "~/s"').archive.state_dir == Path("/home/me/s")
    assert load('[archive]\nroot = "a"', {"MIRROR_ARCHIVE__ROOT": "b"}).archive.root == here / "b"
    assert load('[archive]\nroot = "a"', overrides={"archive.root": Path("c")}).archive.root == here / "c"
    assert load('[download]\nca_file = "ca.pem"').download.ca_file == file.parent / "ca.pem"


def test_file_is_found_upwards(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a path, the nearest mirror.toml in the current folder or above it is taken."""
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert find_config(Path()) == file
    assert load_config(environ={}).source_path == file


def test_absent_file_says_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither found nor readable: the message says what to type."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"no mirror\.toml here or in a folder above: type 'mirror init'"):
        load_config(environ={})
    with pytest.raises(ConfigError, match=r"gone\.toml: cannot be read.*'mirror init'"):
        load_config(tmp_path / "gone.toml", environ={})
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path, environ={})


def test_quick_config_needs_no_file(tmp_path: Path) -> None:
    """A race, a folder and the environment are enough; the race and the folder are those that were typed."""
    environ = PAIR | {"MIRROR_RACES": "1", "MIRROR_ARCHIVE__ROOT": "/x", "MIRROR_DOWNLOAD__ATTEMPTS": "2"}
    config = quick_config("48211", to=tmp_path, days="latest", variants="large", environ=environ)
    (race,) = config.chosen_races()
    assert (race.race.race_id, race.days, race.variants) == (48211, "latest", ("large",))
    assert (config.archive.root, config.download.attempts) == (tmp_path, 2)
    assert config.credentials().secret == "hush-41"
    with pytest.raises(ConfigError, match="^race: 'harbour' is no race: expected its id"):
        quick_config("harbour", to=tmp_path, environ={})


def test_settings_are_frozen(load: Load) -> None:
    """Nobody changes a setting on the way."""
    config = load("")
    with pytest.raises(ValidationError):
        config.download.attempts = 3  # type: ignore[misc]


# -- wrong settings --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '[download]\n\nstall_timeout = "30 sekunden"',
            'mirror.toml:3: download.stall_timeout: found "30 sekunden", expected a duration such as "30s", "10m" or "1h30m"',
        ),
        ("[download]\nstal_timeout = 3", "mirror.toml:2: download.stal_timeout: unknown setting, did you mean 'stall_timeout'?"),
        ("[api]\nattempts = 3", "mirror.toml:2: api.attempts: unknown setting here, 'attempts' belongs below [download]"),
        ("page_size = 3", "mirror.toml:1: page_size: unknown setting here, 'page_size' belongs below [api]"),
        ("\n[downlod]\nattempts = 3", "mirror.toml:2: downlod: unknown setting, did you mean 'download'?"),
        ("_env_file = 3", "mirror.toml:1: _env_file: unknown setting, known are [api], [archive], [download], [listing], [races]"),
        ("download = 3", "mirror.toml:1: download: expected a section: a line [download], with its settings below it"),
        ("[download.attempts]\nx = 1", 'mirror.toml:1: download.attempts: found {"x": 1}, expected a whole number from 1 to 1000'),
        ("[download]\nattempts = 0", "mirror.toml:2: download.attempts: found 0, expected a whole number from 1 to 1000"),
        ("[download]\nattempts = true", "mirror.toml:2: download.attempts: found true, expected a whole number from 1 to 1000"),
        ("[download]\nconcurrency = 999", 'mirror.toml:2: download.concurrency: found 999, expected "auto" or a whole number from 1 to 256'),
        ("[download]\nconnect_timeout = 0", "mirror.toml:2: download.connect_timeout: found 0, expected more than zero"),
        ("[download]\nstall_timeout = inf", 'mirror.toml:2: download.stall_timeout: found Infinity, expected a duration such as "30s", "10m" or "1h30m"'),
        ('[download]\nlargest_page = "ten"', 'mirror.toml:2: download.largest_page: found "ten", expected a size such as "512KB", "10MB" or "1GiB"'),
        ('[download]\nallow_http = "maybe"', 'mirror.toml:2: download.allow_http: found "maybe", expected true or false'),
        ('[download]\nvariants = [\n  "orignal",\n]', 'mirror.toml:2: download.variants: found ["orignal"], expected some of original, large, thumbnail'),
        ("[download]\nvariants = []", "mirror.toml:2: download.variants: found [], expected some of original, large, thumbnail"),
        (
            '[download]\nallowed_hosts = ["https://a.example/"]',
            'mirror.toml:2: download.allowed_hosts: found ["https://a.example/"], expected host names such as "*.example.org", '
            'without scheme, port and path; not "https://a.example/"',
        ),
        ("[download]\nleast_requests = 70", "mirror.toml:2: download.least_requests: is 70, expected at most most_requests, 64"),
        ('[listing]\nfull_every = "often"', 'mirror.toml:2: listing.full_every: found "often", expected "auto" or a duration such as "30s", "10m" or "1h30m"'),
        (
            '[archive]\ntemplate = "{photo_id}"',
            'mirror.toml:2: archive.template: found "{photo_id}": must hold {race} or {race_id}, {variant} and {photo_id}: '
            "they keep files apart",
        ),
        ("[archive]\nroot = 3", "mirror.toml:2: archive.root: found 3, expected a path in quotes"),
        ("[races]\nrace = 3", "mirror.toml:1: races: expected one [[races]] block for each race, in double brackets"),
        ("[[races]]\nrace = 3\n[[races]]\n", "mirror.toml:3: races.1.race: is missing: each [[races]] block needs the race's id or address, such as race = 48211"),
        ('[[races]]\nrace = 3\ndays = "some"', 'mirror.toml:3: races.0.days: found "some", expected "all", "latest" or a list of race day ids such as [34168]'),
        ('[[races]]\nrace = "my race"', "mirror.toml:2: races.0.race: 'my race' is no race: expected its id (such as 48211) or its address (such as https://runsignup.com/Race/NJ/Camden/Harbour10K)"),
        ("[[races]]\nrace = 3\nday = 4", "mirror.toml:3: races.0.day: unknown setting, did you mean 'days'?"),
        ('[api]\nbase_url = "runsignup.com"', 'mirror.toml:2: api.base_url: found "runsignup.com", expected an address such as "https://runsignup.com/rest", without user and query'),
        ('[api]\nbase_url = "http://a.example"', "mirror.toml:2: api.base_url: expected https: a secret would travel in the open (download.allow_http = true allows it)"),
        ("[api]\nkey = x", "mirror.toml:2:7: not readable as TOML: invalid value"),
        ("[api]\nkey = 1\nkey = 2\n", "mirror.toml:3: not readable as TOML: this key or section stands in the file for the second time"),
    ],
)  # fmt: skip
def test_wrong_setting_is_named(refusal: Callable[..., str], text: str, message: str) -> None:
    """File, line, key, what was found, what is expected, and the nearest valid name."""
    assert refusal(text) == message


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("MIRROR_DOWNLOAD__ATTEMPTS", "-1", 'download.attempts: found "-1", expected a whole number from 1 to 1000'),
        ("MIRROR_DOWNLOAD__ATEMPTS", "1", "unknown setting, did you mean MIRROR_DOWNLOAD__ATTEMPTS?"),
        ("MIRROR_DOWNLOD__ATTEMPTS", "1", "unknown setting, did you mean MIRROR_DOWNLOAD__ATTEMPTS?"),
        ("MIRROR_API_SECRET", "s", "unknown setting, did you mean MIRROR_API__SECRET?"),
        ("MIRROR_SECRET", "s", "unknown setting, did you mean MIRROR_API__SECRET?"),
        ("MIRROR_X__Y__Z", "s", "unknown setting, expected a name such as MIRROR_API__SECRET"),
        ("MIRROR_RACES", "x", "races.0.race: 'x' is no race: expected its id (such as 48211) or its address"),
    ],
)
def test_wrong_variable_is_named(refusal: Callable[..., str], variable: str, value: str, message: str) -> None:
    """A wrong value or name in the environment is reported under the variable's own name."""
    said = refusal("[[races]]\nrace = 5", {variable: value})
    assert said.startswith(f"environment variable {variable}: {message}")
    assert "\n" not in said


def test_foreign_variables_are_left_alone(load: Load) -> None:
    """MIRROR_CONFIG, and variables of other programs that happen to begin like ours, are no settings."""
    load("", {"MIRROR_CONFIG": "x", "MIRROR_HOME": "x", "MIRRORS": "x", "MIRROR_URL": "x", "PATH": "x"})


def test_several_mistakes_are_reported_together(refusal: Callable[..., str]) -> None:
    """One line for each mistake, wherever it is, in the order of the file."""
    text = '[download]\nattempts = 0\nstall_timeot = 1\n[api]\nkey = "k"\n[[races]]\nrace = "?"\n'
    said = refusal(text, {"MIRROR_LISTING__OVERLAP": "x", "MIRROR_API__SECRT": "x"}).splitlines()
    assert [line.split(": ")[0] for line in said] == [
        "environment variable MIRROR_API__SECRT",
        "environment variable MIRROR_LISTING__OVERLAP",
        "mirror.toml:2",
        "mirror.toml:3",
        "mirror.toml:5",
        "mirror.toml:7",
    ]


def test_override_is_named(refusal: Callable[..., str]) -> None:
    """A wrong value from the caller is reported under the name that the caller used."""
    said = refusal("[download]\nattempts = 2", overrides={"download.attempts": "x"})
    assert said.startswith("download.attempts: download.attempts: found") or said.startswith("download.attempts: found")


def test_windows_text_is_read(file: Path) -> None:
    """A byte order mark and Windows line ends are no mistake; text that is not UTF-8 is named as such."""
    file.write_bytes(b"\xef\xbb\xbf[download]\r\nattempts = 2\r\n")
    assert load_config(file, environ={}).download.attempts == 2
    file.write_bytes(b"[download]\r\n\r\nattempts = 0\r\n")
    with pytest.raises(ConfigError, match=r"mirror\.toml:3: "):
        load_config(file, environ={})
    file.write_bytes("[api]\ncontact = 'é'".encode("latin-1"))
    with pytest.raises(ConfigError, match="is no UTF-8 text"):
        load_config(file, environ={})


def test_lines_are_found_in_any_shape_of_toml() -> None:
    """Dotted keys, inline tables, multi-line values and strings that look like settings all keep their lines."""
    text = (
        "api.page_size = 1\nraces = [\n  {race = 1},\n]\n# [download]\n[ download ] # x\n'attempts' = '''\n"
        "proxy = 3\n'''\nproxy = 2\n"
    )
    lines = lines_of(text)
    assert lines["api", "page_size"] == 1
    assert lines["races", 0, "race"] == 2
    assert (lines["download",], lines["download", "attempts"], lines["download", "proxy"]) == (6, 7, 10)


# -- secrets ---------------------------------------------------------------------------------------------------------


def test_secret_is_shown_nowhere(load: Load, refusal: Callable[..., str]) -> None:
    """Neither a repr nor a message holds a secret or a key."""
    config = load("", PAIR)
    assert not re.search("hush|key-7f", f"{config!r} {config} {config.credentials()!r} {config.credentials()}")
    said = refusal(
        '[api]\nkey = ["hush"]\nsecret = "hush hush"\nsecrt = "hush"\nbase_url = "https://u:hush@x"\n'
        'secret_command = "hush \'"\n[download]\nproxy = ["hush"]\n'
    )
    assert "hush" not in said
    assert len(said.splitlines()) == 6


@pytest.mark.parametrize("name", ["secret", "legacy_secret", "token", "registration_secret"])
def test_every_secret_comes_from_value_file_or_command(load: Load, file: Path, name: str) -> None:
    """Each of the four secrets may stand in the environment, in a file or come out of a command."""
    halves = {"secret": "key", "legacy_secret": "legacy_key", "registration_secret": "registration_id"}
    half = f'{halves[name]} = "half"\n' if name in halves else ""
    (file.parent / "hidden").touch(mode=0o600)
    (file.parent / "hidden").write_text("hush-41\nsecond line\n")
    command = f"{shlex.quote(sys.executable)} -c \"print('hush-41'); print('more')\""
    assert getattr(load(f"[api]\n{half}", {f"MIRROR_API__{name.upper()}": "hush-41"}).credentials(), name) == "hush-41"
    assert getattr(load(f'[api]\n{half}{name}_file = "hidden"').credentials(), name) == "hush-41"
    assert getattr(load(f"[api]\n{half}{name}_command = '''{command}'''").credentials(), name) == "hush-41"


@pytest.mark.skipif(os.name != "posix", reason="permissions as POSIX knows them")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602])
def test_secret_file_that_others_can_read_is_refused(load: Load, file: Path, mode: int) -> None:
    """The message says what to type."""
    hidden = file.parent / "my hidden"
    hidden.write_text("hush")
    hidden.chmod(mode)
    config = load('[api]\nkey = "k"\nsecret_file = "my hidden"')
    with pytest.raises(ConfigError, match=r"^api\.secret_file: .*type 'chmod 600 .*my hidden") as refused:
        config.credentials()
    assert "hush" not in str(refused.value)


@pytest.mark.skipif(os.name != "posix", reason="permissions as POSIX knows them")
def test_secret_in_a_file_for_all_is_refused(load: Load, refusal: Callable[..., str], file: Path) -> None:
    """mirror.toml itself must be private as soon as it holds a secret, and not before."""
    file.chmod(0o644)
    said = refusal('[api]\nkey = "k"\nsecret = "hush"')
    assert (
        said
        == f"mirror.toml:3: api.secret: others can read or change mirror.toml, and it holds a secret: type 'chmod 600 {'mirror.toml'}'"
    )
    assert load('[api]\nkey = "k"\nsecret = ""', {"MIRROR_API__SECRET": "s"}).credentials().secret == "s"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ('secret_file = "absent"', "absent cannot be read: No such file"),
        ('secret_file = "empty"', "gave nothing"),
        ('secret_file = "odd"', "spaces or special characters"),
        ('secret_command = "/nowhere/pass"', "'/nowhere/pass' cannot be run: No such file"),
        ('secret_command = "false"', "'false' failed with exit code 1"),
        ('secret_command = "true"', "gave nothing"),
    ],
)
def test_secret_that_cannot_be_had_is_named(load: Load, file: Path, setting: str, message: str) -> None:
    """A file or a command without a secret is a clear refusal, without what it gave."""
    for name, text in {"empty": "\n", "odd": "hu sh\n"}.items():
        (file.parent / name).touch(mode=0o600)
        (file.parent / name).write_text(text)
    with pytest.raises(ConfigError, match=re.escape(message)) as refused:
        load(f'[api]\nkey = "k"\n{setting}').credentials()
    assert str(refused.value).startswith("api.secret_")
    assert "hu sh" not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ("key", "secret"), ("secret", "key"), ("legacy_key", "legacy_secret"), ("legacy_secret", "legacy_key"),
        ("registration_id", "registration_secret"), ("registration_secret", "registration_id"),
    ],
)  # fmt: skip
def test_half_a_pair_is_refused(load: Load, refusal: Callable[..., str], given: str, missing: str) -> None:
    """Both halves or neither; a command that makes no request does not mind."""
    text = f'[api]\n{given} = "x"\n'
    assert refusal(text).startswith(f"mirror.toml:2: api.{given}: needs {missing} beside it: set MIRROR_API__")
    config = load(text, is_offline=True)
    with pytest.raises(ConfigError, match=f"needs {missing} beside it"):
        config.credentials()


def test_one_way_to_sign_in(refusal: Callable[..., str]) -> None:
    """Two families of credentials, or two origins of one secret, contradict each other."""
    both = refusal('[api]\nkey = "k"\nsecret = "s"\ntoken = "t"')
    assert both == "mirror.toml:4: api.token: key and token are different ways to sign in, expected one of them"
    twice = refusal('[api]\nkey = "k"\nsecret = "s"\nsecret_command = "x"')
    assert twice.startswith("mirror.toml:4: api.secret_command: secret and secret_command are given")


def test_environment_replaces_where_a_secret_comes_from(load: Load) -> None:
    """A secret in the environment makes the file's command for it idle."""
    text = '[api]\nkey = "k"\nsecret_command = "false"'
    assert load(text, {"MIRROR_API__SECRET": "s"}).credentials().secret == "s"


@pytest.mark.parametrize(
    ("given", "family", "query", "headers"),
    [
        ({}, "none", {}, {}),
        ({"key": "k", "secret": "s"}, "API key", {"rsu_api_key": "k"}, {"X-RSU-API-SECRET": "s"}),
        ({"legacy_key": "k", "legacy_secret": "s"}, "legacy API key", {"api_key": "k", "api_secret": "s"}, {}),
        ({"token": "t"}, "OAuth token", {}, {"Authorization": "Bearer t"}),
        (
            {"registration_id": "1.r", "registration_secret": "q"},
            "none",
            {"rsu_api_reg": "1.r"},
            {"X-RSU-API-REG-SECRET": "q"},
        ),
    ],
)
def test_credentials_go_where_the_api_wants_them(
    given: dict[str, str], family: str, query: dict[str, str], headers: dict[str, str]
) -> None:
    """Each family in its own places, the registration beside any of them."""
    credentials = Credentials(**given)
    assert (credentials.family, credentials.query, credentials.headers) == (family, query, headers)


def test_credentials_know_what_to_hide() -> None:
    """Every value is listed for redaction, also as it stands in a URL, the longest first; a repr holds none."""
    credentials = Credentials(key="k1", secret="a/b+c", registration_id="7.x", registration_secret="zz")
    assert credentials.secrets()[0] == "a%2Fb%2Bc"
    assert set(credentials.secrets()) == {"k1", "a/b+c", "a%2Fb%2Bc", "7.x", "zz"}
    assert repr(credentials) == "Credentials(API key, registered)"
    assert credentials.registration_only().query == {"rsu_api_reg": "7.x"}
    assert pickle.loads(pickle.dumps(credentials)) == credentials  # noqa: S301 - our own


def test_registration_is_asked_for(load: Load) -> None:
    """Before and after the day it becomes mandatory, in words that fit; never for a service on this machine."""
    assert "will be refused from 2027-01-01" in (load("", PAIR).registration_warning(date(2026, 12, 31)) or "")
    assert "are refused since 2027-01-01" in (load("", PAIR).registration_warning(date(2027, 1, 1)) or "")
    registered = load('[api]\nregistration_id = "1.a"\n', {"MIRROR_API__REGISTRATION_SECRET": "x"})
    assert registered.registration_warning(date(2027, 1, 1)) is None
    assert load('[api]\nbase_url = "http://127.0.0.1:8000/rest"').registration_warning(date(2027, 1, 1)) is None


# -- races -----------------------------------------------------------------------------------------------------------


def test_chosen_races_leave_nothing_open(load: Load) -> None:
    """Variants come from [download] unless a race has its own; an address may name the race day, days wins over it."""
    address = "https://runsignup.com/Race/Photos/NJ/Camden/Harbour10K?raceEventDaysId=34168"
    config = load(
        f'[download]\nvariants = ["large"]\n[[races]]\nrace = "{address}"\n'
        f'[[races]]\nrace = "{address}"\ndays = "latest"\nvariants = "original"\nalbums = [311, "reg-1"]\n'
    )
    first, second = config.chosen_races()
    assert (first.days, first.variants, first.race.race_day_id) == ((34168,), ("large",), None)
    assert (second.days, second.variants, second.albums) == ("latest", ("original",), ("311", "reg-1"))


def test_races_are_chosen_by_id_or_address(load: Load) -> None:
    """One asked for that is not configured is named together with those that are."""
    config = load('[[races]]\nrace = 5\n[[races]]\nrace = "https://runsignup.com/Race/NJ/Camden/H"')
    assert [race.race.race_id for race in config.chosen_races(["5"])] == [5]
    assert [race.race.race_id for race in config.chosen_races(["/race/nj/camden/h"])] == [None]
    with pytest.raises(ConfigError, match=r"--race: 6 is not configured; configured are 5, /Race/NJ/Camden/H$"):
        config.chosen_races(["6"])
    with pytest.raises(ConfigError, match=r"--race: 'x' is no race"):
        config.chosen_races(["x"])
    with pytest.raises(ConfigError, match="no race is configured"):
        load("").chosen_races()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("048211", RaceRef(race_id=48211)),
        ("https://runsignup.com/Race/Volunteer/NJ/Mount%20Laurel/H", RaceRef(slug=("NJ", "Mount Laurel", "H"))),
        ("www.givesignup.org/Race/Results/4711/extra", RaceRef(race_id=4711)),
        ("https://harbour.example/Race/48211?x=1", RaceRef(race_id=48211)),
        ("https://test.runsignup.com/race/register/?race_id=99#top", RaceRef(race_id=99)),
        ("Race/NJ/Camden/H?race_event_days_id=5", RaceRef(slug=("NJ", "Camden", "H"), race_day_id=5)),
        (
            "https://x.example/Race/Photos/ParticipantPhotos-34168/48211",
            RaceRef(race_id=48211, race_day_id=34168),
        ),
    ],
)
def test_race_address_is_read(text: str, expected: RaceRef) -> None:
    """Any page of a race on any host, with or without scheme."""
    assert parse_race_ref(text) == expected


@pytest.mark.parametrize(
    "text", ["", "0", "-5", "٣", "9" * 30, "harbour 10k", "https://[", "ftp://x/Race/5", "/Race/NJ/Camden"]
)
def test_what_is_no_race_is_said(text: str) -> None:
    """What was found, without its query, and what is expected."""
    with pytest.raises(ValueError, match="is no race: expected its id"):
        parse_race_ref(f"{text}")


def test_query_of_a_wrong_address_is_not_repeated() -> None:
    """A pasted address may carry a secret in its query."""
    with pytest.raises(ValueError, match="is no race") as refused:
        parse_race_ref("https://x.example/?tmp_key=hush")
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize(
    ("slug", "words"),
    [("Harbour10K", "Harbour 10K"), ("5KRunFun", "5K Run Fun"), ("ABCRun", "ABCR un"), ("Läufe", "L äufe")],
)
def test_slug_becomes_words(slug: str, words: str) -> None:
    """The name is searched by the words of the slug."""
    assert RaceRef(slug=("NJ", "C", slug)).search_words.replace(" ", "") == words.replace(" ", "")


# -- units -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30), ("1h", 3600), ("90m", 5400), ("2d", 172_800), ("1h30m", 5400), ("500ms", 0.5), ("1w", 604_800),
        ("1.5 h", 5400), ("10 minutes", 600), ("1 hour 5 min", 3900), ("2 sec", 2), ("0", 0), (7, 7), (0.25, 0.25), ("7", 7),
    ],
)  # fmt: skip
def test_duration_is_read_as_people_write_it(text: object, seconds: float) -> None:
    """Units joined or with words, or plain seconds."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "s", "-1", -1, "1x", "30m1h", "1e9", True, None, float("nan"), float("inf"), "٣s", [1], "999999d"]
)
def test_no_duration_is_refused(text: object) -> None:
    """Anything else says what is expected."""
    with pytest.raises(ValueError, match="expected a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("10MB", 10**7), ("1GiB", 2**30), ("512KB", 512_000), ("512 kib", 524_288), ("1.5g", 1_500_000_000), ("2.3TB", 2_300_000_000_000),
        ("0", 0), (5, 5), ("12B", 12), ("7 bytes", 7),
    ],
)  # fmt: skip
def test_size_is_read_as_people_write_it(text: object, size: int) -> None:
    """Powers of 1000, or of 1024 with an i; plain numbers are bytes."""
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "MB", "-1", -1, "1XB", "1e9", True, None, "10 MB/s", "9999999999TB", [1], float("inf")]
)
def test_no_size_is_refused(text: object) -> None:
    """Anything else says what is expected."""
    with pytest.raises(ValueError, match="expected a size"):
        parse_size(text)


@settings(deadline=None)
@given(text=st.text(max_size=30))
def test_units_and_races_refuse_in_words(text: str) -> None:
    """No text breaks a parser: it is read, or refused with what is expected."""
    for parse in (parse_duration, parse_size, parse_race_ref):
        try:
            parse(text)
        except ValueError as error:
            assert "expected" in str(error)  # noqa: PT017 - either way is right


@settings(deadline=None)
@given(
    section=st.sampled_from([name for name in SECTIONS if name != "races"]),
    data=st.data(),
    value=st.one_of(
        st.text(max_size=20), st.integers(), st.floats(), st.booleans(), st.lists(st.integers() | st.text(max_size=5))
    ),
)
def test_no_value_breaks_the_settings(section: str, data: st.DataObject, value: object) -> None:
    """Whatever a setting is set to, it is taken or refused with its name, without the library's words."""
    name = data.draw(st.sampled_from(SECTIONS[section]))
    try:
        quick_config("5", to=Path("/x"), environ={}, overrides={f"{section}.{name}": value})
    except ConfigError as error:
        assert f"{section}.{name}" in str(error)  # noqa: PT017 - either way is right
        assert not re.search(r"Input|pydantic|validat|Value error|should be", str(error))
