"""What a sync would fetch: photos, files, bytes, disk; before the first byte is stored."""

import shutil
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mirror.archive import Archive, LocalArchive
from mirror.config import Config
from mirror.current import PROGRAM
from mirror.errors import ArchiveError, FetchError
from mirror.leftovers import want_vanished
from mirror.manifest import Manifest, ManifestReader
from mirror.model import VARIANTS, Job, PassReport
from mirror.opening import manifest_path, open_objects, open_source, open_transport
from mirror.passes import Passes
from mirror.records import variants_of
from mirror.root import STATE, ArchiveRoot
from mirror.sync import wishes_of
from mirror.tally import Tally
from mirror.targets import Targets, resolve
from mirror.transport import Transport

_SAMPLES = 5
_BATCH = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantEstimate:
    """What would be fetched of one variant."""

    variant: str
    files: int
    bytes: int | None
    """None where nothing tells."""
    basis: Literal["stored", "sample", "unknown"]
    """What the bytes are judged by: files stored before, or lengths that the source announces for a few."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a sync would find and fetch."""

    root: str
    photos: int
    """Seen in the listings."""
    new_photos: int
    variants: tuple[VariantEstimate, ...]
    vanished: int
    """Of the files to fetch: those that the archive had stored and holds no more."""
    api_calls: int
    """Made for this estimate; a sync makes about as many."""
    free_bytes: int | None
    """On its disk; None where there is no end, in a bucket."""
    min_free_bytes: int
    incomplete: tuple[str, ...] = ()
    """Listings that could not be read to their end, each with its reason."""

    @property
    def files(self) -> int:
        """Files to fetch."""
        return sum(each.files for each in self.variants)

    @property
    def bytes(self) -> int:
        """Bytes to fetch, as far as they can be judged."""
        return sum(each.bytes or 0 for each in self.variants)

    @property
    def has_room(self) -> bool:
        """Whether the disk takes it all and keeps free what it must."""
        return self.free_bytes is None or self.bytes + self.min_free_bytes <= self.free_bytes

    @property
    def room_text(self) -> str:
        """Say what does not fit."""
        return (
            f"{self.root}: {self.bytes / 1e9:,.1f} GB needed and {self.min_free_bytes / 1e9:,.1f} GB to be kept free "
            f"(archive.min_free), but only {(self.free_bytes or 0) / 1e9:,.1f} GB are free"
        )


async def try_sync(
    config: Config, *, races: Sequence[str] = (), is_full: bool = False, tally: Tally | None = None
) -> Estimate:
    """List into a copy of the manifest and count what would be fetched; the archive stays as it is.

    Args:
        tally: Counts that a watcher may read meanwhile.
    Raises:
        ConfigError: The configuration names no race, or not those asked for.
        AccessError: The API refuses this caller altogether.
        ArchiveError: The temporary folder cannot be written.
        ManifestError: The manifest is damaged or newer.
    """
    wishes = wishes_of(config, races)
    async with AsyncExitStack() as rooms:
        manifest = await rooms.enter_async_context(_copied_manifest(config))
        transport = open_transport(config)
        rooms.push_async_callback(transport.aclose)
        source = open_source(config, transport)
        await manifest.begin_run("dry run")
        targets = await resolve(wishes, source=source, manifest=manifest, fresh_s=config.listing.race_every)
        await manifest.select(targets.selected, variants_of=variants_of)
        losses = _Losses(config, manifest)
        tally = tally or Tally()
        passes = Passes(
            source=source, manifest=manifest, tally=tally, page_size=config.api.page_size,
            most_pages=config.listing.most_pages, overlap_s=config.listing.overlap,
            full_every_s=config.listing.full_every, is_full=is_full, on_wanted=lambda: None, before_full=losses.find,
        )  # fmt: skip
        for target in targets.targets:
            if (refusal := await passes.read(target)) is not None:
                raise refusal
        tally.is_listing_done = True
        return Estimate(
            root=str(config.archive.root),
            photos=sum(each.photos for each in passes.reports),
            new_photos=sum(each.new_photos for each in passes.reports),
            variants=await _judge_variants(manifest, transport),
            vanished=losses.count or 0,
            api_calls=transport.api_calls,
            free_bytes=_free_bytes(config.archive.root),
            min_free_bytes=config.archive.min_free,
            incomplete=tuple(_incomplete(targets, passes.reports)),
        )


