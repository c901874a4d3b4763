"""One try at one asset: stream, count, check."""

import asyncio
import logging
import mmap
from collections.abc import Callable

from mirror.archive import Draft
from mirror.errors import FetchError, MismatchError
from mirror.imagecheck import Picture, check_image
from mirror.model import Content, Job
from mirror.transport import Body, Transport

log = logging.getLogger(__name__)

_SMALL_BYTES = 512 * 1024
"""Up to this size a body is always read whole and goes to disk in one hop; the most at once are 64 MiB in all."""
_HELD_BYTES = 8 * 1024 * 1024
"""Up to this size it is, as long as there is room: a hop for each piece of it costs more than its bytes."""


async def fetch_asset(
    job: Job,
    transport: Transport,
    draft: Draft,
    *,
    etag: str | None = None,
    on_etag: Callable[[str | None], None] = lambda _: None,
    chunk_bytes: int = 262_144,
) -> Content:
    """Fill a draft with the bytes of one asset, in one try.

    What the draft already holds is kept when the source proves by a strong ETag that it still serves the same
    bytes; otherwise the draft starts again from zero.

    Args:
        draft: Empty, or left by an earlier try or run.
        etag: Strong ETag of what the draft holds.
        on_etag: Told the validator of the bytes that now go into the draft, before the first of them.
        chunk_bytes: Read size of what is not held whole.
    Returns:
        Size, SHA-256 and picture facts of the whole body, checked against the promise.
    Raises:
        FetchError: This try failed; ``transient`` says whether another can help.
        ArchiveError: The archive takes no more; the run must end.
    Source: RFC 9110, If-Range (13.1.5) and 206 Partial Content (15.3.7).
    """
    offset = draft.size_bytes if etag is not None else 0
    if draft.size_bytes and not offset:
        await draft.restart()
    held_bytes = 0
    try:
        async with transport.open_asset(job.url, offset=offset, etag=etag) as body:
            if body.offset != offset:
                await draft.restart()
            length = body.length if body.offset == 0 else None
            is_small = length is not None and length <= _SMALL_BYTES
            on_etag(None if is_small else body.proof)
            if is_small:
                whole = await body.read()
            elif length is not None and length <= _HELD_BYTES and transport.room.take(length):
                held_bytes = length
                whole = await _hold(body, draft)
            else:
                whole = None
                async for chunk in body.chunks(chunk_bytes):
                    await draft.write(chunk)
        return await _finish(job, transport, draft, whole, body)
    finally:
        transport.room.give_back(held_bytes)


async def _hold(body: Body, draft: Draft) -> bytes:
    """Read a body into memory; if it breaks off, what came goes into the draft, and the next try goes on from it."""
    pieces: list[bytes] = []
    try:
        async for piece in body.chunks(1):
            pieces.append(piece)  # noqa: PERF401 - a comprehension would lose what came before a failure
    except (FetchError, asyncio.CancelledError):
        for piece in pieces:
            await draft.write(piece)
        raise
    return b"".join(pieces)


async def _finish(job: Job, transport: Transport, draft: Draft, whole: bytes | None, body: Body) -> Content:
    """Check what came; a whole body that is no picture is the host's doing."""
    try:
        digest, picture = await (draft.finish(examine) if whole is None else draft.write_whole(whole, examine))
    except FetchError:
        transport.note_body(job.host, is_picture=False)
        if whole is None:
            # The bytes are all there and still no picture: going on from them would never mend it.
            await draft.restart()
        raise
    transport.note_body(job.host, is_picture=True)
    return _content(draft.size_bytes, digest, picture, body)


def examine(data: bytes | mmap.mmap) -> Picture:
    """Check a picture; a check that breaks is that picture's failure, never the run's.

    Raises:
        FetchError: Not a whole picture.
    """
    try:
        return check_image(data)
    except FetchError:
        raise
    except (ArithmeticError, LookupError, ValueError, TypeError, AttributeError, RecursionError) as error:
        log.exception("the picture check broke")
        raise MismatchError(f"the picture check broke on it: {type(error).__name__}") from error


def _content(size_bytes: int, digest: bytes, picture: Picture, body: Body) -> Content:
    return Content(
        size_bytes=size_bytes,
        sha256=digest,
        extension=picture.extension,
        width_px=picture.width_px,
        height_px=picture.height_px,
        taken_at=picture.taken_at,
        etag=body.etag,
        last_modified=body.last_modified,
    )
