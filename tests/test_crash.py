"""Killed between any two steps, or at any moment: nothing wrong under a final name, and the next run ends as if nothing had been.

Each scene is a run of the real command in a process of its own. It is done once undisturbed, which tells its steps;
then once more for each of these steps, killed when it is about to do it; then once more to its end.
"""

import asyncio
import random
import shutil
import signal
from collections.abc import AsyncIterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.forks import Ended, Forks, Step, numbered
from tests.judge import Judge, account_of, assets_on_disk, digest_of
from tests.simulator import SourceSimulator
from tests.test_resume import LargeRace

# Without memory to hold them whole, large pictures come in pieces, and there is a midst of them. The process fetches by
# itself: a helper that dies alone is another scene.
_SMALL_STEPS = {
    "MIRROR_DOWNLOAD__GROUP_DRAFTS": "4", "MIRROR_DOWNLOAD__MEMORY": "0", "MIRROR_DOWNLOAD__HELPERS": "0",
}  # fmt: skip
_FETCHED = ("write checked draft", "rename draft in flight -> checked draft")
_AT_ONCE = 2


@dataclass(slots=True, kw_only=True)
class Scene:
    """A run to be disturbed.

    Args:
        folder: Holds everything of the scene.
        words: The command.
        stopping: The orderly stop that belongs to the scene, if one does.
        before: A folder with the archive as it is before the run.
    """

    source: SourceSimulator
    judge: Judge
    folder: Path
    words: tuple[str, ...] = ("sync", "--quiet")
    stopping: tuple[tuple[Step, int], ...] = ()
    before: Path = field(init=False)
    calm: Ended = field(init=False)
    account: dict[str, object] = field(init=False)

    def __post_init__(self) -> None:
        self.before = self.folder / "before"
        self.before.mkdir()
        self.source.config(self.before)

    @property
    def archive(self) -> Path:
        """The archive before the run."""
        return self.before / "photos"

    def again(self, name: str) -> Path:
        """Make a copy of what is there before the run."""
        copy = self.folder / name
        shutil.copytree(self.before, copy, symlinks=True)
        return copy

    async def run(self, forks: Forks, folder: Path, **disturbed: Sequence[object]) -> Ended:
        """Run the command in a copy."""
        return await forks.run(folder, *self.words, environ=_SMALL_STEPS, **disturbed)  # type: ignore[arg-type]

    async def rehearse(self, forks: Forks, *, expected: AbstractSet[str] = frozenset()) -> None:
        """Learn the steps of the run, and what it leaves when it comes to its end.

        Args:
            expected: Steps without which the scene is not worth much; a stop that came too late for them is tried again.
        """
        for number in range(5):
            folder = self.again(f"calm {number}")
            self.calm = await self.run(forks, folder, at_steps=self.stopping)
            if expected <= set(self.calm.steps):
                break
        assert self.calm.code == (143 if self.stopping else 0), self.calm.said
        if self.stopping:
            assert (await self.run(forks, folder)).code == 0
        self.judge.check_ended(folder / "photos")
        self.account = account_of(folder / "photos")

    async def duration_s(self, forks: Forks) -> float:
        """How long the run takes about now."""
        folder, clock = self.again("timed"), asyncio.get_running_loop().time
        began = clock()
        await self.run(forks, folder)
        return clock() - began

    async def finish(self, forks: Forks, folder: Path) -> None:
        """Run to the end, and find all that an undisturbed run leaves; what was whole is not fetched again."""
        whole = self.whole(folder / "photos")
        ended = await self.run(forks, folder)
        assert (ended.code, ended.said) == (0, "")
        self.judge.check_ended(folder / "photos")
        assert account_of(folder / "photos") == self.account
        if not self.stopping:
            assert fetched(ended) <= fetched(self.calm) - (whole - self.whole(self.archive))
        shutil.rmtree(folder)

    def whole(self, root: Path) -> int:
        """How many of the run's new pictures are there already, under their names or as checked drafts."""
        files = self.account["files"]
        assert isinstance(files, dict)
        old = {key: digest_of(path) for key, path in assets_on_disk(self.archive).items()}
        there = assets_on_disk(root) if root.exists() else {}
        named = [key for key, path in there.items() if old.get(key) != files.get(key) == digest_of(path)]
        drafts = [path for path in root.glob(".mirror/drafts/*.*.*.*") if path.name.endswith(digest_of(path).hex())]
        return len(named) + len(drafts)


