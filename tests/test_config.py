"""Settings: where they come from, and that the example says what is true."""

import re
import tomllib
from pathlib import Path

import pytest
from pydantic import ValidationError

from mirror.config import (
    RaceSettings,
    example_text,
    find_config,
    load_config,
    quick_config,
)
from mirror.config.faults import SECTIONS
from mirror.errors import ConfigError
from mirror.race_ref import RaceRef
from tests.config_files import ConfigFile

PAIR = {"MIRROR_API__KEY": "key-7f", "MIRROR_API__SECRET": "hush-41"}


@pytest.fixture
def file(tmp_path: Path) -> ConfigFile:
    """A configuration file in a folder of its own."""
    return ConfigFile(tmp_path)


# -- the example


def test_example_is_valid_and_changes_nothing(file: ConfigFile) -> None:
    """The example loads as it stands, without credentials, and every setting in it is the default."""
    assert file.load(example_text()).model_dump() == file.load("").model_dump()


def test_limits_by_time_of_day_are_read_in_order(file: ConfigFile) -> None:
    """Times as a clock shows them, sizes as everywhere."""
    rates = file.load('[download]\nlimit_rate_at = ["18:30 0", "8:00 500KB"]').download.limit_rate_at
    assert [(each.minute, each.bytes_s) for each in rates] == [(480, 500_000), (1110, 0)]


def test_example_holds_every_setting_and_no_other(file: ConfigFile) -> None:
    """Each setting of the model stands in the example once it is uncommented, and nothing else does."""
    text = example_text()
    head, mark, races = text.partition("# [[races]]\n")
    data = tomllib.loads(head + mark[2:] + re.sub(r"^# ", "", races, flags=re.MULTILINE))
    assert {name: set(each[0] if name == "races" else each) for name, each in data.items()} == {
        name: set(names) for name, names in SECTIONS.items()
    }
    race = file.load(head + mark[2:] + re.sub(r"^# ", "", races, flags=re.MULTILINE)).races[0]
    default = RaceSettings(race=race.race)
    assert race.model_dump(exclude={"variants"}) == default.model_dump(exclude={"variants"})


def test_example_comments_every_setting() -> None:
    """No setting of the example stands without a comment in its block or on its line."""
    blocks = re.split(r"\n\s*\n", example_text())
    bare = [block for block in blocks if "=" in block and "#" not in block]
    assert bare == []


def test_environment_wins_over_file_and_overrides_over_both(file: ConfigFile) -> None:
    """Three layers, the nearer to the person who types, the stronger."""
    text = "[download]\nattempts = 2\nfirst_wait = 2\nstall_timeout = 2\n"
    environ = {"MIRROR_DOWNLOAD__ATTEMPTS": "3", "mirror_download__first_wait": "3"}
    got = file.load(text, environ, overrides={"download.attempts": 4, "download.longest_wait": None}).download
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
def test_any_setting_comes_from_the_environment(file: ConfigFile, variable: str, value: str, expected: object) -> None:
    """Numbers, flags, lists with commas or as JSON, durations and sizes are all plain text in the environment."""
    config = file.load("", {f"MIRROR_{variable}": value}, is_offline=True)
    section, _, name = variable.lower().partition("__")
    assert getattr(getattr(config, section), name) == expected


def test_races_come_from_the_environment(file: ConfigFile) -> None:
    """Races are ids or addresses with commas between, JSON, or single settings of the file's races by number."""
    ids = (RaceRef(race_id=5), RaceRef(race_id=6))
    assert tuple(race.race for race in file.load("", {"MIRROR_RACES": "5, 6"}).races) == ids
    json = '[{"race": 5, "days": [7]}, 6]'
    assert file.load("[[races]]\nrace = 1", {"MIRROR_RACES": json}).races[0].days == (7,)
    text = "[[races]]\nrace = 5\n[[races]]\nrace = 6\n"
    races = file.load(text, {"MIRROR_RACES__1__DAYS": "latest", "MIRROR_RACES__2__RACE": "8"}).races
    assert [(race.race.race_id, race.days) for race in races] == [(5, "all"), (6, "latest"), (8, "all")]


def test_empty_variable_counts_as_none(file: ConfigFile) -> None:
    """A variable that is set to nothing, as build services do with absent secrets, changes nothing."""
    assert file.load("[download]\nattempts = 2", {"MIRROR_DOWNLOAD__ATTEMPTS": ""}).download.attempts == 2


