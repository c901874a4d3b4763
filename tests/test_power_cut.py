"""The power is cut at any moment: every final name holds whole right bytes, every stored row has its file, and the next run completes.

The archive lies on an ext4 whose disk remembers each write and each flush (`tests.power`). One life of it is recorded:
a first run, and a second one that replaces pictures. From the record any number of power cuts are made; each image is
mounted, which replays the journal, and judged, and some are synced to the end. Needs root, loop devices and FUSE.
"""

import asyncio
import contextlib
import os
import random
import shutil
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.forks import Forks
from tests.judge import Judge, account_of
from tests.power import Disks, command, mounted
from tests.simulator import SourceSimulator

pytestmark = pytest.mark.slow

_SIZE_BYTES = 40 * 1024 * 1024
_CUTS = 60
_GOES_ON_EVERY = 6
_SMALL_GROUPS = {"MIRROR_DOWNLOAD__GROUP_DRAFTS": "2", "MIRROR_DOWNLOAD__CONCURRENCY": "1"}
"""So that little is finished while a flush takes long, and flushed with it."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder where disks can be made; skips where the system does not let us."""
    if not (os.geteuid() == 0 and shutil.which("mkfs.ext4") and Path("/dev/fuse").exists()):
        pytest.skip("needs root, mkfs.ext4 and /dev/fuse")
    try:
        with Disks(tmp_path / "tried", count=1, size_bytes=_SIZE_BYTES) as disks:
            command("mkfs.ext4", "-q", "-F", str(disks.path(0)))
            with mounted(disks.path(0), tmp_path / "mounted"):
                pass
    except (OSError, AssertionError) as error:
        pytest.skip(f"this system mounts nothing for us: {error}")
    return tmp_path


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What is archived where.

    Args:
        options: How the archive's disk is mounted.
        has_state_disk: Whether the manifest lies on a disk of its own: then no flush of one helps the other.
        has_neighbour: Whether another program flushes all the time, which brings names to the disk before we ask for it.
        is_slow: Whether flushing takes so long that files are flushed one by one.
    """

    options: str = ""
    has_state_disk: bool = False
    has_neighbour: bool = True
    is_slow: bool = False

    @property
    def disks(self) -> int:
        """How many disks there are."""
        return 1 + self.has_state_disk

    def configure(self, source: SourceSimulator, folder: Path) -> None:
        """Write the configuration for the disks that are mounted in a folder."""
        text = source.config_text().replace(
            'root = "photos"', 'root = "0/photos"' + '\nstate_dir = "1"' * self.has_state_disk
        )
        file = folder / "mirror.toml"
        file.write_text(text)
        file.chmod(0o600)

    @contextlib.contextmanager
    def running(self, disks: list[Path], folder: Path) -> Iterator[tuple[Path, Path]]:
        """Mount the disks in a folder; gives where the archive and its manifest lie."""
        folder.mkdir(exist_ok=True)
        with contextlib.ExitStack() as stack:
            for number, disk in enumerate(disks):
                stack.enter_context(mounted(disk, folder / str(number), options=self.options))
            root = folder / "0/photos"
            yield root, folder / "1" if self.has_state_disk else root / ".mirror"


MACHINES = {
    "one disk": Machine(),
    "one disk, data not ordered": Machine(options="data=writeback"),
    "manifest on another disk": Machine(has_state_disk=True, has_neighbour=False),
    "file by file": Machine(has_state_disk=True, options="data=writeback", is_slow=True),
}


@dataclass(slots=True, kw_only=True)
class Life:
    """A recorded life of an archive.

    Args:
        begins_at: How many events came before the first run.
        files: What the archive holds in the end.
    """

    machine: Machine
    source: SourceSimulator
    judge: Judge
    disks: Disks
    forks: Forks
    begins_at: int = 0
    files: object = None
    rng: random.Random = field(default_factory=random.Random)

    async def sync(self, folder: Path) -> str:
        """Run to the end; returns what was said."""
        ended = await self.forks.run(folder, "sync", "--full", "-v", archive=folder / "0/photos", environ=_SMALL_GROUPS)
        assert ended.code == 0, ended.said
        return ended.said

    async def record(self, folder: Path) -> None:
        """Archive the race, let it change, archive that."""
        paths = [self.disks.path(number) for number in range(self.machine.disks)]
        for path in paths:
            await asyncio.to_thread(command, "mkfs.ext4", "-q", "-F", str(path))
        with (
            self.machine.running(paths, folder) as (root, state),
            neighbour(folder / "0/neighbour") if self.machine.has_neighbour else contextlib.nullcontext(),
        ):
            self.machine.configure(self.source, folder)
            self.begins_at = len(self.disks.events)
            await self.recorded_sync(folder)
            for photo in [each for each in self.source.race.photos.values() if each.race_day_id == 34168][:4]:
                photo.name, photo.version = f"{photo.name[:-4]}ffff", 1
            self.source.race.gain_uploads(2)
            self.judge.learn(self.source.race)
            await self.recorded_sync(folder)
            self.files = account_of(root, state=state)["files"]

    async def recorded_sync(self, folder: Path) -> None:
        """Run on a disk that may be slow for a moment."""
        sync = asyncio.create_task(self.sync(folder))
        if self.machine.is_slow:
            while not (sync.done() or drafts_in(folder)):
                await asyncio.sleep(0)
            self.disks.slow_flushes = 2
        said = await sync
        assert ("from now on fsync of each file" in said) == self.machine.is_slow

    async def cut(self, moment: int, folder: Path, *, goes_on: bool) -> None:
        """Cut the power at a moment, start again, judge, and perhaps go on to the end."""
        images = [folder / f"{number}.img" for number in range(self.machine.disks)]
        for image, body in zip(images, self.disks.cut(moment, self.rng), strict=True):
            image.write_bytes(body)
        with self.machine.running(images, folder) as (root, state):
            self.machine.configure(self.source, folder)
            self.judge.check(root, state=state)
            if not goes_on:
                return
            await self.sync(folder)
            self.judge.check_ended(root, state=state)
            assert account_of(root, state=state)["files"] == self.files


@contextlib.contextmanager
def neighbour(file: Path) -> Iterator[None]:
    """Have another program on the same disk, which flushes all the time."""
    is_over = threading.Event()

    def flush() -> None:
        while not is_over.is_set():
            with file.open("ab") as opened:
                opened.write(b"another line")
                opened.flush()
                os.fsync(opened.fileno())

    thread = threading.Thread(target=flush)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def drafts_in(folder: Path) -> list[Path]:
    """The checked drafts of the archive on the first disk."""
    return list(folder.glob("0/photos/.mirror/drafts/*.*.*.*"))


@asynccontextmanager
async def recorded(machine: Machine, folder: Path, *, seed: int) -> AsyncIterator[Life]:
    """Record a life on some machine."""
    with Disks(folder / "disks", count=machine.disks, size_bytes=_SIZE_BYTES) as disks:
        async with SourceSimulator(photos=11) as source, Forks() as forks:
            judge = Judge.of(source.race)
            life = Life(
                machine=machine, source=source, judge=judge, disks=disks, forks=forks, rng=random.Random(seed)
            )  # fmt: skip
            await life.record(folder / "life")
            yield life


@pytest.mark.parametrize("name", MACHINES)
async def test_power_may_be_cut_at_any_moment(folder: Path, name: str) -> None:
    """Nothing wrong is ever under a final name, no row promises what is not there, and the next run completes."""
    seed = random.randrange(10**9)
    async with recorded(MACHINES[name], folder, seed=seed) as life:
        moments = sorted(life.rng.choices(range(life.begins_at, len(life.disks.events) + 1), k=_CUTS))
        (cut := folder / "cut").mkdir()
        for number, moment in enumerate(moments):
            try:
                await life.cut(moment, cut, goes_on=number % _GOES_ON_EVERY == 0)
            except AssertionError as error:
                error.add_note(f"seed {seed}, cut after {moment} of {len(life.disks.events)} events")
                raise


def test_a_name_without_flush_is_lost_or_empty(folder: Path) -> None:
    """The proof can fail: bytes that were renamed and not flushed are not there after a cut, or their name is empty."""
    with Disks(folder / "disks", count=1, size_bytes=_SIZE_BYTES) as disks:
        command("mkfs.ext4", "-q", "-F", str(disks.path(0)))
        with mounted(disks.path(0), folder / "life") as root:
            (root / "draft").write_bytes(b"x" * 5000)
            (root / "draft").rename(root / "unflushed")
            moments = [len(disks.events)]
            # Somebody else's flush brings the name to the disk, and not the bytes.
            with (root / "flushed").open("wb") as file:
                file.write(b"x" * 5000)
                file.flush()
                os.fsync(file.fileno())
            moments.append(len(disks.events))
        found = []
        for moment in moments:
            (folder / "image").write_bytes(disks.cut(moment, random.Random(0))[0])
            with mounted(folder / "image", folder / "cut") as root:
                found.append({each.name: each.stat().st_size for each in root.iterdir() if each.is_file()})
    assert found == [{}, {"flushed": 5000, "unflushed": 0}]
