"""Are the stored files what they were? Hashes the tree again, says what is wrong, and has it fetched anew."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from mirror.archive import Archive, Expected, Inspection
from mirror.decode import Verdict, try_decoding
from mirror.findings import Check, Finding, Mark, VerifyReport, batches, judge
from mirror.keeping import Kept, opened
from mirror.layout import SIDECAR
from mirror.manifest import Choice, KeepingReader, StoredFile, at_text
from mirror.model import RunReport
from mirror.root import ArchiveRoot
from mirror.tally import Steps, Tally

if TYPE_CHECKING:
    from mirror.config import Config

_READ_ROWS = 2000
_HOPS_AT_ONCE = 4
_NOTE_FILES = 5000
_GOES_ON_FOR = timedelta(days=7)
_BELIEVABLE = 10
"""So many files may be missing without further thought; more of them must stay below a fifth."""
_OWN_FILE = "mirror.toml"


async def verify(
    root: ArchiveRoot, path: Path, check: Check, *, steps: Steps, stop: asyncio.Event,
    on_found: Callable[[Finding], None] = lambda _: None,
) -> VerifyReport:  # fmt: skip
    """Hash stored files again and compare; nothing in the tree is touched, and no source is asked.

    In a bucket files are compared by what the store says of them, unless the check is deep.

    What was found is noted in the manifest, where that can be written: when a file was right, and that damaged and
    missing ones are wanted again.

    Args:
        path: The manifest's file.
        steps: Counts that a watcher may read meanwhile.
        stop: When set, what was found so far is noted, and the next run of the same kind goes on.
        on_found: Told of each file.
    Raises:
        ArchiveError: The tree is not there or cannot be read, or the store refuses.
        ManifestError: In use, damaged, newer, or not the manifest of this tree.
    """
    async with opened(root, path, is_read_only=True) as kept:
        with KeepingReader(path) as reader:
            return await _Verification(kept, reader, check, steps, on_found).to_its_end(stop)


async def repair(
    config: "Config", report: VerifyReport, *, stop: asyncio.Event | None = None, tally: Tally | None = None
) -> RunReport:
    """Fetch the damaged and missing files of a report again, and nothing else; what is mended goes into the report."""
    from mirror.sync import run_fetch  # noqa: PLC0415 - looking needs no network

    async def choose(_: object) -> Sequence[int]:
        return report.asset_ids

    done = await run_fetch(config, command="repair", choose=choose, stop=stop, tally=tally)
    report.mended = max(0, len(report.asset_ids) - done.missing - done.gone)
    return done


class _Verification:
    """One verification on its way."""

    def __init__(
        self, kept: Kept, reader: KeepingReader, check: Check, steps: Steps, on_found: Callable[[Finding], None]
    ) -> None:
        self.root = kept.root
        self.archive: Archive = kept.archive
        self.manifest = kept.manifest
        self.reader = reader
        self.check = check
        self.steps = steps
        self.on_found = on_found
        self.report = VerifyReport()
        self.right_ids: list[int] = []
        self.damaged_ids: list[int] = []
        self.missing_ids: list[int] = []
        self.choice = self.choose()

    def choose(self) -> Choice:
        """Which files are meant: what was asked for, less what a stopped verification has done already."""
        now = datetime.now(UTC)
        before = None
        if self.check.older_than_s is not None:
            before = at_text(now - timedelta(seconds=self.check.older_than_s))
        elif self.check.sample is None:
            before = self.reader.stopped_since(self.check.command, at_text(now - _GOES_ON_FOR))
            self.report.goes_on_from = before
        return Choice(race_id=self.check.race_id, before=before)

    async def to_its_end(self, stop: asyncio.Event) -> VerifyReport:
        if self.manifest is not None:
            await self.manifest.begin_run(self.check.command)
        await self.hash_all(stop)
        if not stop.is_set() and self.check.is_whole:
            await self.find_extra()
        self.report.is_stopped = stop.is_set()
        await self.note_all()
        return self.report

    # -- hashing ------------------------------------------------------------------------------------------------

    async def hash_all(self, stop: asyncio.Event) -> None:
        """Hash in a few threads; what is under way when the stop comes is finished."""
        pending: set[asyncio.Task[None]] = set()
        try:
            async for batch, is_version in self.work():
                if stop.is_set():
                    break
                pending.add(asyncio.create_task(self.hash(batch, is_version=is_version)))
                if len(pending) >= _HOPS_AT_ONCE:
                    done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                    for task in done:
                        task.result()
                if len(self.right_ids) >= _NOTE_FILES:
                    await self.note_right()
        finally:
            results = await asyncio.gather(*pending, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def work(self) -> AsyncIterator[tuple[list[StoredFile], bool]]:
        """Files in the order of their assets, then versions; batch by batch."""
        files, size = self.reader.count_stored(self.choice)
        sample = self.check.sample
        versions = self.reader.version_files(self.choice) if sample is None else []
        if sample is None:
            self.expect(files, size)
            self.expect(len(versions), sum(each.size_bytes for each in versions))
            after = ""
            while rows := self.reader.stored_files(self.choice, after, _READ_ROWS):
                for batch in self.cut(rows):
                    yield batch, False
                after = rows[-1].key
        else:
            rows = self.reader.drawn_files(self.choice, sample.of(files))
            self.expect(len(rows), sum(each.size_bytes for each in rows))
            for batch in self.cut(rows):
                yield batch, False
        for batch in self.cut(versions):
            yield batch, True

    def cut(self, files: Sequence[StoredFile]) -> Iterator[list[StoredFile]]:
        """Cut a list of files into what is looked at in one go."""
        return batches(files) if self.check.is_deep else batches(files, most=self.archive.most_at_a_glance)

    def expect(self, files: int, size: int) -> None:
        self.steps.files += files
        self.steps.bytes += size

    async def hash(self, batch: Sequence[StoredFile], *, is_version: bool) -> None:
        found = await self.look(batch)
        for file, each in zip(batch, found, strict=True):
            mark = judge(file, each)
            self.sort(file, mark, is_version=is_version, is_read=each.is_read)
            self.report.not_decoded += each.examined == "not tried"
            self.report.bytes += (each.size_bytes or 0) if each.is_read else 0
            self.steps.done += 1
            self.steps.done_bytes += file.size_bytes
            self.steps.found += mark != "="
            self.on_found(Finding(mark=mark, path=file.key, is_version=is_version))

    async def look(self, batch: Sequence[StoredFile]) -> Sequence[Inspection[Verdict]]:
        if self.check.is_deep:
            return await self.archive.inspect([each.key for each in batch], try_decoding)
        return await self.archive.glance(
            [
                Expected(key=each.key, size_bytes=each.size_bytes, sha256=each.sha256, right_ts=each.right_ts)
                for each in batch
            ]
        )

    def sort(self, file: StoredFile, mark: Mark, *, is_version: bool, is_read: bool) -> None:
        """Put one file where it belongs in the report."""
        report = self.report
        if is_version:
            report.right_versions += mark == "="
            if mark != "=":
                report.bad_versions.append(file.key)
        elif mark == "-":
            report.missing.append(file.key)
            self.missing_ids.append(file.asset_id)
        elif mark == "*":
            report.damaged.append(file.key)
            self.damaged_ids.append(file.asset_id)
        elif mark == "!":
            # Not noted as verified: those who go on with a stopped verification must name it again.
            report.undecodable.append(file.key)
        else:
            report.right += 1
            report.compared += not is_read
            if is_read:
                self.right_ids.append(file.asset_id)

    async def find_extra(self) -> None:
        """Name what lies in the tree and is no asset's, no sidecar of one, and no export that this program made."""
        exports = tuple(f"{each.path}/" for each in self.reader.exports())
        async for files in self.archive.walk():
            pictures = {file: file.removesuffix(SIDECAR) for file in files}
            known = self.reader.known_keys([*{*files, *pictures.values()}])
            for file in files:
                is_ours = file == _OWN_FILE or self.lies_in(file, exports)
                if pictures[file].lower() not in known and not is_ours:
                    self.report.extra.append(file)
                    self.on_found(Finding(mark="+", path=file))

    def lies_in(self, file: str, exports: tuple[str, ...]) -> bool:
        """Whether a file of the tree is, or lies in, one of our exports."""
        return self.root.folder is not None and f"{self.root.folder.absolute()}/{file}/".startswith(exports)

    # -- noting -------------------------------------------------------------------------------------------------

    async def note_right(self) -> None:
        ids, self.right_ids = self.right_ids, []
        if self.manifest is not None:
            await self.manifest.note_verified(ids)

    async def note_all(self) -> None:
        """Write down what was found; where nothing can be written, the report is all there is."""
        report, manifest = self.report, self.manifest
        believable = max(_BELIEVABLE, self.steps.done // 5)
        report.is_withheld = len(self.missing_ids) > believable and not self.check.wants_again
        report.asset_ids = [*self.damaged_ids, *([] if report.is_withheld else self.missing_ids)]
        if manifest is None:
            return
        await self.note_right()
        await manifest.want_again(self.damaged_ids, "damaged")
        if not report.is_withheld:
            await manifest.want_again(self.missing_ids, "vanished")
        report.is_noted = True
        wrong = len(report.damaged) + len(report.missing)
        code = (None if report.right > report.compared else 1) if report.is_stopped else 0 if report.is_right else 1
        await manifest.end_run(exit_code=code, new_photos=0, stored=0, stored_bytes=0, failed=wrong)
