"""Whether the source still has the bytes that are stored: asked picture by picture, without fetching any."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from mirror.errors import FetchError, HeldError
from mirror.manifest import HeldRow, Manifest
from mirror.retry import RetryPolicy, call_with_retry
from mirror.transport import Body, Transport

_BATCH = 500
Verdict = Literal["same", "changed", "rechecked"]
"""The last: nothing proves that the bytes are the same, so they are fetched again."""
WantAgain = Callable[[Sequence[int], str], Awaitable[None]]


@dataclass(slots=True, kw_only=True)
class Rechecked:
    """What came out of it, so far."""

    asked: int = 0
    changed: int = 0
    failed: int = 0
    example: str = ""
    """Why one of them could not be asked about."""


def verdict_of(held: HeldRow, body: Body) -> Verdict:
    """Compare what is stored with what an answer announces.

    Source: RFC 9110, validators (8.8) and If-None-Match (13.1.2).
    """
    if body.status == 304:
        return "same"
    if held.etag and body.etag:
        # A host that does not know the question answers with everything: its ETag says as much.
        return "same" if held.etag.removeprefix("W/") == body.etag.removeprefix("W/") else "changed"
    if body.length is not None and body.length != held.size_bytes:
        return "changed"
    if held.last_modified and body.last_modified:
        return "same" if held.last_modified == body.last_modified else "changed"
    return "rechecked"


async def recheck(
    manifest: Manifest,
    transport: Transport,
    want_again: WantAgain,
    *,
    retry: RetryPolicy,
    at_once: int,
    into: Rechecked,
) -> None:
    """Ask about every stored asset, and want those again that the source has other bytes for.

    Args:
        want_again: Wants assets again, by id, with the word for the history.
        at_once: How many questions wait for an answer at a time; the pace of each host holds too.
        into: Counts, also when this is cancelled.
    """
    after = 0
    while batch := await manifest.held_batch(after, _BATCH):
        after = batch[-1].asset_id
        found: dict[Verdict, list[int]] = {"same": [], "changed": [], "rechecked": []}
        waiting = iter(batch)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(at_once):
                tasks.create_task(_ask_all(waiting, transport, retry, found, into))
        for why in ("changed", "rechecked"):
            if found[why]:
                into.changed += len(found[why])
                await want_again(found[why], why)


async def _ask_all(
    waiting: Iterator[HeldRow],
    transport: Transport,
    retry: RetryPolicy,
    found: dict[Verdict, list[int]],
    into: Rechecked,
) -> None:
    for held in waiting:
        try:
            found[await _ask(held, transport, retry)].append(held.asset_id)
        except FetchError as error:
            into.failed += 1
            into.example = into.example or error.message
        into.asked += 1


async def _ask(held: HeldRow, transport: Transport, retry: RetryPolicy) -> Verdict:
    """Ask about one, however long its host is held; one that is asked no more is a failure."""

    async def once() -> Verdict | None:
        try:
            async with transport.open_asset(held.url, if_none_match=held.etag) as body:
                return verdict_of(held, body)
        except HeldError:
            return None  # not asked: that is no try

    while (verdict := await call_with_retry(once, retry)) is None:
        if why := transport.why_closed(held.host):
            raise HeldError(f"{held.host}: {why}")
        await asyncio.sleep(transport.held_s(held.host))
    return verdict
