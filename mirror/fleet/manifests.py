"""The manifest of one race on its way from the bucket to this machine; `run_sync` puts it back."""

import asyncio

from mirror.config import Config
from mirror.current import PROGRAM
from mirror.manifest import Manifest, install_snapshot, retire_manifest
from mirror.opening import leave_snapshot, open_objects


async def bring_manifest(config: Config, *, is_taken_over: bool) -> None:
    """Bring the manifest here, unless what is here goes on from what lies in the bucket; make one where there is none.

    What a killed run of ours knew beyond what it had put back stays, unless another machine went on meanwhile: then
    theirs counts, and what we had stored is found again under its name.

    It then lies in the bucket before anything else of the race does, so that no race is ever there without one. Where
    the race was taken over it is written anew: what the machine that was taken for dead has in hand fits no more, and
    should it wake, it can put back nothing.

    Args:
        config: Of that race alone.
    Raises:
        ManifestError: In use on this machine, damaged, newer; or another machine was quicker.
        ArchiveError: The store or the disk takes no more.
    """
    path = config.archive.manifest
    archive = await open_objects(config, create=True, is_read_only=True)
    try:
        snapshot = archive.own_file(path.name)
        if not path.exists() or not await archive.is_own_current(path.name):
            # First away with ours: what is fetched counts as seen from then on.
            await asyncio.to_thread(retire_manifest, path)
            if await archive.fetch_own(path.name):
                await asyncio.to_thread(install_snapshot, snapshot, path)
        manifest = await Manifest.open(
            path, create=True, program=PROGRAM, template=config.archive.template,
            keeps_versions=config.archive.versions != 0,
        )  # fmt: skip
        try:
            if is_taken_over:
                # One that knows everything already would be left as it is, and be the same object again.
                await asyncio.to_thread(snapshot.unlink, missing_ok=True)
            await leave_snapshot(config, archive, manifest)
        finally:
            await manifest.aclose()
    finally:
        await archive.aclose()
