"""Months of bad luck in minutes: run after run with everything going wrong at once, by a plan that a seed decides.

Between two runs the source changes, people touch the tree, the configuration changes; in a run the API, the photo host
and the process fail. After each run the archive is judged, and what the run said of itself is held against it. A failure
prints its seed and all that was done since the last whole state.
"""

import asyncio
import gzip
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mirror.demo.drawing import with_comment
from mirror.demo.race import DemoPhoto
from tests.forks import Ended, Forks
from tests.judge import Judge, asset_of, assets_on_disk, manifest_of
from tests.simulator import SmallRace, SourceSimulator

_ATTEMPTS = 3
_PAGE_SIZE = 9
_SIGNATURE = "hush-hush"
_MOST_MEMORY_KB = 250_000
_SHORT = {
    "MIRROR_API__PAGE_SIZE": str(_PAGE_SIZE), "MIRROR_DOWNLOAD__ATTEMPTS": str(_ATTEMPTS),
    "MIRROR_DOWNLOAD__STALL_TIMEOUT": "300ms", "MIRROR_DOWNLOAD__GROUP_DRAFTS": "7",
    "MIRROR_DOWNLOAD__LONGEST_RETRY_AFTER": "1s",
}  # fmt: skip
_VARIANTS = ("original", "large", "thumbnail")


class MixedRace(SmallRace):
    """Small pictures and a few that come in pieces, behind addresses that are signed anew each time."""

    def picture(self, path: str) -> bytes | None:
        """The bytes under an address, while they are offered."""
        if path.count("/") != 3:
            return None
        body, prefix = super().picture(path), path.split("/")[2]
        photo = next((each for each in self.photos.values() if each.name in path), None)
        if body is None or photo is None or not any(prefix.startswith(_START[each]) for each in photo.offered):
            return None
        is_large = prefix.startswith("custom") and photo.photo_id % 5 == 0
        for number in range(20 if is_large else 0):
            body = with_comment(body, f"{number:065000}")
        return body

    def record(self, photo: DemoPhoto, origin: str) -> dict[str, Any]:
        """One record."""
        record = super().record(photo, origin)
        for variant in _VARIANTS:
            if record[variant]:
                record[variant]["image_url"] += f"?X-Amz-Signature={_SIGNATURE}-{self.rng.random()}"
        return record


_START = {"original": "custom", "large": "large", "thumbnail": "thumbs"}


