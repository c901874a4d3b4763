"""The group commit: bytes flushed, then names, then rows; and what a killed run left half-way."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mirror.archive import Archive, Inspection, Publication
from mirror.errors import ArchiveError
from mirror.manifest import Commit, Manifest
from mirror.model import Failed, Fetched, Stored

log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Committer:
    """Gives groups of checked drafts their final names and records what became of each job.

    The order is the promise: no final name before its bytes are on the disk, no row before its name is.

    Args:
        on_recorded: Told of each recorded group: what is stored, what failed.
    """

    archive: Archive
    manifest: Manifest
    on_recorded: Callable[[Sequence[Stored], Sequence[Failed]], None] = lambda _stored, _failed: None
    gone: int = 0
    """Assets that became gone so far."""

    async def commit(self, group: Sequence[Fetched | Failed]) -> None:
        """Take one group to its end.

        Raises:
            ArchiveError: The disk takes no more; the group's drafts are deleted, their assets stay wanted.
        """
        fetched = [each for each in group if isinstance(each, Fetched)]
        failed = [each for each in group if isinstance(each, Failed)]
        stored, moved, unkept = await self._publish(fetched) if fetched else ([], [], [])
        recorded = await self.manifest.record(stored, failed)
        if unkept:
            await self.manifest.drop_unkept(unkept)
        if moved:
            await self.manifest.note_foreign(moved)
        self.gone += recorded.gone
        self.on_recorded(stored, failed)

    async def _publish(self, fetched: Sequence[Fetched]) -> tuple[list[Stored], list[tuple[str, str]], list[str]]:
        """Flush and name a group; returns what is stored, what foreign things moved, and versions not to be had."""
        try:
            await self.archive.flush_drafts([each.draft for each in fetched])
        except ArchiveError:
            # Nobody can say which of them reached the disk.
            await self.archive.discard_drafts([each.draft for each in fetched])
            raise
        commits = await self.manifest.prepare_commit(fetched)
        # The same bytes need no new file, if theirs is still there.
        same = [each for each in commits if each.is_same]
        sizes = await self.archive.sizes([each.key for each in same])
        settled = {
            each.fetched.draft
            for each, size in zip(same, sizes, strict=True)
            if size == each.fetched.content.size_bytes
        }
        kept = {each.fetched.draft for each in commits} - settled
        await self.archive.discard_drafts([each.draft for each in fetched if each.draft not in kept])
        bibs = await self._bibs(commits) if self.archive.has_labels else {}
        moved = await self.archive.publish(
            [
                Publication(
                    draft=each.fetched.draft,
                    key=each.key,
                    photo_id=each.fetched.job.photo_id,
                    bibs=tuple(bibs.get(each.fetched.job.asset_id, ())),
                    is_ours_there=each.replaces,
                    keep_as=each.keep_as,
                    sha256_there=each.sha256_there,
                )
                for each in commits
                if each.fetched.draft in kept
            ]
        )
        for key, place in moved:
            log.warning("%s was not ours and lay in the way: it is now %s", key, place)
        stored = [Stored(job=each.fetched.job, content=each.fetched.content, key=each.key) for each in commits]
        versions = [each.keep_as for each in commits if each.keep_as is not None]
        lying = await self.archive.sizes(versions) if versions else []
        return stored, moved, [key for key, size in zip(versions, lying, strict=True) if size is None]

    async def _bibs(self, commits: Sequence[Commit]) -> dict[int, list[str]]:
        found: dict[int, list[str]] = {}
        for asset_id, bib in await self.manifest.bibs_of([each.fetched.job.asset_id for each in commits]):
            found.setdefault(asset_id, []).append(bib)
        return found

    async def settle(self) -> int:
        """Adopt what a killed run had given its name but not recorded; the rest stays wanted.

        Returns:
            How many assets were adopted.
        """
        adopted: list[int] = []
        dropped: list[int] = []
        leftovers = await self.manifest.leftovers()
        found: list[Inspection[None]] = await self.archive.inspect([each.key for each in leftovers])
        for each, there in zip(leftovers, found, strict=True):
            is_ours = (there.size_bytes, there.sha256) == (each.size_bytes, each.sha256)
            (adopted if is_ours else dropped).append(each.asset_id)
        return await self.manifest.settle(adopted, dropped)
