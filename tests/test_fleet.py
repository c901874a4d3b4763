"""Several machines, one bucket: each race is synced by one of them, and what a dying one leaves is taken over."""

import asyncio
import json
import signal
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from mirror.archive.objects import open_bucket
from mirror.leases import read_lease
from mirror.manifest import ManifestReader
from mirror.root import ArchiveRoot
from tests.fleet_source import Machine, ManyRaces
from tests.s3_server import S3Server, required, running_s3_server
from tests.simulator import ALWAYS

required("obstore")

RACES = (48211, 48212, 48213, 48214, 48215, 48216)
RACE = RACES[0]
FILES = 9
"""Of each race day."""


@dataclass
class Fleet:
    """Machines with a state folder of their own, and the bucket between them."""

    source: ManyRaces
    folder: Path
    s3: S3Server
    root: ArchiveRoot

    def machine(self, name: str, **fleet: str) -> Machine:
        """One more machine."""
        folder = self.folder / name
        folder.mkdir()
        file = folder / "mirror.toml"
        file.write_text(self.source.fleet_text(self.root.url, folder / "state", **fleet))
        file.chmod(0o600)
        return Machine(folder=folder, environ=self.s3.environ)

    async def holder(self, race: int) -> str:
        """Who has a race in hand."""
        body, _ = await open_bucket(self.root).get(f"fleet/race-{race}.json")
        return read_lease(body).holder

    async def manifest(self, race: int) -> bytes:
        """A race's manifest as it lies in the bucket."""
        body, _ = await open_bucket(self.root).get(f"race-{race}/.mirror/manifest.sqlite")
        return body

    async def stored(self, race: int) -> int:
        """How many files the manifest in the bucket says are stored, all of which must lie there, and nothing else."""
        file = self.folder / f"{race}.sqlite"
        file.write_bytes(await self.manifest(race))
        with ManifestReader(file) as reader:
            stored = reader.counts().stored
        pages = [page async for page in open_bucket(self.root.below(f"race-{race}")).list_below()]
        keys = [each.key for page in pages for each in page if not each.key.startswith(".mirror/")]
        assert len(keys) == stored
        assert not [each.key for page in pages for each in page if each.key.startswith(".mirror/drafts/")]
        return stored


@pytest.fixture
async def fleet(s3: S3Server, tmp_path: Path) -> AsyncGenerator[Fleet, None]:
    """A fleet with an empty bucket."""
    async with ManyRaces(*RACES) as source:
        yield Fleet(source, tmp_path, s3, ArchiveRoot(url=f"s3://{s3.new_bucket()}/races"))


def outcomes(machine: Machine) -> dict[int, dict[str, Any]]:
    """What became of each race, by the machine's own report."""
    return {int(each["race"]): each for each in json.loads(machine.said)["outcomes"]}


async def slowly(_: web.Request, answer: web.Response) -> web.Response:
    """Answer after a while, so that calls overlap."""
    await asyncio.sleep(0.03)
    return answer


async def test_three_machines_share_six_races(fleet: Fleet) -> None:
    """Started at once, they sync each race exactly once, with two API calls in flight at most over all."""
    fleet.source.fault("/v2/photos", times=ALWAYS, does=slowly)
    machines = [fleet.machine(f"box-{number}", wait="true") for number in range(3)]
    for each in machines:
        await each.start("--json")
    codes = await asyncio.gather(*(each.end() for each in machines))
    assert codes == [0, 0, 0], [each.complained for each in machines]
    seen = [outcomes(each) for each in machines]
    assert all(set(each) == set(RACES) for each in seen)
    assert [sum(each[race]["what"] == "done" for each in seen) for race in RACES] == [1] * len(RACES)
    assert fleet.source.most_api_calls == 2
    assert {await fleet.stored(race) for race in RACES} == {FILES}
    assert {await fleet.holder(race) for race in RACES} == {""}


async def test_machine_goes_on_where_another_ended(fleet: Fleet) -> None:
    """The second machine fetches the first one's manifest, and nothing that is there."""
    one, other = (fleet.machine(name, again_after="0s") for name in ("box-a", "box-b"))
    for each in (one, other):
        await each.start("--race", str(RACE))
        assert await each.end() == 0, each.complained
    assert fleet.source.pictures_asked() == FILES
    assert f"race {RACE}: complete; 0 new photos, 0 files stored" in other.said


async def test_race_done_a_short_while_ago_is_left_alone(fleet: Fleet) -> None:
    """Cron on three boxes asks the API once; what another did counts for the exit code."""
    fleet.source.fault("thumbs", times=ALWAYS, status=404)
    one, other = fleet.machine("box-a"), fleet.machine("box-b")
    for each in (one, other):
        await each.start("--json", "--race", str(RACE))
        assert await each.end() == 1
    calls = fleet.source.api_requests()
    assert outcomes(other)[RACE]["what"] == "done elsewhere"
    assert fleet.source.api_requests() == calls
    await one.start("--race", str(RACE), "--full")
    await one.end()
    assert fleet.source.api_requests() > calls


async def test_folder_is_refused(fleet: Fleet) -> None:
    """In a folder, on a network disk too, nothing keeps two machines apart."""
    machine = fleet.machine("box-a")
    file = machine.folder / "mirror.toml"
    file.write_text(file.read_text().replace(fleet.root.url, "photos"))
    await machine.start()
    assert await machine.end() == 2
    assert "--fleet needs a bucket" in machine.complained
    assert fleet.source.requests == []