@dataclass(slots=True, kw_only=True)
class Life:
    """An archive, its source, and what happens to both."""

    rng: random.Random
    source: SourceSimulator
    forks: Forks
    folder: Path
    judge: Judge
    variants: tuple[str, ...] = _VARIANTS
    with_participants: bool = True
    told: list[str] = field(default_factory=list)
    api_fails: bool = False
    disk_fails: bool = False
    was_cut_off: bool = False
    """Whether the last run was killed, or stopped at once."""

    @property
    def root(self) -> Path:
        """The archive."""
        return self.folder / "photos"

    def tell(self, text: str) -> None:
        """Note what was done, for the one who must find out why it failed."""
        self.told.append(text)

    def photos(self) -> list[DemoPhoto]:
        """What the listing shows today within the configured scope."""
        return [
            photo
            for photo in self.source.race.photos.values()
            if photo.race_day_id == 34168 and (self.with_participants or not str(photo.album_id).startswith("reg-"))
        ]

    def some_photo(self) -> DemoPhoto:
        """One photo of the race day."""
        return self.rng.choice([each for each in self.source.race.photos.values() if each.race_day_id == 34168])

    # -- the source changes -------------------------------------------------------------------------------------

    def change_source(self) -> None:
        """Do one of the things that people do to photos."""
        photo, race = self.some_photo(), self.source.race
        change = self.rng.choice(
            ("upload", "upload", "delete", "bibs", "album", "url", "render", "url and render", "variants")
        )
        self.tell(f"{change} {photo.photo_id}")
        if change == "upload":
            race.gain_uploads(self.rng.randrange(1, 4))
        elif change == "delete" and len(race.photos) > 12:
            race.remove(photo.photo_id)
        elif change == "bibs":
            photo.bibs = [self.rng.randrange(1000) for _ in range(self.rng.randrange(3))]
        elif change == "album":
            photo.album_id = self.rng.choice((311, 312, "reg-34168"))
        elif change == "variants":
            photo.offered = self.rng.choice((_VARIANTS, ("large", "thumbnail"), ("thumbnail",)))
        if "url" in change:
            photo.name = f"{photo.name[:-6]}{self.rng.randrange(10**6):06d}"
        if "render" in change:
            race.render_again(photo.photo_id)
        self.judge.learn(race)

    # -- the configuration changes ------------------------------------------------------------------------------

    def change_configuration(self) -> None:
        """Want other variants, or participants' photos or not."""
        self.variants = self.rng.choice((_VARIANTS, _VARIANTS, ("thumbnail",), ("large", "thumbnail")))
        self.with_participants = self.rng.random() < 0.7
        self.tell(f"configuration: {self.variants} {self.with_participants}")

    # -- people touch the tree ----------------------------------------------------------------------------------

    @contextmanager
    def touched_tree(self) -> Iterator[None]:
        """Take files away or put others in their place; for the time of one run even a whole folder."""
        files = assets_on_disk(self.root) if self.root.exists() else {}
        touch = self.rng.choice(("lose", "overwrite", "link", "folder", "nothing", "nothing")) if files else "nothing"
        if touch == "folder" and self.was_cut_off:
            # What is to be adopted must be there: else it is fetched again, and what lies there is moved aside.
            touch = "nothing"
        key = self.rng.choice(sorted(files)) if files else ""
        path, away = self.root / key, self.folder / "away"
        if touch != "nothing":
            self.tell(f"{touch} {key}")
        if touch in {"lose", "overwrite", "link"}:
            self.judge.spoilt |= {key}
            self.judge.unnoticed |= {key}
            path.unlink()
        if touch == "overwrite":
            path.write_text("mine")
        elif touch == "link":
            path.symlink_to(self.folder / "mirror.toml")
        if touch == "folder":
            self.disk_fails = True
            path.parent.rename(away)
            path.parent.symlink_to(self.folder)
        try:
            yield
        finally:
            if touch == "folder":
                path.parent.unlink()
                away.rename(path.parent)

    # -- the network fails --------------------------------------------------------------------------------------

    def script_faults(self) -> None:
        """Let some requests of the next run fail."""
        for _ in range(self.rng.choice((0, 1, 2, 4, 8))):
            if self.rng.random() < 0.25:
                self.api_fails = True
                self._fault(
                    self.rng.choice(("get-race-photos.json", "albums.json", "/rest/")), self.rng.choice(API_FAULTS)
                )
            else:
                photo = self.some_photo()
                self._fault(self.rng.choice((photo.name, *_START.values())), self.rng.choice(PICTURE_FAULTS))

    def _fault(self, where: str, fault: dict[str, Any]) -> None:
        is_once = fault in ONCE or "stalls" in fault or "stall_after" in fault
        times = 1 if is_once else self.rng.choice((1, 1, 2, 3, 7))
        if fault.get("status") == 302:
            target = {"api": self.source.base_url, "name": "http://localhost:1/x"}.get(fault["to"], fault["to"])
            fault = {"status": 302, "headers": {"Location": target}}
        self.tell(f"{times} times {where}: { ({name: value for name, value in fault.items() if name != 'body'}) }")
        self.source.fault(where, times=times, **fault)

    # -- one run ------------------------------------------------------------------------------------------------

    async def run(self, *words: str, calm: bool = False) -> Ended:
        """Run once, disturbed or not, and hold what it says against what it left."""
        self.source.requests.clear()
        wanted = sum(len(photo.offered) for photo in self.source.race.photos.values())
        signals = [] if calm else self._signals()
        environ = {
            **_SHORT, "MIRROR_DOWNLOAD__VARIANTS": ",".join(self.variants),
            "MIRROR_RACES__0__PARTICIPANT_UPLOADS": str(self.with_participants).lower(),
        }  # fmt: skip
        words = ("sync", *words, "--log-json", "log.jsonl", *self.rng.choice(((), ("--quiet",), ("-vv",), ("--json",))))
        began = asyncio.get_running_loop().time()
        with nullcontext() if calm else self.touched_tree():
            ended = await self.forks.run(self.folder, *words, environ=environ, after_s=signals)
        self.tell(f"{' '.join(words)}, {signals}: {ended.code} in {asyncio.get_running_loop().time() - began:.1f} s")
        self.source.faults.clear()
        self._judge(ended, is_full="--full" in words, is_verbose="-vv" in words, was_signalled=bool(signals))
        assert self.source.pictures_asked() <= (_ATTEMPTS + 1) * (wanted + 20)
        pages = len(self.source.race.photos) // _PAGE_SIZE + 3
        assert self.source.api_requests() <= (_ATTEMPTS + 1) * (3 * pages + 4)
        self._search_for_secrets(ended)
        self.api_fails = self.disk_fails = False
        # A run that a folder stopped may have named a part of a group, as one that a signal ended.
        self.was_cut_off = ended.code not in {0, 1}
        return ended

    def _signals(self) -> list[tuple[float, int]]:
        moment = self.rng.uniform(0, 0.5)
        kinds: list[list[tuple[float, int]]] = [
            [(moment, signal.SIGKILL)], [(moment, signal.SIGINT)], [(moment, signal.SIGTERM)],
            [(moment, signal.SIGINT), (moment + self.rng.uniform(0, 0.1), signal.SIGINT)],
        ]  # fmt: skip
        return self.rng.choice(kinds) if self.rng.random() < 0.3 else []

    def _judge(self, ended: Ended, *, is_full: bool, is_verbose: bool, was_signalled: bool) -> None:
        if is_full and ended.code in {0, 1} and self.variants == _VARIANTS and self.with_participants:
            self.judge.unnoticed = frozenset()
        self.judge.check(self.root)
        # What others put under a key stays there until the right bytes come; then it is moved aside.
        mended = {key for key in self.judge.spoilt if self.judge.is_right(*asset_of(key), self.root / key)}
        self.judge.spoilt -= mended
        assert is_verbose or "Traceback" not in ended.said, ended.said
        assert ended.memory_kb < _MOST_MEMORY_KB
        allowed = {0, 1}
        allowed |= {3} if self.api_fails else set()
        allowed |= {4, 5} if self.disk_fails else set()
        allowed |= {-signal.SIGKILL, 130, 143, -signal.SIGTERM} if was_signalled else set()
        assert ended.code in allowed, ended.said
        if ended.code == 0:
            self._check_all_is_there(is_full=is_full)

    def _check_all_is_there(self, *, is_full: bool) -> None:
        """Exit code 0 says that everything wanted is stored: nothing that is listed may be missing."""
        with manifest_of(self.root / ".mirror") as manifest:
            known = {photo_id for (photo_id,) in manifest.execute("SELECT photo_id FROM photo")}
            query = "SELECT photo_id, variant, key FROM asset JOIN photo USING (photo_no) WHERE state = 'stored'"
            stored = {(photo_id, variant): key for photo_id, variant, key in manifest.execute(query)}
            wanted = {
                str(asset_id) for (asset_id,) in manifest.execute("SELECT asset_id FROM asset WHERE state = 'wanted'")
            }
        # Only what a narrower configuration does not ask for today may have begun.
        assert {each.name.partition(".")[0] for each in (self.root / ".mirror/drafts").iterdir()} <= wanted
        for photo in self.photos():
            # A quick pass finds what was uploaded; what was changed since, only a full one.
            assert photo.photo_id in known, f"photo {photo.photo_id} is lost"
            for variant in set(photo.offered) & set(self.variants) if is_full else ():
                assert (photo.photo_id, variant) in stored, f"{variant} of photo {photo.photo_id} is lost"

    def _search_for_secrets(self, ended: Ended) -> None:
        log = (self.folder / "log.jsonl").read_bytes() if (self.folder / "log.jsonl").exists() else b""
        said = ended.said.encode() + log
        (self.folder / "log.jsonl").unlink(missing_ok=True)
        kept = b"".join(path.read_bytes() for path in self.root.glob(".mirror/*") if path.is_file())
        for secret in (self.source.api_secret, self.source.api_key):
            assert secret.encode() not in said + kept
            for each in self.source.requests:
                sent = f"{each.path} {each.query} {each.headers}"
                assert each.is_api or secret not in sent
        assert _SIGNATURE.encode() not in said


