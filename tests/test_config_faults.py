"""Wrong settings are named in plain words, all at once."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror.config import (
    load_config,
    quick_config,
)
from mirror.config.faults import SECTIONS
from mirror.config.toml_lines import lines_of
from mirror.errors import ConfigError
from tests.config_files import ConfigFile

DURATION = 'expected a duration such as "30s", "10m" or "1h30m"'
AUTO_DURATION = DURATION.replace("expected", 'expected "auto" or')
SIZE = 'expected a size such as "512KB", "10MB" or "1GiB"'
TIMES = 'expected times with sizes such as ["08:00 500KB", "18:30 0"]'
TRIES = "expected a whole number from 1 to 1000"
AT_ONCE = 'expected "auto" or a whole number from 1 to 256'
VARIANTS = "expected some of original, large, thumbnail"
HOSTS = 'expected host names such as "*.example.org", without scheme, port and path; not "http://a/"'
TEMPLATE = "must hold {race} or {race_id}, {variant} and {photo_id}: they keep files apart"
MISSING = "is missing: each [[races]] block needs the race's id or address, such as race = 48211"
DAYS = 'expected "all", "latest" or a list of race day ids such as [34168]'
RACE = "expected its id (such as 48211) or its address (such as https://runsignup.com/Race/NJ/Camden/Harbour10K)"
ADDRESS = 'expected an address such as "https://runsignup.com/rest", without user and query'
HTTPS = "expected https: a secret would travel in the open (download.allow_http = true allows it)"
TWICE = "this key or section stands in the file for the second time"
SECTION_NAMES = "[api], [archive], [download], [listing], [watch], [gallery], [fleet], [races]"


@pytest.fixture
def file(tmp_path: Path) -> ConfigFile:
    """A configuration file in a folder of its own."""
    return ConfigFile(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[download]\n\nstall_timeout = "30 sekunden"', f'3: download.stall_timeout: found "30 sekunden", {DURATION}'),
        ("[download]\nstall_timeout = inf", f"2: download.stall_timeout: found Infinity, {DURATION}"),
        ("[download]\nconnect_timeout = 0", "2: download.connect_timeout: found 0, expected more than zero"),
        ("[download]\nstal_timeout = 3", "2: download.stal_timeout: unknown setting, did you mean 'stall_timeout'?"),
        ("[api]\nattempts = 3", "2: api.attempts: unknown setting here, 'attempts' belongs below [download]"),
        ("page_size = 3", "1: page_size: unknown setting here, 'page_size' belongs below [api]"),
        ("\n[downlod]\nattempts = 3", "2: downlod: unknown setting, did you mean 'download'?"),
        ("_env_file = 3", f"1: _env_file: unknown setting, known are {SECTION_NAMES}"),
        ("download = 3", "1: download: expected a section: a line [download], with its settings below it"),
        ("[download.attempts]\nx = 1", f'1: download.attempts: found {{"x": 1}}, {TRIES}'),
        ("[download]\nattempts = 0", f"2: download.attempts: found 0, {TRIES}"),
        ("[download]\nattempts = true", f"2: download.attempts: found true, {TRIES}"),
        ("[download]\nconcurrency = 999", f"2: download.concurrency: found 999, {AT_ONCE}"),
        ('[download]\nlargest_page = "ten"', f'2: download.largest_page: found "ten", {SIZE}'),
        ('[download]\nallow_http = "maybe"', '2: download.allow_http: found "maybe", expected true or false'),
        ('[download]\nvariants = [\n  "orignal",\n]', f'2: download.variants: found ["orignal"], {VARIANTS}'),
        ('[download]\nlimit_rate_at = ["noon 1MB"]', f'2: download.limit_rate_at: found ["noon 1MB"], {TIMES}'),
        ('[download]\nlimit_rate_at = ["8:00 x"]', f'2: download.limit_rate_at: found ["8:00 x"], {SIZE}'),
        ("[download]\nvariants = []", f"2: download.variants: found [], {VARIANTS}"),
        ('[download]\nallowed_hosts = ["http://a/"]', f'2: download.allowed_hosts: found ["http://a/"], {HOSTS}'),
        (
            "[download]\nleast_requests = 140",
            "2: download.least_requests: is 140, expected at most most_requests, 128",
        ),
        ('[listing]\nfull_every = "often"', f'2: listing.full_every: found "often", {AUTO_DURATION}'),
        ('[archive]\ntemplate = "{photo_id}"', f'2: archive.template: found "{{photo_id}}": {TEMPLATE}'),
        ("[archive]\nroot = 3", "2: archive.root: found 3, expected a path in quotes"),
        ("[races]\nrace = 3", "1: races: expected one [[races]] block for each race, in double brackets"),
        ("[[races]]\nrace = 3\n[[races]]\n", f"3: races.1.race: {MISSING}"),
        ('[[races]]\nrace = 3\ndays = "some"', f'3: races.0.days: found "some", {DAYS}'),
        ('[[races]]\nrace = "my race"', f"2: races.0.race: 'my race' is no race: {RACE}"),
        ("[[races]]\nrace = 3\nday = 4", "3: races.0.day: unknown setting, did you mean 'days'?"),
        ('[api]\nbase_url = "runsignup.com"', f'2: api.base_url: found "runsignup.com", {ADDRESS}'),
        ('[api]\nbase_url = "http://a.example"', f"2: api.base_url: {HTTPS}"),
        ("[api]\nkey = x", "2:7: not readable as TOML: invalid value"),
        ("[api]\nkey = 1\nkey = 2\n", f"3:8: not readable as TOML: {TWICE}"),
        ("[api]\nkey = 1\nkey = 2", f"3: not readable as TOML: {TWICE}"),
    ],
)
def test_wrong_setting_is_named(file: ConfigFile, text: str, message: str) -> None:
    """File, line, key, what was found, what is expected, and the nearest valid name."""
    assert file.refusal(text) == f"mirror.toml:{message}"


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
def test_wrong_variable_is_named(file: ConfigFile, variable: str, value: str, message: str) -> None:
    """A wrong value or name in the environment is reported under the variable's own name."""
    said = file.refusal("[[races]]\nrace = 5", {variable: value})
    assert said.startswith(f"environment variable {variable}: {message}")
    assert "\n" not in said