def fetched(ended: Ended) -> int:
    """How many pictures a run has brought to checked drafts."""
    return sum(ended.steps.count(name) for name in _FETCHED)


# -- the scenes -----------------------------------------------------------------------------------------------------


@asynccontextmanager
async def first_run(folder: Path) -> AsyncIterator[Scene]:
    """A race that was never archived."""
    async with SourceSimulator(photos=11) as source:
        yield Scene(source=source, judge=Judge.of(source.race), folder=folder)


@asynccontextmanager
async def changed_race(folder: Path) -> AsyncIterator[Scene]:
    """An archived race: pictures replaced, moved, uploaded, files lost and overwritten."""
    async with SourceSimulator(photos=11) as source, Forks() as forks:
        judge = Judge.of(source.race)
        scene = Scene(source=source, judge=judge, folder=folder, words=("sync", "--quiet", "--full"))
        assert (await scene.run(forks, scene.before)).code == 0
        photos = [photo for photo in source.race.photos.values() if photo.race_day_id == 34168]
        for photo in photos[:3]:
            photo.name, photo.version = f"{photo.name[:-4]}ffff", 1
        photos[3].name = f"{photos[3].name[:-4]}eeee"
        photos[4].bibs = ["1", "2"]
        source.race.gain_uploads(2)
        judge.learn(source.race)
        lost, text, link = [
            path for path in assets_on_disk(scene.archive).values() if str(photos[6].photo_id) in path.name
        ]
        for path in (lost, text, link):
            path.unlink()
        text.write_text("mine")
        link.symlink_to(scene.before / "mirror.toml")
        judge.spoilt = judge.unnoticed = frozenset(str(path.relative_to(scene.archive)) for path in (lost, text, link))
        yield scene


@asynccontextmanager
async def large_pictures(folder: Path) -> AsyncIterator[Scene]:
    """Pictures that come in many pieces, and an orderly stop in their midst that keeps them."""
    async with SourceSimulator(photos=0) as source:
        source.race = LargeRace(photos=0)
        source.race.gain_uploads(1)
        stopping = ((("write draft in flight", 8), signal.SIGTERM),)
        yield Scene(source=source, judge=Judge.of(source.race), folder=folder, stopping=stopping)


@asynccontextmanager
async def kept_drafts(folder: Path) -> AsyncIterator[Scene]:
    """Pictures that an earlier run has begun."""
    async with large_pictures(folder) as scene, Forks() as forks:
        # Rarely the stop comes when the pieces so far make whole pictures: then nothing is left to go on from.
        while not any(each.name.count(".") == 2 for each in scene.archive.glob(".mirror/drafts/*")):
            shutil.rmtree(scene.archive, ignore_errors=True)
            assert (await scene.run(forks, scene.before, at_steps=scene.stopping)).code == 143
        scene.stopping = ()
        yield scene


EXPECTED = {
    "first_run": {
        "mkdir .mirror", "mkdir .mirror/drafts", "rename draft in flight -> .mirror/archive-id", "open a new file",
        "rename .mirror/manifest.sqlite.new -> .mirror/manifest.sqlite", "mkdir tree", "sqlite PRAGMA wal_checkpoint",
    },
    "changed_race": {
        "write checked draft", "remove checked draft", "syncfs tree", "mkdir versions", "link tree -> versions",
        "rename tree -> versions", "rename checked draft -> tree", "sqlite BEGIN", "sqlite COMMIT",
    },
    "large_pictures": {
        "write draft in flight", "fsync draft in flight", "rename draft in flight -> draft to resume",
    },
    "kept_drafts": {
        "rename draft to resume -> draft in flight", "fchmod draft in flight", "rename draft in flight -> checked draft",
    },
}  # fmt: skip
SCENES = {each.__name__: each for each in (first_run, changed_race, large_pictures, kept_drafts)}


# -- killed at a step -----------------------------------------------------------------------------------------------


