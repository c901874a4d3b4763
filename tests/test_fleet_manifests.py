"""A race's manifest on its way: the newer one counts, and who was taken for dead can put back nothing."""

from pathlib import Path

import pytest

from mirror.config import Config
from mirror.errors import ManifestError
from mirror.fleet.manifests import bring_manifest
from mirror.manifest import Manifest
from mirror.model import Race
from mirror.opening import leave_snapshot, open_objects
from tests.s3_server import S3Server, required
from tests.simulator import SourceSimulator

required("obstore")


@pytest.fixture
async def machines(s3: S3Server, tmp_path: Path) -> list[Config]:
    """The configurations of two machines for one race."""
    root = f"s3://{s3.new_bucket()}/race-1"
    configs = []
    async with SourceSimulator() as source:
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            places = {"ARCHIVE__ROOT": root, "ARCHIVE__STATE_DIR": str(tmp_path / name / "state")}
            configs.append(source.config(tmp_path / name, **places))
    return configs


async def note(config: Config, name: str) -> None:
    """Write something into a machine's manifest, as a run does."""
    manifest = await Manifest.open(config.archive.manifest, create=False)
    await manifest.note_race(Race(race_id=1, name=name, timezone="UTC", days=()))
    await manifest.begin_run("sync")
    await manifest.aclose()


async def put_back(config: Config) -> None:
    """Put a machine's manifest back, as the end of a run does."""
    archive = await open_objects(config, create=True)
    manifest = await Manifest.open(config.archive.manifest, create=False)
    try:
        archive.own_file(config.archive.manifest.name).unlink(missing_ok=True)
        await leave_snapshot(config, archive, manifest)
    finally:
        await manifest.aclose()
        await archive.aclose()


async def name_in(config: Config) -> str:
    """What a machine's manifest says."""
    manifest = await Manifest.open(config.archive.manifest, create=False)
    try:
        return (await manifest.races())[0].name
    finally:
        await manifest.aclose()


async def test_newer_manifest_of_another_machine_is_brought(machines: list[Config]) -> None:
    """Each goes on where the other ended, in turn."""
    one, other = machines
    await bring_manifest(one, is_taken_over=False)
    for turn, config in enumerate((one, other, one, other)):
        await bring_manifest(config, is_taken_over=False)
        if turn:
            assert await name_in(config) == f"turn {turn - 1}"
        await note(config, f"turn {turn}")
        await put_back(config)


async def test_manifest_that_is_ahead_is_gone_on_from(machines: list[Config]) -> None:
    """A run that was killed before it put its manifest back loses nothing while nobody else went on."""
    one, other = machines
    await bring_manifest(one, is_taken_over=False)
    await note(one, "ahead")
    await bring_manifest(one, is_taken_over=False)
    assert await name_in(one) == "ahead"
    await put_back(one)
    await bring_manifest(other, is_taken_over=False)
    assert await name_in(other) == "ahead"


async def test_who_was_taken_for_dead_can_put_back_nothing(machines: list[Config]) -> None:
    """From the moment of the takeover on, though the other has nothing new to say yet."""
    one, other = machines
    await bring_manifest(one, is_taken_over=False)
    await note(one, "early")
    await put_back(one)
    await note(one, "late")
    await bring_manifest(other, is_taken_over=True)
    with pytest.raises(ManifestError, match="another machine"):
        await put_back(one)
    await put_back(other)
    await bring_manifest(one, is_taken_over=False)
    assert await name_in(one) == "early"
