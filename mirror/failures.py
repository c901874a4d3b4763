"""What is missing and why, what can be done about it, and trying just that once more."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mirror.manifest import Trouble
from mirror.model import RunReport
from mirror.tally import Tally

if TYPE_CHECKING:
    from mirror.cluster import ClusterWish
    from mirror.config import Config
    from mirror.manifest import Manifest

_ADVICE = {
    "unreachable": "The host or the line failed: 'mirror retry' when it is back.",
    "throttled": "The host asks for fewer requests: retry later, with a lower most_requests.",
    "held": "The host asked us to wait: 'mirror retry' later.",
    "incomplete at the source": "The picture has no end at the source: whoever uploaded it has the whole one.",
    "not the picture": "The source gives something else: whoever uploaded it has the picture.",
    "broken answer": "The host's answer made no sense: 'mirror retry' later.",
    "forbidden": "The address has expired, or is private: 'mirror sync' looks for a new one.",
    "not found": "The source lists it and does not have it: it may come, or be listed no more.",
    "refused by us": "The message says what is not allowed: see [download] in mirror.toml.",
}
_OTHER = "'mirror retry' tries once more."


def advice(trouble: Trouble) -> str:
    """Say what a person can do."""
    if trouble.state == "gone":
        return "Refused, and no longer listed: only 'mirror retry' asks once more."
    if trouble.state == "unusable":
        return "The source's record is broken: tell the race, or RunSignup."
    return _ADVICE.get(trouble.reason, _OTHER)


async def retry(
    config: "Config", asset_ids: Sequence[int], *, stop: asyncio.Event | None = None, tally: Tally | None = None,
    cluster: "ClusterWish | None" = None,
) -> RunReport:  # fmt: skip
    """Try assets that failed once more, what was set aside and what is gone too; no listing is read.

    Args:
        asset_ids: As `FailureReader.asset_ids` gives them; what was stored meanwhile is left alone.
        cluster: Who is to fetch, if not this process.
    Returns:
        What became of them.
    Raises:
        ManifestError: The archive is in use.
        ArchiveError: The archive takes no more.
    """
    from mirror.sync import run_fetch  # noqa: PLC0415 - showing what failed needs no network

    async def choose(_: "Manifest") -> Sequence[int]:
        return asset_ids

    return await run_fetch(config, command="retry", choose=choose, stop=stop, tally=tally, cluster=cluster)