async def kill_at(scene: Scene, forks: Forks, step: Step) -> bool:
    """Kill a run at a step, look, and finish it; says whether the run came that far."""
    name, count = step
    folder = scene.again(f"{name} {count}".replace("/", "-"))
    ended = await scene.run(forks, folder, at_steps=[*scene.stopping, (step, signal.SIGKILL)])
    try:
        scene.judge.check(folder / "photos")
        await scene.finish(forks, folder)
    except AssertionError as error:
        error.add_note(f"killed at step {step}: exit {ended.code}")
        raise
    return ended.code == -signal.SIGKILL


async def kill_at_each(scene: Scene, steps: Sequence[Step]) -> list[Step]:
    """Kill a run at each of these steps, some at a time; returns those at which it was killed."""
    waiting, killed = iter(steps), []

    async def killer() -> None:
        async with Forks() as forks:
            killed.extend([step for step in waiting if await kill_at(scene, forks, step)])

    async with asyncio.TaskGroup() as tasks:
        for _ in range(_AT_ONCE):
            tasks.create_task(killer())
    return killed


async def test_a_run_killed_at_some_steps_goes_on(tmp_path: Path) -> None:
    """A kill at the steps that matter most costs nothing that was finished, and nothing wrong is ever to be seen."""
    rng = random.Random()
    async with changed_race(tmp_path) as scene, Forks() as forks:
        await scene.rehearse(forks)
        names = (
            "write checked draft",
            "syncfs tree",
            "link tree -> versions",
            "rename checked draft -> tree",
            "sqlite COMMIT",
        )
        steps = [rng.choice([step for step in numbered(scene.calm.steps) if step[0] == name]) for name in names]
        assert await kill_at_each(scene, steps)


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENES)
async def test_a_run_killed_at_any_step_goes_on(tmp_path: Path, name: str) -> None:
    """One kill before every single step of its way to the disk."""
    async with SCENES[name](tmp_path) as scene, Forks() as forks:
        await scene.rehearse(forks, expected=EXPECTED[name])
        assert set(scene.calm.steps) >= EXPECTED[name], "without these steps the proof would prove nothing"
        steps = numbered(scene.calm.steps)
        killed = await kill_at_each(scene, steps)
        # A few may not come: when threads take turns differently, groups differ.
        assert len(killed) > 0.9 * len(steps)


# -- a signal at any moment -----------------------------------------------------------------------------------------

KILL, INT, TERM = signal.SIGKILL, signal.SIGINT, signal.SIGTERM
_SIGNALS = ((KILL,), (KILL,), (KILL,), (INT,), (TERM,), (INT, INT), (TERM, KILL))
_ENDINGS = {KILL: {0, -KILL}, INT: {0, 130}, TERM: {0, 143, -TERM}}


async def disturb(scene: Scene, forks: Forks, folder: Path, rng: random.Random, longest_s: float) -> None:
    """Send a run one or two signals, at moments of their own, and look at what they leave."""
    signals = rng.choice(_SIGNALS)
    moments = sorted(rng.uniform(0, longest_s) for _ in signals)
    ended = await scene.run(forks, folder, after_s=list(zip(moments, signals, strict=True)))
    told = f"{signals} after {moments}: {ended.code} {ended.said}"
    assert ended.code in set.union(*(_ENDINGS[each] for each in signals)), told
    assert not any(word in ended.said for word in ("Traceback", "Exception", "never", "a bug")), told
    try:
        scene.judge.check(folder / "photos")
    except AssertionError as error:
        error.add_note(told)
        raise


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", ["first_run", "changed_race", "kept_drafts"])
async def test_runs_signalled_at_any_moment_go_on(tmp_path: Path, name: str, seed: int) -> None:
    """Kills, orderly stops and impatient ones, some dozens in a row: the archive is whole after each, and then complete."""
    rng = random.Random(seed)
    async with SCENES[name](tmp_path) as scene, Forks() as forks:
        await scene.rehearse(forks)
        longest_s = await scene.duration_s(forks)
        for chain in range(4):
            folder = scene.again(f"chain {chain}")
            for _ in range(5):
                await disturb(scene, forks, folder, rng, longest_s)
            await scene.finish(forks, folder)