def test_foreign_variables_are_left_alone(file: ConfigFile) -> None:
    """MIRROR_CONFIG, and variables of other programs that happen to begin like ours, are no settings."""
    file.load("", {"MIRROR_CONFIG": "x", "MIRROR_HOME": "x", "MIRRORS": "x", "MIRROR_URL": "x", "PATH": "x"})


def test_several_mistakes_are_reported_together(file: ConfigFile) -> None:
    """One line for each mistake, wherever it is, in the order of the file."""
    text = '[download]\nattempts = 0\nstall_timeot = 1\n[api]\nkey = "k"\n[[races]]\nrace = "?"\n'
    said = file.refusal(text, {"MIRROR_LISTING__OVERLAP": "x", "MIRROR_API__SECRT": "x"}).splitlines()
    assert [line.split(": ")[0] for line in said] == [
        "environment variable MIRROR_API__SECRT",
        "environment variable MIRROR_LISTING__OVERLAP",
        "mirror.toml:2",
        "mirror.toml:3",
        "mirror.toml:5",
        "mirror.toml:7",
    ]


def test_override_is_named(file: ConfigFile) -> None:
    """A wrong value from the caller is told apart from one in the file."""
    said = file.refusal("[download]\nattempts = 2", overrides={"download.attempts": "x"})
    assert said == f'override: download.attempts: found "x", {TRIES}'


def test_windows_text_is_read(file: ConfigFile) -> None:
    """A byte order mark and Windows line ends are no mistake; text that is not UTF-8 is named as such."""
    file.path.write_bytes(b"\xef\xbb\xbf[download]\r\nattempts = 2\r\n")
    assert load_config(file.path, environ={}).download.attempts == 2
    file.path.write_bytes(b"[download]\r\n\r\nattempts = 0\r\n")
    with pytest.raises(ConfigError, match=r"mirror\.toml:3: "):
        load_config(file.path, environ={})
    file.path.write_bytes("[api]\ncontact = 'é'".encode("latin-1"))
    with pytest.raises(ConfigError, match="is no UTF-8 text"):
        load_config(file.path, environ={})


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
    said = ""
    try:
        quick_config("5", to=Path("/x"), environ={}, overrides={f"{section}.{name}": value})
    except ConfigError as error:
        said = str(error)
    assert not said or f"{section}.{name}" in said
    assert not re.search(r"Input|pydantic|validat|Value error|should be", said)