# -- what goes wrong --------------------------------------------------------------------------------------------------


async def in_the_midst(fleet: Fleet, machine: Machine) -> None:
    """Start a machine on one race and return when it has stored what it can: the thumbnails do not come."""
    fleet.source.fault("thumbs", times=3, stalls=True)
    await machine.start("--json", "--race", str(RACE))
    bucket = open_bucket(fleet.root.below(f"race-{RACE}"))
    keys: list[str] = []
    while sum(not key.startswith(".mirror/") for key in keys) < FILES - 3:
        await asyncio.sleep(0.05)
        keys = [each.key for page in [page async for page in bucket.list_below()] for each in page]


async def test_ctrl_c_lets_go_of_the_race(fleet: Fleet) -> None:
    """What was finished is in the manifest that is put back, and the next machine need not wait for a lease."""
    one, other = fleet.machine("box-a", lease="10m", heartbeat="1s"), fleet.machine("box-b")
    await in_the_midst(fleet, one)
    one.signal(signal.SIGINT)
    assert await one.end() == 130
    assert outcomes(one)[RACE]["what"] == "stopped"
    assert await fleet.holder(RACE) == ""
    assert await fleet.stored(RACE) == FILES - 3
    await other.start("--json", "--race", str(RACE))
    assert await other.end() == 0, other.complained
    assert outcomes(other)[RACE]["taken_from"] == ""
    assert await fleet.stored(RACE) == FILES


@pytest.mark.slow
async def test_race_of_a_killed_machine_is_taken_over(fleet: Fleet) -> None:
    """What it had stored and not recorded is found under its names; nothing is lost or stored twice."""
    one, other = fleet.machine("box-a", lease="3s"), fleet.machine("box-b", wait="true")
    await in_the_midst(fleet, one)
    holder = await fleet.holder(RACE)
    one.signal(signal.SIGKILL)
    await one.end()
    await other.start("--json", "--race", str(RACE))
    assert await other.end() == 0, other.complained
    assert outcomes(other)[RACE]["taken_from"] == holder
    assert await fleet.stored(RACE) == FILES
    # The killed one comes back, with a manifest that knows more than it had put back, and takes the other's.
    calls = fleet.source.pictures_asked()
    await one.start("--json", "--race", str(RACE), "--full")
    assert await one.end() == 0, one.complained
    assert fleet.source.pictures_asked() == calls
    assert await fleet.stored(RACE) == FILES


@pytest.mark.slow
async def test_machine_that_slept_beyond_its_lease_stops(fleet: Fleet) -> None:
    """It wakes when another has done the race: it says so, and the newer manifest stays as it is."""
    one, other = fleet.machine("box-a", lease="3s"), fleet.machine("box-b", wait="true")
    await in_the_midst(fleet, one)
    one.signal(signal.SIGSTOP)
    await other.start("--json", "--race", str(RACE))
    assert await other.end() == 0, other.complained
    manifest = await fleet.manifest(RACE)
    one.signal(signal.SIGCONT)
    assert await one.end() == 1
    assert outcomes(one)[RACE]["what"] == "lost"
    assert "its lease could not be renewed in time" in one.complained
    assert await fleet.manifest(RACE) == manifest
    assert await fleet.stored(RACE) == FILES


@pytest.mark.slow
async def test_machine_that_slept_can_put_nothing_back_while_another_works(fleet: Fleet) -> None:
    """Who takes over writes the manifest anew at once: what the sleeper has in hand fits no more, however it wakes."""
    one, other = fleet.machine("box-a", lease="3s"), fleet.machine("box-b", wait="true")
    await in_the_midst(fleet, one)
    before = await fleet.manifest(RACE)
    one.signal(signal.SIGSTOP)
    fleet.source.fault("thumbs", times=3, stalls=True)
    await other.start("--json", "--race", str(RACE))
    while await fleet.manifest(RACE) == before:
        await asyncio.sleep(0.05)
    taken = await fleet.manifest(RACE)
    one.signal(signal.SIGCONT)
    assert await one.end() == 1
    assert await fleet.manifest(RACE) == taken
    other.signal(signal.SIGINT)
    assert await other.end() == 130, other.complained
    await one.start("--race", str(RACE))
    assert await one.end() == 0, one.complained
    assert await fleet.stored(RACE) == FILES


@pytest.mark.slow
async def test_store_that_goes_away_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lease that cannot be renewed is given up, and a command that can ask nobody ends with the disk's code."""
    with running_s3_server(tmp_path) as server:
        for name, value in server.environ.items():
            monkeypatch.setenv(name, value)
        async with ManyRaces(*RACES) as source:
            fleet = Fleet(source, tmp_path, server, ArchiveRoot(url=f"s3://{server.new_bucket()}/races"))
            machine = fleet.machine("box-a", lease="8s", heartbeat="500ms")
            await in_the_midst(fleet, machine)
            server.pause()
            assert await machine.end() == 1
            assert "its lease could not be renewed in time" in machine.complained
            await machine.start("--race", str(RACE))
            assert await machine.end() == 4
            assert "does not answer" in machine.complained or "did not answer" in machine.complained
    assert "Traceback" not in machine.complained
