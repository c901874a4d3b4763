"""One job to one finished draft or failure: tries, pauses between them, and what survives them."""

import asyncio
import base64
import contextlib
import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from mirror.archive import Archive, Draft, KeptDraft
from mirror.errors import FetchError, HeldError, MismatchError
from mirror.hosts import path_of
from mirror.model import Failed, Fetched, Job, Outcome, Postponed
from mirror.one_try import fetch_asset
from mirror.retry import RetryPolicy, call_with_retry
from mirror.transport import Transport

log = logging.getLogger(__name__)

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
        chunk_bytes: Read size of what is not held whole; each worker holds one such piece.
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