_ERROR = '{"error": {"error_code": %s, "error_msg": "no"}}'
EMPTY = {"body": b'{"photos": null}'}
# An end of the listing that comes too early once is seen through; one that comes in every walk is an end.
ONCE = (EMPTY,)
API_FAULTS: tuple[dict[str, Any], ...] = (
    *({"body": (_ERROR % code).encode()} for code in (14, 5, 6, 1)),
    {"status": 429, "headers": {"Retry-After": "0"}}, {"status": 503, "headers": {"Retry-After": "1"}},
    {"status": 429, "headers": {"Retry-After": "600"}}, {"status": 500}, {"status": 522, "body": b"<html>"},
    {"body": b"<html>sorry</html>"}, {"body": b'{"photos": [{"photo_id": 1, '}, {"body": b""}, EMPTY,
    {"body": b'{"photos": []}', "cut_after": 4}, {"stalls": True}, {"status": 302, "to": "name"},
)  # fmt: skip
_SHORTER: Callable[[bytes], bytes] = lambda body: body[:-2]  # noqa: E731
PICTURE_FAULTS: tuple[dict[str, Any], ...] = (
    {"cut_after": 100}, {"cut_after": 0}, {"cut_after": 700_000, "headers": {"ETag": '"one"'}},
    {"cut_after": 900_000}, {"stalls": True}, {"stall_after": 100}, {"stall_after": 600_000},
    {"status": 403, "body": b"<Error/>"}, {"status": 404}, {"status": 410}, {"status": 500}, {"status": 416},
    {"status": 503, "body": b"<Code>SlowDown</Code>"}, {"status": 503, "headers": {"Retry-After": "1"}},
    {"status": 429, "headers": {"Retry-After": "600"}}, {"status": 206, "headers": {"Content-Range": "bytes 5-9/10"}},
    {"body": b"<html>login</html>"}, {"body": b""}, {"body": b"\xff\xd8 no picture"}, {"change": _SHORTER},
    {"change": lambda body: body[: len(body) // 2] + bytes(len(body) // 2)}, {"change": gzip.compress},
    {"change": gzip.compress, "headers": {"Content-Encoding": "gzip"}},
    {"change": lambda body: body, "headers": {"ETag": 'W/"weak"'}},
    {"status": 302, "to": "api"}, {"status": 302, "to": "name"}, {"status": 302, "to": "/nowhere.jpg"}, {"status": 301, "body": b""},
)  # fmt: skip


async def live(life: Life, runs: int) -> None:
    """Run so many times, with everything going wrong in between and meanwhile."""
    for _ in range(runs):
        for _ in range(life.rng.choice((0, 1, 1, 2, 5))):
            life.change_source()
        if life.rng.random() < 0.15:
            life.change_configuration()
        life.script_faults()
        await life.run(*life.rng.choice(((), ("--full",), ("--full",), ("--full", "--recheck"))))


async def converge(life: Life) -> None:
    """Left alone, the archive becomes exactly what the source has."""
    life.variants, life.with_participants = _VARIANTS, True
    for _ in range(5):
        if (ended := await life.run("--full", "--recheck", calm=True)).code == 0:
            break
    assert ended.code == 0, ended.said
    # Only what is served now counts from here on.
    now = Judge.of(life.source.race)
    files = assets_on_disk(life.root)
    with manifest_of(life.root / ".mirror") as manifest:
        query = "SELECT photo_id, variant, key FROM asset JOIN photo USING (photo_no) WHERE state = 'stored'"
        stored = {(photo_id, variant): key for photo_id, variant, key in manifest.execute(query)}
    # What others put under the key of an asset that is gone stays there.
    assert set(files) - life.judge.spoilt == set(stored.values())
    for photo in life.photos():
        for variant in photo.offered:
            key = stored[photo.photo_id, variant]
            assert now.is_right(photo.photo_id, variant, files[key]), f"{key} is not what the source has"
    life.judge.check_ended(life.root)
    again = await life.run("--quiet", calm=True)
    asked = [each.path.rpartition("/")[2] for each in life.source.requests]
    assert (again.code, asked) == (0, ["get-race-photo-albums.json", "get-race-photos.json"])


async def live_through(folder: Path, *, seed: int, runs: int) -> None:
    """Live a life, and tell it if it ends badly."""
    rng = random.Random(seed)
    async with SourceSimulator(photos=0) as source, Forks() as forks:
        source.race = MixedRace(photos=20, seed=seed)
        source.config(folder)
        life = Life(rng=rng, source=source, forks=forks, folder=folder, judge=Judge.of(source.race))
        try:
            await live(life, runs)
            await converge(life)
        except Exception as error:
            error.add_note(f"seed {seed}:\n" + "\n".join(life.told[-60:]))
            raise


async def test_an_archive_survives_some_mixed_faults(tmp_path: Path) -> None:
    """A few runs of bad luck, then calm: nothing wrong, nothing lost, nothing told."""
    await live_through(tmp_path, seed=3, runs=5)


@pytest.mark.slow
@pytest.mark.parametrize("first", [0, 3, random.randrange(10**6)], ids=["0", "3", "new"])
async def test_archives_survive_a_long_run_of_mixed_faults(tmp_path: Path, first: int) -> None:
    """Dozens of runs in a row, some lives at a time; the last ones by a new plan each time."""
    async with asyncio.TaskGroup() as tasks:
        for seed in range(first, first + 3):
            (tmp_path / str(seed)).mkdir()
            tasks.create_task(live_through(tmp_path / str(seed), seed=seed, runs=40))