def test_paths_start_at_the_file_or_the_current_folder(
    file: ConfigFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relative paths of the file start at its folder, those of environment and overrides where one stands."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", "/home/me")
    assert file.load("").archive.root.path == file.folder / "photos"
    assert file.load('[archive]\nroot = "a"\nstate_dir = "~/s"').archive.root.path == file.folder / "a"
    assert file.load('[archive]\nstate_dir = "~/s"').archive.state_dir == Path("/home/me/s")
    assert file.load('[archive]\nroot = "a"', {"MIRROR_ARCHIVE__ROOT": "b"}).archive.root.path == here / "b"
    assert file.load('[archive]\nroot = "a"', overrides={"archive.root": Path("c")}).archive.root.path == here / "c"
    assert file.load('[download]\nca_file = "ca.pem"').download.ca_file == file.folder / "ca.pem"


def test_root_may_be_a_place_in_a_bucket(file: ConfigFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address is no path, is written in one way, and has a readable folder of its own for the manifest."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    archive = file.load('[archive]\nroot = "s3://club-photos//2026/"').archive
    assert (str(archive.root), archive.root.is_local) == ("s3://club-photos/2026", False)
    folder = archive.manifest.parent
    assert (folder.parent, folder.name[:-8]) == (tmp_path / "mirror", "s3-club-photos-2026-")
    assert archive.root.below("race-7").state_dir != folder
    assert file.load('[archive]\nroot = "s3://b12"\nstate_dir = "s"').archive.manifest.parent == file.folder / "s"
    with pytest.raises(ConfigError, match="only on an archive in a folder"):
        archive.root.path  # noqa: B018 - asking is what is refused


@pytest.mark.parametrize("url", ["s3://key:hush@bucket/x", "s3://bucket/x?hush=1", "ftp://bucket/hush", "s3:///hush"])
def test_root_that_is_no_place_in_a_bucket_is_refused(file: ConfigFile, url: str) -> None:
    """Credentials in an address are refused and not repeated, and so is what no store can be."""
    with pytest.raises(ConfigError, match=r"archive\.root: .*expected") as caught:
        file.load(f'[archive]\nroot = "{url}"')
    assert "hush" not in str(caught.value) or not {"@", "?"} & set(url)


def test_file_is_found_upwards(file: ConfigFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a path, the nearest mirror.toml in the current folder or above it is taken."""
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert find_config(Path()) == file.path
    assert load_config(environ={}).source_path == file.path


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
    assert (config.archive.root.path, config.download.attempts) == (tmp_path, 2)
    assert config.credentials().secret == "hush-41"
    with pytest.raises(ConfigError, match=r"^race: 'harbour' is no race: expected its id"):
        quick_config("harbour", to=tmp_path, environ={})


def test_settings_are_frozen(file: ConfigFile) -> None:
    """Nobody changes a setting on the way."""
    config = file.load("")
    with pytest.raises(ValidationError):
        config.download.attempts = 3  # type: ignore[misc]


def test_chosen_races_leave_nothing_open(file: ConfigFile) -> None:
    """Variants come from [download] unless a race has its own; an address may name the race day, days wins over it."""
    address = "https://runsignup.com/Race/Photos/NJ/Camden/Harbour10K?raceEventDaysId=34168"
    config = file.load(
        f'[download]\nvariants = ["large"]\n[[races]]\nrace = "{address}"\n'
        f'[[races]]\nrace = "{address}"\ndays = "latest"\nvariants = "original"\nalbums = [311, "reg-1"]\n'
    )
    first, second = config.chosen_races()
    assert (first.days, first.variants, first.race.race_day_id) == ((34168,), ("large",), None)
    assert (second.days, second.variants, second.albums) == ("latest", ("original",), ("311", "reg-1"))


def test_races_are_chosen_by_id_or_address(file: ConfigFile) -> None:
    """One asked for that is not configured is named together with those that are."""
    config = file.load('[[races]]\nrace = 5\n[[races]]\nrace = "https://runsignup.com/Race/NJ/Camden/H"')
    assert [race.race.race_id for race in config.chosen_races(["5"])] == [5]
    assert [race.race.race_id for race in config.chosen_races(["/race/nj/camden/h"])] == [None]
    with pytest.raises(ConfigError, match=r"--race: 6 is not configured; configured are 5, /Race/NJ/Camden/H$"):
        config.chosen_races(["6"])
    with pytest.raises(ConfigError, match=r"--race: 'x' is no race"):
        config.chosen_races(["x"])
    with pytest.raises(ConfigError, match="no race is configured"):
        file.load("").chosen_races()
