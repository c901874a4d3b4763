"""What every run needs, opened and closed: archive, manifest, network, and whoever fetches."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from mirror.cluster import ClusterWish, opened_crew
from mirror.config import Config
from mirror.errors import MirrorError
from mirror.fetching import Fetching
from mirror.leftovers import drop_versions
from mirror.opening import leaving_snapshots, open_archive, open_manifest, open_transport, retry_policy, setup_of
from mirror.pipeline import GroupLimits
from mirror.tally import Tally
from mirror.timetable import follow
from mirror.transport import ApiGate


@contextlib.asynccontextmanager
async def opened_run(
    config: Config,
    stop: asyncio.Event | None,
    tally: Tally | None,
    *,
    create: bool,
    cluster: ClusterWish | None = None,
    is_recheck: bool = False,
    api_gate: ApiGate | None = None,
) -> AsyncIterator[Fetching]:
    """Open what every run needs; of several failures at once, the one that ended the run is raised."""
    tally = tally if tally is not None else Tally()
    tally.started_at = time.monotonic()
    settings = config.download
    async with contextlib.AsyncExitStack() as rooms:
        archive = await open_archive(config, create=create)
        rooms.push_async_callback(archive.aclose)
        manifest = await open_manifest(config, archive, create=create)
        rooms.push_async_callback(manifest.aclose)

        def count_bytes(size: int) -> None:
            tally.fetched_bytes += size

        transport = open_transport(config, on_bytes=count_bytes, api_gate=api_gate)
        rooms.push_async_callback(transport.aclose)
        crew = None
        if cluster is not None:
            crew = await rooms.enter_async_context(opened_crew(cluster, setup_of(config, archive), archive))
            if is_recheck:
                # It asks the same hosts from here.
                transport.share(crew.shares.lend())
        if settings.limit_rate_at:

            def limit_rate(bytes_s: float) -> None:
                transport.limit_rate(bytes_s)
                if crew is not None:
                    crew.limit_rate(bytes_s)

            following = asyncio.create_task(follow(settings.limit_rate_at, limit_rate))
            rooms.callback(following.cancel)
        limits = GroupLimits(outcomes=settings.group_drafts, bytes=settings.group_bytes, wait_s=settings.group_wait)
        try:
            async with leaving_snapshots(config, archive, manifest):
                yield Fetching(
                    archive=archive, manifest=manifest, transport=transport, retry=retry_policy(config), limits=limits,
                    tally=tally, stop=stop or asyncio.Event(), crew=crew,
                )  # fmt: skip
                if config.archive.versions != "all":
                    await drop_versions(archive, manifest, most_bytes=config.archive.versions)
        except BaseExceptionGroup as group:
            raise _first_cause(group) from group


def _first_cause(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The failure that ended the run: ours before any other, since the rest follows from it."""
    causes = [_first_cause(each) if isinstance(each, BaseExceptionGroup) else each for each in group.exceptions]
    return next((each for each in causes if isinstance(each, MirrorError)), causes[0])
