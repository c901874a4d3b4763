"""One job to one finished draft or failure: stream, hash, check."""

import asyncio
import base64
import contextlib
import hashlib
import logging
import mmap
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from mirror.archive import Archive, Draft, KeptDraft
from mirror.errors import FetchError, HeldError, MismatchError
from mirror.hosts import path_of
from mirror.imagecheck import Picture, check_image
from mirror.model import Content, Failed, Fetched, Job, Outcome, Postponed
from mirror.retry import RetryPolicy, call_with_retry
from mirror.transport import Body, Transport

log = logging.getLogger(__name__)

_SMALL_BYTES = 512 * 1024
"""Up to this size a body is read whole and goes to disk in one hop; the most at once are 64 MiB in all."""
_WORTH_KEEPING_BYTES = 256 * 1024
_LONGEST_ETAG = 120


def address_of(url: str) -> str:
    """Sixteen hex digits that stand for host and path of a URL: what a draft was fetched from."""
    return hashlib.sha256(path_of(url).encode("utf-8", "replace")).hexdigest()[:16]


def is_strong(etag: str | None) -> bool:
    """Whether a validator proves that bytes are the same, and is short enough for a file name."""
    return etag is not None and etag.startswith('"') and len(etag) <= _LONGEST_ETAG


def label_of(etag: str) -> str:
    """Write an ETag so that a file name can hold it."""
    return base64.urlsafe_b64encode(etag.encode()).decode().rstrip("=")


def etag_of(label: str) -> str:
    """Read an ETag back out of a file name."""
    return base64.urlsafe_b64decode(label + "=" * (-len(label) % 4)).decode()


@dataclass(slots=True, kw_only=True)
class Downloads:
    """All that a download needs besides its job.

    Args:
        kept: Drafts of earlier runs that may go on, by asset id; each is taken at most once.
        on_retry: Told of each failed try that is followed by another.
    """

    transport: Transport
    archive: Archive
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    chunk_bytes: int = 262_144
    kept: dict[int, KeptDraft] = field(default_factory=dict)
    on_retry: Callable[[FetchError, int, float], None] | None = None

    async def download_asset(self, job: Job) -> Outcome:
        """Take one job to a checked draft, or say why not.

        The first try is made plainly; after a transient failure the rest follow with pauses between them. A draft
        that can be resumed survives a cancellation.

        Raises:
            ArchiveError: The archive takes no more; the run must end.
        """
        if self.transport.held_s(job.host) > 0 or self.transport.is_closed(job.host):
            return Postponed(job=job)
        attempt = _Attempt(self, job)
        try:
            return await attempt.until_done()
        except FetchError as error:
            return await attempt.failed(error)
        except asyncio.CancelledError:
            await attempt.keep()
            raise


class _Held(Exception):  # noqa: N818 - carries a decision, not an error
    """The host asked everybody to wait: leave the retry loop."""


@dataclass(slots=True)
class _Attempt:
    """One job on its way; the draft lives through all its tries."""

    setting: Downloads
    job: Job
    draft: Draft | None = None
    etag: str | None = None
    tries: int = 0

    async def until_done(self) -> Outcome:
        try:
            return await self._once()
        except HeldError:
            await self._drop()
            return Postponed(job=self.job)
        except FetchError as error:
            if not error.transient:
                raise
            return await self._again(error)

    async def _again(self, first: FetchError) -> Outcome:
        """The tries after the first, which has just failed."""
        failure: FetchError | None = first

        async def once() -> Outcome:
            nonlocal failure
            if failure is not None:
                error, failure = failure, None
                raise error
            try:
                return await self._once()
            except HeldError:
                raise _Held from None

        try:
            return await call_with_retry(once, self.setting.retry, spent=self.job.tries, on_retry=self.setting.on_retry)
        except _Held:
            await self._drop()
            return Postponed(job=replace(self.job, tries=self.job.tries + self.tries))

    async def _once(self) -> Fetched:
        setting = self.setting
        if self.draft is None:
            self.draft = await self._open_draft()
        # Counted before the try: whatever ends it, it was made. A held host was not asked.
        self.tries += 1
        try:
            content = await fetch_asset(
                self.job, setting.transport, self.draft,
                etag=self.etag, on_etag=self._note_etag, chunk_bytes=setting.chunk_bytes,
            )  # fmt: skip
        except HeldError:
            self.tries -= 1
            raise
        except MismatchError:
            # What the draft holds is of no use to the source any more: the next try asks for everything.
            await self.draft.restart()
            self.etag = None
            raise
        return Fetched(job=self.job, content=content, draft=self.draft.name)

    async def _open_draft(self) -> Draft:
        kept = self.setting.kept.pop(self.job.asset_id, None)
        address = address_of(self.job.url)
        if kept is not None and kept.etag is not None and kept.address == address:
            self.etag = etag_of(kept.etag)
            return await self.setting.archive.resume_draft(kept.name)
        return await self.setting.archive.open_draft(self.job.asset_id, address=address)

    def _note_etag(self, etag: str | None) -> None:
        self.etag = etag if is_strong(etag) else None

    async def failed(self, error: FetchError) -> Failed:
        await self._drop()
        log.error("asset %s (photo %s, %s): %s", self.job.asset_id, self.job.photo_id, self.job.variant, error.message)
        return Failed(
            job=self.job,
            reason=error.reason,
            message=error.message,
            status=error.status,
            has_answered=error.status is not None,
        )

    async def keep(self) -> None:
        """What can be resumed stays for the next run; everything else goes."""
        draft = self.draft
        if draft is None:
            return
        if self.etag is not None and draft.size_bytes >= _WORTH_KEEPING_BYTES:
            await asyncio.shield(asyncio.ensure_future(draft.keep(label_of(self.etag))))
        else:
            await self._drop()

    async def _drop(self) -> None:
        draft, self.draft, self.etag = self.draft, None, None
        if draft is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(asyncio.ensure_future(draft.discard()))


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
        chunk_bytes: Read size; each worker holds one chunk in memory.
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
    async with transport.open_asset(job.url, offset=offset, etag=etag) as body:
        if body.offset != offset:
            await draft.restart()
        is_small = body.offset == 0 and body.length is not None and body.length <= _SMALL_BYTES
        on_etag(None if is_small else body.proof)
        small = await body.read() if is_small else None
        if small is None:
            async for chunk in body.chunks(chunk_bytes):
                await draft.write(chunk)
    try:
        digest, picture = await (draft.finish(examine) if small is None else draft.write_whole(small, examine))
    except FetchError:
        transport.note_body(job.host, is_picture=False)
        if small is None:
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
