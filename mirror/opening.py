"""Rooms opened as the configuration says; shared by every command that needs one."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mirror import __version__
from mirror.archive import Archive, LocalArchive
from mirror.cluster import Setup
from mirror.config import Config
from mirror.current import PROGRAM, require_current
from mirror.errors import ArchiveError, FetchError, ManifestError
from mirror.hosts import HostRules
from mirror.manifest import Manifest
from mirror.retry import RetryPolicy
from mirror.root import STATE
from mirror.source import Source
from mirror.transport import ApiGate, Line, Transport

if TYPE_CHECKING:
    from mirror.archive.objects.archive import ObjectArchive

log = logging.getLogger(__name__)

_NO_TREE = "this is the manifest of an archive, but the tree at {root} is empty: is its disk mounted?"


def manifest_path(config: Config) -> Path:
    """Say where the manifest lies: inside the archive unless ``archive.state_dir`` says otherwise."""
    return config.archive.manifest


def retry_policy(config: Config) -> RetryPolicy:
    """Say when and how often a failed request is made again."""
    settings = config.download
    return RetryPolicy(
        attempts=settings.attempts,
        first_wait_s=settings.first_wait,
        longest_wait_s=settings.longest_wait,
        total_s=settings.total_wait,
        longest_retry_after_s=settings.longest_retry_after,
    )


def line_of(config: Config) -> Line:
    """Say how the network is to be used; plain data."""
    settings = config.download
    is_fixed = settings.concurrency != "auto"
    most = int(settings.concurrency) if is_fixed else settings.most_requests
    return Line(
        user_agent=f"mirror/{__version__}" + (f" ({config.api.contact})" if config.api.contact else ""),
        rules=HostRules(
            allowed=tuple(settings.allowed_hosts),
            allow_http=settings.allow_http,
            allow_private=settings.allow_private,
        ),
        connect_s=settings.connect_timeout,
        stall_s=settings.stall_timeout,
        least_rate_bytes_s=settings.least_rate,
        least_rate_after_s=settings.least_rate_after,
        longest_retry_after_s=settings.longest_retry_after,
        largest_asset_bytes=settings.largest_asset,
        largest_page_bytes=settings.largest_page,
        memory_bytes=settings.memory,
        most_hops=settings.most_redirects,
        proxy=settings.proxy,
        ca_file=settings.ca_file,
        is_fixed=is_fixed,
        start_requests=min(settings.start_requests, most),
        least_requests=min(settings.least_requests, most),
        most_requests=most,
        patience_s=settings.host_patience,
        limit_rate_bytes_s=settings.limit_rate,
    )


def open_transport(
    config: Config, *, on_bytes: Callable[[int], None] | None = None, api_gate: ApiGate | None = None
) -> Transport:
    """Open the way to the network; no request is made."""
    return line_of(config).open(on_bytes=on_bytes, api_gate=api_gate)


def setup_of(config: Config, archive: Archive) -> Setup:
    """Say what workers of a cluster must know; nothing of the API is in it."""
    line = line_of(config)
    return Setup(
        run_key="",
        version=__version__,
        root=config.archive.root,
        min_free_bytes=config.archive.min_free,
        token="",
        device=archive.device,
        line=line,
        retry=retry_policy(config),
        share=line.most_requests,
    )


def open_source(
    config: Config,
    transport: Transport,
    *,
    on_retry: Callable[[FetchError, int, float], None] | None = None,
    on_answer: Callable[[], None] | None = None,
) -> Source:
    """Open the API of the configured site; no call is made."""
    return Source(
        transport=transport,
        base_url=config.api.base_url,
        credentials=config.credentials(),
        retry=retry_policy(config),
        page_size=config.api.page_size,
        on_retry=on_retry,
        on_answer=on_answer,
    )


async def leave_snapshot(config: Config, archive: Archive, manifest: Manifest) -> None:
    """Put a copy of the manifest beside the tree, where it does not lie there itself: the archive is whole by itself.

    Raises:
        ArchiveError: It cannot be written.
        ManifestError: Another machine has left its own there meanwhile.
    """
    if config.archive.is_manifest_apart:
        name = manifest_path(config).name
        await manifest.snapshot(archive.own_file(name))
        await archive.send_own(name)


@contextlib.asynccontextmanager
async def leaving_snapshots(config: Config, archive: Archive, manifest: Manifest) -> AsyncIterator[None]:
    """Leave a copy of the manifest beside the tree now and then, and at a good end.

    Raises:
        ArchiveError: The last one cannot be written; of those before it, that is only logged.
        ManifestError: Another machine has left its own there meanwhile.
    """

    async def leave_again() -> None:
        while True:
            await asyncio.sleep(config.archive.snapshot_every)
            try:
                await leave_snapshot(config, archive, manifest)
            except ArchiveError as error:
                log.warning("no copy of the manifest was left: %s", error)

    leaving = asyncio.create_task(leave_again())
    try:
        yield
    finally:
        leaving.cancel()
        await asyncio.wait({leaving})
    await leave_snapshot(config, archive, manifest)


async def open_archive(config: Config, *, create: bool) -> Archive:
    """Open the tree, or make a new one; where a disk should be mounted that is not, nothing is made in its place.

    Raises:
        ArchiveError: It is not there, or takes no more.
        ManifestError: The manifest says that files are stored, and no tree is there.
    """
    if not config.archive.root.is_local:
        return await open_objects(config, create=create)
    path, root = manifest_path(config), config.archive.root.path
    if config.archive.state_dir is not None and path.exists() and not (root / STATE).is_dir():
        from mirror.manifest import ManifestReader  # noqa: PLC0415 - hardly ever needed here

        with ManifestReader(path) as manifest:
            if manifest.counts().stored:
                raise ManifestError(f"{path}: {_NO_TREE.format(root=root)}")
    return await LocalArchive.open(root, create=create, min_free_bytes=config.archive.min_free)


async def open_objects(
    config: Config, *, create: bool, is_read_only: bool = False, stage: bool = False, folder: Path | None = None
) -> "ObjectArchive":
    """Open an archive in a bucket; see `ObjectArchive.open`.

    Args:
        folder: For drafts and our own files on this machine; None takes the manifest's.
    Raises:
        ConfigError: The extra is not installed, or the address or the environment make no sense to the store.
        ArchiveError: No bucket, no archive, no permission, or a store that does not heed conditions.
    """
    from mirror.archive.objects import open_bucket  # noqa: PLC0415 - for buckets alone, and heavy
    from mirror.archive.objects.archive import ObjectArchive  # noqa: PLC0415

    settings = config.download
    bucket = open_bucket(
        config.archive.root, patience_s=settings.host_patience, stall_s=settings.stall_timeout,
        connect_s=settings.connect_timeout,
    )  # fmt: skip
    return await ObjectArchive.open(
        bucket, folder or manifest_path(config).parent, create=create, min_free_bytes=config.archive.min_free,
        is_read_only=is_read_only, stage=stage,
    )  # fmt: skip


async def open_manifest(config: Config, archive: Archive, *, create: bool = True) -> Manifest:
    """Open the archive's manifest for writing, or make a new one for a new archive.

    Args:
        create: Whether there may be none yet.
    Raises:
        ManifestError: In use, damaged, newer; or manifest and tree do not belong together.
    """
    path = manifest_path(config)
    tree_id = await archive.archive_id()
    if tree_id is not None and not path.exists():
        raise ManifestError(
            f"{path}: not found, but {archive.place} holds an archive: the manifest was lost or moved; "
            "put it back, or make it again with 'mirror rebuild'"
        )
    is_on_network = archive.is_on_network and not config.archive.is_manifest_apart
    if is_on_network:
        log.warning(
            "%s lies on a network disk (%s), where a manifest is slow and can be damaged: "
            "set archive.state_dir to a local folder", archive.place, archive.filesystem,
        )  # fmt: skip
    manifest = await Manifest.open(
        path, create=create, program=PROGRAM, template=config.archive.template, is_on_network=is_on_network,
        keeps_versions=config.archive.versions != 0,
    )  # fmt: skip
    try:
        await require_current(archive, path.name)
        if tree_id is None and (manifest.is_new or not await manifest.has_stored()):
            await archive.set_archive_id(manifest.archive_id)
        elif tree_id != manifest.archive_id:
            if tree_id is None:
                raise ManifestError(f"{path}: {_NO_TREE.format(root=archive.place)}")
            raise ManifestError(
                f"{path}: this is the manifest of an archive, but the tree at {archive.place} belongs to another "
                f"manifest ({tree_id}); 'mirror rebuild' makes one for this tree"
            )
    except BaseException:
        await manifest.aclose()
        raise
    return manifest
