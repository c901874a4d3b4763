"""Secrets: where they come from, where they go, and that they are shown nowhere."""

import os
import pickle
import re
import shlex
import sys
from datetime import date
from pathlib import Path

import pytest

from mirror.config import (
    Credentials,
)
from mirror.errors import ConfigError
from tests.config_files import ConfigFile

PAIR = {"MIRROR_API__KEY": "key-7f", "MIRROR_API__SECRET": "hush-41"}


@pytest.fixture
def file(tmp_path: Path) -> ConfigFile:
    """A configuration file in a folder of its own."""
    return ConfigFile(tmp_path)


def test_secret_is_shown_nowhere(file: ConfigFile) -> None:
    """Neither a repr nor a message holds a secret or a key."""
    config = file.load("", PAIR)
    assert not re.search("hush|key-7f", f"{config!r} {config} {config.credentials()!r} {config.credentials()}")
    said = file.refusal(
        '[api]\nkey = ["hush"]\nsecret = "hush hush"\nsecrt = "hush"\nbase_url = "https://u:hush@x"\n'
        'secret_command = "hush \'"\n[download]\nproxy = ["hush"]\n'
    )
    assert "hush" not in said
    assert len(said.splitlines()) == 6


@pytest.mark.parametrize("name", ["secret", "legacy_secret", "token", "registration_secret"])
def test_every_secret_comes_from_value_file_or_command(file: ConfigFile, name: str) -> None:
    """Each of the four secrets may stand in the environment, in a file or come out of a command."""
    halves = {"secret": "key", "legacy_secret": "legacy_key", "registration_secret": "registration_id"}
    half = f'{halves[name]} = "half"\n' if name in halves else ""
    (file.folder / "hidden").touch(mode=0o600)
    (file.folder / "hidden").write_text("hush-41\nsecond line\n")
    command = f"{shlex.quote(sys.executable)} -c \"print('hush-41'); print('more')\""
    assert (
        getattr(file.load(f"[api]\n{half}", {f"MIRROR_API__{name.upper()}": "hush-41"}).credentials(), name)
        == "hush-41"
    )
    assert getattr(file.load(f'[api]\n{half}{name}_file = "hidden"').credentials(), name) == "hush-41"
    assert getattr(file.load(f"[api]\n{half}{name}_command = '''{command}'''").credentials(), name) == "hush-41"


@pytest.mark.skipif(os.name != "posix", reason="permissions as POSIX knows them")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602])
def test_secret_file_that_others_can_read_is_refused(file: ConfigFile, mode: int) -> None:
    """The message says what to type."""
    hidden = file.folder / "my hidden"
    hidden.write_text("hush")
    hidden.chmod(mode)
    config = file.load('[api]\nkey = "k"\nsecret_file = "my hidden"')
    with pytest.raises(ConfigError, match=r"^api\.secret_file: .*type 'chmod 600 .*my hidden") as refused:
        config.credentials()
    assert "hush" not in str(refused.value)


@pytest.mark.skipif(os.name != "posix", reason="permissions as POSIX knows them")
def test_secret_in_a_file_for_all_is_refused(file: ConfigFile) -> None:
    """mirror.toml itself must be private as soon as it holds a secret, and not before."""
    file.path.chmod(0o644)
    said = file.refusal('[api]\nkey = "k"\nsecret = "hush"')
    assert said.startswith("mirror.toml:3: api.secret: others can read or change mirror.toml, and it holds a secret")
    assert said.endswith("type 'chmod 600 mirror.toml'")
    assert file.load('[api]\nkey = "k"\nsecret = ""', {"MIRROR_API__SECRET": "s"}).credentials().secret == "s"


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
def test_secret_that_cannot_be_had_is_named(file: ConfigFile, setting: str, message: str) -> None:
    """A file or a command without a secret is a clear refusal, without what it gave."""
    for name, text in {"empty": "\n", "odd": "hu sh\n"}.items():
        (file.folder / name).touch(mode=0o600)
        (file.folder / name).write_text(text)
    with pytest.raises(ConfigError, match=re.escape(message)) as refused:
        file.load(f'[api]\nkey = "k"\n{setting}').credentials()
    assert str(refused.value).startswith("api.secret_")
    assert "hu sh" not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ("key", "secret"), ("secret", "key"), ("legacy_key", "legacy_secret"), ("legacy_secret", "legacy_key"),
        ("registration_id", "registration_secret"), ("registration_secret", "registration_id"),
    ],
)  # fmt: skip
def test_half_a_pair_is_refused(file: ConfigFile, given: str, missing: str) -> None:
    """Both halves or neither; a command that makes no request does not mind."""
    text = f'[api]\n{given} = "x"\n'
    assert file.refusal(text).startswith(f"mirror.toml:2: api.{given}: needs {missing} beside it: set MIRROR_API__")
    config = file.load(text, is_offline=True)
    with pytest.raises(ConfigError, match=f"needs {missing} beside it"):
        config.credentials()


def test_one_way_to_sign_in(file: ConfigFile) -> None:
    """Two families of credentials, or two origins of one secret, contradict each other."""
    both = file.refusal('[api]\nkey = "k"\nsecret = "s"\ntoken = "t"')
    assert both == "mirror.toml:4: api.token: key and token are different ways to sign in, expected one of them"
    twice = file.refusal('[api]\nkey = "k"\nsecret = "s"\nsecret_command = "x"')
    assert twice.startswith("mirror.toml:4: api.secret_command: secret and secret_command are given")


def test_environment_replaces_where_a_secret_comes_from(file: ConfigFile) -> None:
    """A secret in the environment makes the file's command for it idle."""
    text = '[api]\nkey = "k"\nsecret_command = "false"'
    assert file.load(text, {"MIRROR_API__SECRET": "s"}).credentials().secret == "s"


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


def test_registration_is_asked_for(file: ConfigFile) -> None:
    """Before and after the day it becomes mandatory, in words that fit; never for a service on this machine."""
    assert "will be refused from 2027-01-01" in (file.load("", PAIR).registration_warning(date(2026, 12, 31)) or "")
    assert "are refused since 2027-01-01" in (file.load("", PAIR).registration_warning(date(2027, 1, 1)) or "")
    registered = file.load('[api]\nregistration_id = "1.a"\n', {"MIRROR_API__REGISTRATION_SECRET": "x"})
    assert registered.registration_warning(date(2027, 1, 1)) is None
    assert file.load('[api]\nbase_url = "http://127.0.0.1:8000/rest"').registration_warning(date(2027, 1, 1)) is None
