"""What a sync would do: photos, files, bytes, disk; before the first byte is stored."""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mirror.config import Config
from mirror.errors import ArchiveError
from mirror.manifest import Manifest
from mirror.model import Tally
from mirror.opening import PROGRAM, manifest_path, open_source, open_transport
from mirror.passes import Passes
from mirror.records import variants_of
from mirror.sync import wishes_of
from mirror.targets import resolve

_PER_PHOTO_BYTES = {"original": 2_000_000, "large": 150_000, "thumbnail": 17_000}
"""A guess for variants that the archive holds none of yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a sync would find and fetch."""

    photos: int
    new_photos: int
    files: int
    bytes_estimated: int
    is_guess: bool
    """Whether the archive holds nothing yet to judge sizes by."""
    api_calls: int
    free_bytes: int
    is_listing_complete: bool

    def text(self) -> str:
        """The estimate for people."""
        basis = "a guess by typical sizes" if self.is_guess else "by the sizes stored so far"
        fits = "it fits" if self.bytes_estimated < self.free_bytes else "IT DOES NOT FIT"
        lines = [
            f"{self.photos:,} photos listed, {self.new_photos:,} of them new; {self.files:,} files to fetch",
            f"about {self.bytes_estimated / 1e6:,.0f} MB ({basis}); {self.free_bytes / 1e9:,.1f} GB free: {fits}",
            f"{self.api_calls} API calls made; nothing was stored",
        ]
        return "\n".join(lines if self.is_listing_complete else [*lines, "the listing could not be completed"])


async def try_sync(config: Config, *, races: Sequence[str] = (), is_full: bool = False) -> Estimate:
    """List into a copy of the manifest and count what would be fetched; the archive stays as it is.

    Raises:
        AccessError: The API refuses.
        ManifestError: The archive is in use.
    """
    wishes = wishes_of(config, races)
    root = next(folder for folder in (config.archive.root, *config.archive.root.parents) if folder.exists())
    try:
        free = shutil.disk_usage(root).free
    except OSError as error:
        raise ArchiveError(f"{root}: {error.strerror}") from None
    transport = open_transport(config)
    with tempfile.TemporaryDirectory(prefix="mirror-") as folder:
        copy = Path(folder) / "manifest.sqlite"
        if manifest_path(config).exists():
            original = await Manifest.open(manifest_path(config), create=False, program=PROGRAM)
            try:
                await original.snapshot(copy)
            finally:
                await original.aclose()
        manifest = await Manifest.open(copy, create=True, program=PROGRAM)
        try:
            source = open_source(config, transport)
            await manifest.begin_run("dry run")
            targets = await resolve(wishes, source=source, manifest=manifest, fresh_s=config.listing.race_every)
            await manifest.select(targets.selected, variants_of=variants_of)
            tally = Tally()

            async def nothing() -> None:
                pass

            passes = Passes(
                source=source, manifest=manifest, tally=tally, page_size=config.api.page_size,
                most_pages=config.listing.most_pages, overlap_s=config.listing.overlap,
                full_every_s=config.listing.full_every, is_full=is_full, on_wanted=lambda: None, before_full=nothing,
            )  # fmt: skip
            for target in targets.targets:
                if (refusal := await passes.read(target)) is not None:
                    raise refusal
            files = await manifest.count_wanted()
            sizes = await manifest.known_sizes()
        finally:
            await manifest.aclose()
            await transport.aclose()
    names = {name for wish in wishes for name in wish.variants}
    means = [sizes[name][1] / sizes[name][0] if name in sizes else _PER_PHOTO_BYTES[name] for name in names]
    return Estimate(
        photos=sum(each.photos for each in passes.reports),
        new_photos=sum(each.new_photos for each in passes.reports),
        files=files,
        bytes_estimated=round(files * sum(means) / max(1, len(means))),
        is_guess=not sizes,
        api_calls=transport.api_calls,
        free_bytes=free,
        is_listing_complete=all(each.is_complete for each in passes.reports) and not targets.refusals,
    )
