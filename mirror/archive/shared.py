"""An archive opened by a worker: it writes drafts, and somebody else gives them their keys."""

import asyncio
from pathlib import Path

from mirror.archive.local import LocalArchive
from mirror.archive.seam import Archive
from mirror.errors import ArchiveError
from mirror.root import ArchiveRoot

_TRIES = 5


async def open_shared(
    root: ArchiveRoot, folder: Path, *, token: str, min_free_bytes: int, has_threads: bool = True
) -> Archive:
    """Open an archive that is there, for drafts beside those of other processes.

    Args:
        folder: Of this machine, for drafts on their way into a bucket.
        token: What somebody has left there: who reads it sees the same archive. Empty if that needs no proof.
        has_threads: See `LocalArchive.open`.
    Raises:
        ArchiveError: None lies there, or another one, or it cannot be written.
    """
    archive = await _open(root, folder, min_free_bytes, has_threads=has_threads)
    try:
        for number in range(_TRIES):
            if not token or await archive.token() == token:
                return archive
            # A network disk may show it a moment late.
            await asyncio.sleep(0.1 * 2**number)
        raise ArchiveError(f"{root}: another archive lies there than where this run was begun")
    except BaseException:
        await archive.aclose()
        raise


async def _open(root: ArchiveRoot, folder: Path, min_free_bytes: int, *, has_threads: bool) -> Archive:
    if root.is_local:
        return await LocalArchive.open(
            root.path, create=False, min_free_bytes=min_free_bytes, is_shared=True, has_threads=has_threads
        )
    from mirror.archive.objects import open_bucket  # noqa: PLC0415 - its library is an extra
    from mirror.archive.objects.archive import ObjectArchive  # noqa: PLC0415

    bucket = open_bucket(root)
    return await ObjectArchive.open(bucket, folder, create=False, min_free_bytes=min_free_bytes, stage=True)
