"""What earlier runs left: finished drafts, half-finished ones, and stored files that are no longer there."""

import logging

from mirror.archive import Archive, KeptDraft
from mirror.commit import Committer
from mirror.download import address_of
from mirror.errors import FetchError, ManifestError
from mirror.manifest import Manifest
from mirror.model import Content, Fetched, Job
from mirror.one_try import examine

log = logging.getLogger(__name__)

_BATCH = 500
_SCAN_BATCH = 1000
_BELIEVABLE = 10
"""So many files may vanish without further thought; more of them must stay below a fifth."""


async def adopt_drafts(
    archive: Archive, manifest: Manifest, committer: Committer, *, into: dict[int, KeptDraft]
) -> int:
    """Commit the finished drafts of earlier runs without a request, and offer those that can be resumed.

    Args:
        into: Receives the drafts that can be resumed, by asset id.
    Returns:
        How many assets were adopted.
    """
    kept = await archive.kept_drafts()
    jobs = {job.asset_id: job for job in await manifest.wanted_by_ids([each.asset_id for each in kept])}
    claimed = [each for each in kept if _is_claimed(each, jobs)]
    await archive.clean_drafts([each.name for each in claimed])
    into |= {each.asset_id: each for each in claimed if each.sha256 is None}
    # Workers of a cluster may have left several of one asset: the others are swept at the end.
    finished = [*{each.asset_id: each for each in claimed if each.sha256 is not None}.values()]
    adopted = 0
    for start in range(0, len(finished), _BATCH):
        group = [
            fetched
            for each in finished[start : start + _BATCH]
            if (fetched := await _checked(archive, each, jobs[each.asset_id])) is not None
        ]
        if group:
            await committer.commit(group)
            adopted += len(group)
    return adopted


def _is_claimed(draft: KeptDraft, jobs: dict[int, Job]) -> bool:
    job = jobs.get(draft.asset_id)
    return job is not None and draft.address == address_of(job.url)


async def _checked(archive: Archive, draft: KeptDraft, job: Job) -> Fetched | None:
    """Hash and check a finished draft again: nobody flushed it, so its name alone proves nothing."""
    try:
        picture = await archive.check_draft(draft.name, examine)
    except FetchError:
        picture = None
    if picture is None or draft.sha256 is None:
        await archive.discard_drafts([draft.name])
        return None
    content = Content(
        size_bytes=draft.size_bytes,
        sha256=draft.sha256,
        extension=picture.extension,
        width_px=picture.width_px,
        height_px=picture.height_px,
        taken_at=picture.taken_at,
    )
    return Fetched(job=job, content=content, draft=draft.name)


async def sweep_drafts(archive: Archive, manifest: Manifest) -> None:
    """Delete every draft that no wanted asset claims."""
    kept = await archive.kept_drafts()
    jobs = {job.asset_id: job for job in await manifest.wanted_by_ids([each.asset_id for each in kept])}
    await archive.clean_drafts([each.name for each in kept if _is_claimed(each, jobs)])


async def drop_versions(archive: Archive, manifest: Manifest, *, most_bytes: int) -> int:
    """Delete the oldest versions until the rest fits; returns how many. Files first: what is left is found again."""
    old = await manifest.old_versions(most_bytes)
    if old:
        await archive.remove([key for _, key in old])
        await manifest.drop_versions([version_id for version_id, _ in old])
        log.info("%s earlier versions deleted (archive.versions)", len(old))
    return len(old)


async def want_vanished(archive: Archive, manifest: Manifest) -> int:
    """Want again each stored asset whose file is gone or has another size.

    Returns:
        How many.
    Raises:
        ManifestError: So many are gone that the tree is rather not there than damaged.
    """
    vanished: list[int] = []
    checked = after = 0
    while rows := await manifest.stored_batch(after, _SCAN_BATCH):
        sizes = await archive.sizes([row.key for row in rows])
        vanished += [row.asset_id for row, size in zip(rows, sizes, strict=True) if size != row.size_bytes]
        checked += len(rows)
        after = rows[-1].asset_id
    if len(vanished) > max(_BELIEVABLE, checked // 5):
        raise ManifestError(
            f"{len(vanished)} of {checked} stored files are gone or changed: is the right disk mounted? "
            "Put the files back, or make the manifest again with 'mirror rebuild'"
        )
    if vanished:
        log.warning("%s of %s stored files are gone or changed in size: wanted again", len(vanished), checked)
        await manifest.want_again(vanished, "vanished")
    return len(vanished)
