"""A manifest made again, from what an earlier one knew, from the source, and from the tree itself."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from mirror.archive import Archive, LocalArchive
from mirror.asset_ref import AssetNames
from mirror.commit import Committer
from mirror.config import Config
from mirror.current import PROGRAM
from mirror.errors import AccessError, ArchiveError, ManifestError
from mirror.layout import DEFAULT_TEMPLATE
from mirror.manifest import RebuiltManifest, Workshop
from mirror.manifest.text import now_text
from mirror.model import PassReport, Scope
from mirror.opening import manifest_path, open_objects, open_source, open_transport
from mirror.passes import Passes
from mirror.rebuild.adopting import Adoption, Glance, is_litter
from mirror.rebuild.basis import Basis, choose_basis
from mirror.rebuild.reading import Reader
from mirror.rebuild.report import RebuildReport
from mirror.rebuild.version_files import VersionFiles
from mirror.records import variants_of
from mirror.root import STATE
from mirror.source import Source
from mirror.sync import wishes_of
from mirror.tally import Tally
from mirror.targets import Target, Targets, Wish, resolve

log = logging.getLogger(__name__)

_MOST_REASONS = 3
_NOTHING = "neither an archive nor any file lies there: is its disk mounted?"


async def run_rebuild(
    config: Config, *, basis: Path | None = None, is_offline: bool = False, tally: Tally | None = None
) -> RebuildReport:
    """Make the archive's manifest again and put it in place of the one that is lost, damaged, or not the tree's.

    Nothing in the tree is changed, and no picture is asked for. Until everything is listed and read the old manifest
    stays what it is; a run that is killed, or raises, changes nothing.

    Args:
        basis: A manifest to begin from; None takes the one in place or its snapshot in the tree, if one is sound.
        is_offline: Ask the source nothing: only what the basis knows can be matched.
        tally: Counts that a watcher may read meanwhile: files as ``stored`` of ``wanted``, bytes as ``fetched_bytes``.
    Raises:
        ConfigError: The configuration names no race.
        AccessError: The API refuses, or a listing could not be completed.
        ArchiveError: The disk refuses; or a folder with stored files cannot be looked into.
        ManifestError: In use by another run, of a newer version, or there is nothing to make one from.
    """
    wishes = [] if is_offline else wishes_of(config)
    tally = tally or Tally()
    tally.phase = "looking at earlier manifests"
    async with AsyncExitStack() as rooms:
        archive = await _open_archive(config)
        rooms.push_async_callback(archive.aclose)
        path = manifest_path(config)
        workshop = await asyncio.to_thread(Workshop, path)
        rooms.callback(workshop.close)
        tree_id = await archive.archive_id()
        snapshot = archive.own_file(path.name)
        await archive.fetch_own(snapshot.name)
        begun = await asyncio.to_thread(choose_basis, workshop, path, snapshot.parent, given=basis, tree_id=tree_id)
        manifest = await RebuiltManifest.open(
            workshop.draft, create=True, program=PROGRAM, template=config.archive.template,
            is_on_network=archive.is_on_network and not config.archive.is_manifest_apart,
            keeps_versions=config.archive.versions != 0,
        )  # fmt: skip
        rooms.push_async_callback(manifest.aclose)
        this = _Rebuild(config, archive, manifest, begun, tally, is_offline=is_offline)
        await this.begin(tree_id)
        if not is_offline:
            await this.list_all(wishes)
        await this.adopt_all()
        return await this.install(workshop)


async def _open_archive(config: Config) -> Archive:
    """Open the tree; one whose own folder was lost gets it again, but an empty folder is no tree."""
    if not config.archive.root.is_local:
        return await open_objects(config, create=True)
    root = config.archive.root.path
    if not await asyncio.to_thread(_holds_anything, root):
        raise ManifestError(f"{root}: {_NOTHING}")
    return await LocalArchive.open(root, create=True, min_free_bytes=config.archive.min_free)


def _holds_anything(root: Path) -> bool:
    try:
        return (root / STATE).is_dir() or any(not is_litter(each.name) for each in root.iterdir())
    except OSError as error:
        raise ArchiveError(f"{root}: cannot open the archive: {error.strerror}") from None


class _Rebuild:
    """The joints of one rebuild; every decision is made elsewhere."""

    def __init__(
        self, config: Config, archive: Archive, manifest: RebuiltManifest, basis: Basis, tally: Tally,
        *, is_offline: bool,
    ) -> None:  # fmt: skip
        self.config = config
        self.archive = archive
        self.manifest = manifest
        self.basis = basis
        self.tally = tally
        self.is_offline = is_offline
        self.notes = list(basis.notes)
        self.passes: list[PassReport] = []
        self.glance = Glance()
        names = AssetNames((config.archive.template, DEFAULT_TEMPLATE))
        self.adoption = Adoption(
            archive=archive,
            manifest=manifest,
            names=names,
            reader=Reader(archive=archive, tally=tally, largest_bytes=config.download.largest_asset),
            tally=tally,
            stamp=now_text(),
            own=frozenset(_own_keys(config)),
        )
        self.findings = self.adoption.findings
        self.version_files = VersionFiles(
            archive=archive, manifest=manifest, names=names, stamp=self.adoption.stamp, findings=self.findings
        )  # fmt: skip

    async def begin(self, tree_id: str | None) -> None:
        """Look at the tree, and take over what a killed sync left half recorded.

        Raises:
            ManifestError: Nothing lies there, or nothing is known that its files could be matched with.
        """
        self.tally.phase = "reading the tree"
        self.glance = await self.adoption.glance()
        root = self.archive.place
        if not self.glance.files and tree_id is None:
            raise ManifestError(f"{root}: {_NOTHING}")
        if self.is_offline and self.basis.path is None:
            raise ManifestError(
                f"{root}: no earlier manifest to begin from, and the {self.glance.files:,} files alone cannot tell "
                "which photos there are, where they come from or who is on them: run this without --offline, or give "
                "--from FILE"
            )
        await self.manifest.begin_rebuild(archive_id=tree_id, forgotten=self.basis.forgotten, stamp=self.adoption.stamp)
        await self.manifest.begin_run("rebuild")
        await Committer(archive=self.archive, manifest=self.manifest).settle()

    # -- listing ------------------------------------------------------------------------------------------------

    async def list_all(self, wishes: Sequence[Wish]) -> None:
        """Read every listing to its end, that of race days which only the tree still names too.

        Raises:
            AccessError: What is configured could not be listed completely: whatever the new manifest would not know,
                the next sync would fetch a second time.
        """
        self.tally.phase = "asking for races"
        transport = open_transport(self.config)
        try:
            source = open_source(self.config, transport)
            targets = await resolve(wishes, source=source, manifest=self.manifest, fresh_s=0.0)
            await self.manifest.select(targets.selected, variants_of=variants_of)
            self.tally.phase = "listing"
            configured = self._passes(source)
            await _read(configured, targets.targets)
            self.passes = configured.reports
            _require_complete(self.archive.place, targets, configured.reports)
            more = self._passes(source)
            await _read(more, _only_in_tree(targets, self.glance))
            self.passes = [*configured.reports, *more.reports]
            self.notes += _gaps(more.reports)
        finally:
            await transport.aclose()
            self.tally.is_listing_done = True

    def _passes(self, source: Source) -> Passes:
        async def nothing() -> None:
            """What has vanished is found out anyway."""

        settings = self.config.listing
        return Passes(
            source=source, manifest=self.manifest, tally=self.tally, page_size=self.config.api.page_size,
            most_pages=settings.most_pages, overlap_s=settings.overlap, full_every_s=settings.full_every, is_full=True,
            on_wanted=lambda: None, before_full=nothing,
        )  # fmt: skip

    # -- adopting -----------------------------------------------------------------------------------------------

    async def adopt_all(self) -> None:
        """Match and read every file, then the versions."""
        self.tally.phase = "checking"
        self.tally.is_listing_done = True
        self.tally.wanted, self.tally.stored = self.glance.files, 0
        await self.adoption.adopt_all()
        await self.version_files.register_all()
        if self.is_offline:
            await self.manifest.distrust_listings("made again by 'mirror rebuild --offline'")
        self.tally.phase = "finishing"

    async def install(self, workshop: Workshop) -> RebuildReport:
        """Finish the manifest, tell the tree whose it is, and put it in place."""
        # Offline nobody knows what is configured today, as far as only the source can resolve it.
        missing = await self.manifest.missing()
        wanted = await self.manifest.count_all_wanted() if self.is_offline else missing.count
        code = 1 if self.findings.count("unmatched") or self.findings.count("damaged") else 0
        await self.manifest.end_run(
            exit_code=code, new_photos=sum(each.new_photos for each in self.passes), stored=self.findings.adopted,
            stored_bytes=self.findings.adopted_bytes, failed=self.findings.count("damaged"),
        )  # fmt: skip
        await self.archive.set_archive_id(self.manifest.archive_id)
        kept = await self.leave_snapshot(workshop) if self.config.archive.is_manifest_apart else None
        await self.manifest.aclose()
        replaced = await asyncio.shield(asyncio.to_thread(workshop.install))
        return self.report(wanted, tuple(str(each) for each in (replaced, kept) if each is not None))

    async def leave_snapshot(self, workshop: Workshop) -> Path | None:
        """Put a copy into the tree, so that it is whole by itself; returns where an unsound one before it is kept."""
        path = self.archive.own_file(manifest_path(self.config).name)
        kept = await asyncio.to_thread(workshop.keep, path) if path in self.basis.unused else None
        await self.manifest.snapshot_as(path, path=manifest_path(self.config))
        await self.archive.send_own(path.name)
        return kept

    def report(self, wanted: int, kept: tuple[str, ...]) -> RebuildReport:
        """Say what was done."""
        findings = self.findings
        return RebuildReport(
            archive=self.archive.place,
            manifest=str(manifest_path(self.config)),
            basis=str(self.basis.path or ""),
            is_offline=self.is_offline,
            files=self.glance.files,
            known=findings.known,
            adopted=findings.adopted,
            moved=findings.moved,
            held_bytes=findings.held_bytes,
            vanished=findings.vanished,
            wanted=wanted,
            versions=findings.versions,
            unmatched=findings.count("unmatched"),
            damaged=findings.count("damaged"),
            groups=findings.groups,
            oddities=tuple(findings.oddities),
            passes=tuple(self.passes),
            notes=tuple(self.notes),
            kept=kept,
        )


def _own_keys(config: Config) -> Iterator[str]:
    """Our own files that lie in the tree: the configuration, if it is there."""
    if (
        config.source_path is not None
        and config.archive.root.is_local
        and config.source_path.is_relative_to(root := config.archive.root.path)
    ):
        yield config.source_path.relative_to(root).as_posix()


async def _read(passes: Passes, targets: Sequence[Target]) -> None:
    for target in targets:
        if (refusal := await passes.read(target)) is not None:
            raise refusal


def _require_complete(place: str, targets: Targets, reports: Sequence[PassReport]) -> None:
    reasons = [f"race {race_id}: {error}" if race_id else str(error) for race_id, error in targets.refusals]
    reasons += _gaps(reports)
    if reasons:
        more = f"; and {len(reasons) - _MOST_REASONS} more" if len(reasons) > _MOST_REASONS else ""
        raise AccessError(
            f"{'; '.join(reasons[:_MOST_REASONS])}{more}. {place} was left as it is, since pictures of what is not "
            "listed would be fetched a second time: try again later; leave a race out of the configuration that is "
            "listed no more; or give --offline to go by an earlier manifest alone"
        )


def _gaps(reports: Sequence[PassReport]) -> list[str]:
    return [
        f"race {each.race_id} day {each.race_day_id}: listing incomplete: {each.reason}"
        for each in reports
        if not each.is_complete
    ]


def _only_in_tree(targets: Targets, glance: Glance) -> list[Target]:
    """Race days whose files lie there though nothing, or less, of them is configured today."""
    widest = Scope()
    races = {each.race_id for each in targets.selected}
    listed = {(each.race_id, each.race_day_id, each.scope) for each in targets.targets}
    return [
        Target(race_id=race_id, race_day_id=race_day_id, scope=widest)
        for race_id, race_day_id in sorted(glance.race_days)
        if race_id in races and (race_id, race_day_id, widest) not in listed
    ]