def _incomplete(targets: Targets, reports: Sequence[PassReport]) -> Iterator[str]:
    """Name what could not be listed to its end."""
    for race_id, error in targets.refusals:
        yield f"race {race_id}: {error}" if race_id else str(error)
    for each in reports:
        if not each.is_complete:
            yield f"race {each.race_id} day {each.race_day_id}: listing incomplete: {each.reason}"


@asynccontextmanager
async def _copied_manifest(config: Config) -> AsyncIterator[Manifest]:
    """Open a copy of the archive's manifest in a temporary folder, or a new one for a new archive."""
    try:
        folder = tempfile.TemporaryDirectory(prefix="mirror-dry-run-")
    except OSError as error:
        raise ArchiveError(f"{tempfile.gettempdir()}: cannot be written: {error.strerror}") from None
    with folder as name:
        copy = Path(name) / "manifest.sqlite"
        if manifest_path(config).exists():
            with ManifestReader(manifest_path(config)) as reader:
                reader.copy(copy)
        manifest = await Manifest.open(copy, create=True, program=PROGRAM, template=config.archive.template)
        try:
            yield manifest
        finally:
            await manifest.aclose()


class _Losses:
    """Wants again, in the copy, what the archive holds no more; once, before the first full pass."""

    def __init__(self, config: Config, manifest: Manifest) -> None:
        self._config = config
        self._manifest = manifest
        self.count: int | None = None

    async def find(self) -> None:
        """Look for stored files that are not there."""
        if self.count is None:
            self.count = 0
            with tempfile.TemporaryDirectory(prefix="mirror-dry-run-") as folder:
                archive = await self._opened(Path(folder))
                if archive is not None:
                    try:
                        self.count = await want_vanished(archive, self._manifest)
                    finally:
                        await archive.aclose()

    async def _opened(self, folder: Path) -> Archive | None:
        root = self._config.archive.root
        if root.is_local:
            is_there = (root.path / STATE).is_dir()
            return await LocalArchive.open(root.path, create=False, is_read_only=True) if is_there else None
        return await open_objects(self._config, create=True, is_read_only=True, folder=folder)


async def _judge_variants(manifest: Manifest, transport: Transport) -> tuple[VariantEstimate, ...]:
    """Count the wanted files of each variant, and judge their size by what is stored, else by a few of them."""
    counts: dict[str, int] = defaultdict(int)
    samples: dict[str, list[Job]] = defaultdict(list)
    for host in await manifest.hosts():
        after_no = 0
        while jobs := await manifest.wanted(host, after_no, _BATCH):
            after_no = jobs[-1].wanted_no
            for job in jobs:
                counts[job.variant] += 1
                if len(samples[job.variant]) < _SAMPLES:
                    samples[job.variant].append(job)
    known = await manifest.known_sizes()
    found = []
    for variant in sorted(counts, key=lambda name: (VARIANTS.index(name) if name in VARIANTS else len(VARIANTS), name)):
        basis: Literal["stored", "sample", "unknown"] = "stored" if variant in known else "sample"
        sizes = None if variant in known else await _announced_sizes(samples[variant], transport)
        stored, stored_bytes = known.get(variant, (0, 0))
        mean = stored_bytes / stored if stored else sum(sizes) / len(sizes) if sizes else None
        found.append(
            VariantEstimate(
                variant=variant,
                files=counts[variant],
                bytes=None if mean is None else round(mean * counts[variant]),
                basis=basis if mean is not None else "unknown",
            )
        )
    return tuple(found)


async def _announced_sizes(jobs: Sequence[Job], transport: Transport) -> list[int]:
    """Ask for a few pictures and read only the lengths that the answers announce."""
    sizes = []
    for job in jobs:
        try:
            async with transport.open_asset(job.url) as body:
                if body.length is not None:
                    sizes.append(body.length)
        except FetchError:
            continue
    return sizes


def _free_bytes(root: ArchiveRoot) -> int | None:
    if not root.is_local:
        return None
    folder = next(each for each in (root.path, *root.path.parents) if each.is_dir())
    try:
        return shutil.disk_usage(folder).free
    except OSError as error:
        raise ArchiveError(f"{folder}: {error.strerror}") from None
