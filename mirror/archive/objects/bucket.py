"""A bucket and what can be asked of it; the only file that knows obstore."""

import asyncio
import logging
import mmap
import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from obstore.exceptions import BaseError
from obstore.store import from_url

from mirror.archive.objects.answers import in_our_words
from mirror.archive.objects.endpoint import is_on_loopback
from mirror.archive.objects.facts import ObjectFacts
from mirror.errors import AbsentError, ArchiveError, AwayError, ConfigError, UnknownRequestError
from mirror.retry import RetryPolicy, call_with_retry
from mirror.root import ArchiveRoot

if TYPE_CHECKING:
    from obstore import Attributes, ObjectMeta, PutMode
    from obstore.store import ClientConfig, ObjectStore, RetryConfig, S3Config, S3CredentialProvider

log = logging.getLogger(__name__)

T = TypeVar("T")

_AT_ONCE = 32
_TRIES = 1000
_PART_BYTES = 8 * 1024 * 1024
_PARTS_AT_ONCE = 3
_PIECE_BYTES = 1024 * 1024
_PAGE = 1000
_LEAST_BYTES_S = 30_000
"""Slower than this a large body does not count as on its way."""


class Bucket:
    """One place in a bucket. Every method is one request unless it says otherwise, tried again while the store is away.

    All raise an ``ArchiveError``: `DeniedError` when the store refuses the caller, `AwayError` when it was away for
    too long, `AbsentError` where something must be there and is not. No message holds a credential.

    Args:
        patience_s: For so long a store that is away is asked again.
        stall_s: How long an answer may take, plus the time for the bytes themselves.
    """

    def __init__(self, store: "ObjectStore", place: str, *, patience_s: float = 300.0, stall_s: float = 30.0) -> None:
        self._store = store
        self._retry = RetryPolicy(attempts=_TRIES, first_wait_s=0.5, longest_wait_s=15.0, total_s=patience_s)
        self._stall_s = stall_s
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._is_away = False
        self._knows_new_copies = True
        self.place = place

    @classmethod
    def open(
        cls, root: ArchiveRoot, *, patience_s: float = 300.0, stall_s: float = 30.0, connect_s: float = 10.0
    ) -> Self:
        """Make ready to ask; no request is made.

        Raises:
            ConfigError: The address or the environment make no sense to the store.
        """
        options: ClientConfig = {"connect_timeout": timedelta(seconds=connect_s), "timeout": timedelta(days=1)}
        given: S3Config = {}
        if root.url.startswith("s3:"):
            if is_on_loopback(os.environ):
                options["allow_http"] = True
            if "AWS_COPY_IF_NOT_EXISTS" not in os.environ:
                # Copies labels too, which S3's other way does not.
                given["copy_if_not_exists"] = "header:if-none-match:*"
        quick: RetryConfig = {"max_retries": 2, "retry_timeout": timedelta(seconds=stall_s)}
        try:
            store = from_url(
                root.url, config=given or None, client_options=options, retry_config=quick,
                credential_provider=_profile(os.environ) if root.url.startswith("s3:") else None,
            )  # fmt: skip
        except (BaseError, ValueError, OSError) as error:
            raise ConfigError(str(in_our_words(error, root.url, "open", ""))) from None
        return cls(store, root.url, patience_s=patience_s, stall_s=stall_s)

    # -- reading ------------------------------------------------------------------------------------------------

    async def head(self, key: str) -> ObjectFacts:
        """Look at an object, with its labels."""

        async def ask() -> ObjectFacts:
            found = await self._store.get_async(key, options={"head": True})
            return _facts(found.meta, found.attributes)

        return await self._try("look at", key, ask)

    async def find(self, key: str) -> ObjectFacts | None:
        """Look at an object that need not be there."""
        try:
            return await self.head(key)
        except AbsentError:
            return None

    async def get(self, key: str) -> tuple[bytes, ObjectFacts]:
        """Read a whole object, with its labels."""
        taken = bytearray()
        facts = await self.read(key, taken.extend)
        return bytes(taken), facts

    async def read(self, key: str, take: Callable[[bytes], object]) -> ObjectFacts:
        """Read an object piece by piece; after an interruption it goes on where it was, in the same object.

        Args:
            take: Is given each piece, of about 1 MiB.
        """
        done, seen = 0, ""
        facts: ObjectFacts | None = None

        async def ask() -> ObjectFacts:
            nonlocal done, seen, facts
            options: Any = {"range": {"offset": done}, "if_match": seen} if done else {}
            async with asyncio.timeout(self._stall_s):
                found = await self._store.get_async(key, options=options)
            if facts is None or not done:
                facts = _facts(found.meta, found.attributes)
            seen = facts.etag
            pieces = aiter(found.stream(_PIECE_BYTES))
            while True:
                async with asyncio.timeout(self._stall_s):
                    piece = await anext(pieces, None)
                if piece is None:
                    break
                take(bytes(piece))
                done += len(piece)
            if done != facts.size_bytes:
                raise AwayError(f"{self.place}: {key} ended after {done:,} of {facts.size_bytes:,} bytes")
            return facts

        return await self._try("read", key, ask, is_timed=False)

    async def list_below(self, below: str = "", *, after: str = "") -> AsyncGenerator[list[ObjectFacts], None]:
        """Name all objects below a folder in the order of their keys, up to 1000 for each request.

        Args:
            after: Only keys that come behind this one.
        """
        last = after
        stream: AsyncIterator[Sequence[ObjectMeta]] | None = None

        async def ask() -> Sequence["ObjectMeta"] | None:
            nonlocal last, stream
            # One that broke off is asked for again from where it was.
            asked = stream or aiter(self._store.list(below or None, offset=last or None, chunk_size=_PAGE))
            stream = None
            page = await anext(asked, None)
            stream = asked
            if page:
                last = page[-1]["path"]
            return page

        while (page := await self._try("list", below, ask)) is not None:
            yield [_facts(each, {}) for each in page]

    # -- writing ------------------------------------------------------------------------------------------------

    async def put(
        self, key: str, body: bytes | mmap.mmap, *, labels: Mapping[str, str] | None = None,
        is_new: bool = False, if_etag: str | None = None,
    ) -> str:  # fmt: skip
        """Write a whole object, of up to some dozens of megabytes; it is there as a whole or not at all.

        Args:
            is_new: Only if nothing lies there.
            if_etag: Only if that object lies there.
        Returns:
            Its etag.
        Raises:
            OccupiedError: Something lies there; after a lost answer it can be what this call wrote.
            ChangedError: Another object lies there, or none; after a lost answer likewise.
        """
        mode: PutMode = {"e_tag": if_etag} if if_etag is not None else "create" if is_new else "overwrite"

        async def ask() -> str:
            done = await self._store.put_async(
                key, body, mode=mode, attributes=_attributes(labels), use_multipart=False
            )
            return done["e_tag"] or ""

        return await self._try("write", key, ask, size_bytes=len(body))

    async def put_file(self, key: str, file: Path, *, labels: Mapping[str, str] | None = None) -> str:
        """Write a large object in parts, in bounded memory and many requests; whatever lay there is replaced."""

        async def ask() -> str:
            done = await self._store.put_async(
                key, file, attributes=_attributes(labels), use_multipart=True, chunk_size=_PART_BYTES,
                max_concurrency=_PARTS_AT_ONCE,
            )  # fmt: skip
            return done["e_tag"] or ""

        size_bytes = (await asyncio.to_thread(file.stat)).st_size
        return await self._try("write", key, ask, size_bytes=size_bytes)

    async def copy(self, source: str, target: str, *, is_new: bool, size_bytes: int = 0) -> None:
        """Copy an object inside the store, with its labels.

        Args:
            is_new: Only if nothing lies there. Not every store heeds or knows that: look before.
        Raises:
            OccupiedError: Something lies there; after a lost answer it can be what this call wrote.
        """
        for is_conditional in (True, False) if is_new and self._knows_new_copies else (False,):
            ask = partial(self._store.copy_async, source, target, overwrite=not is_conditional)
            try:
                await self._try("copy to", target, ask, size_bytes=size_bytes)
            except UnknownRequestError:
                if not is_conditional:
                    raise
                self._knows_new_copies = False
            else:
                return

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete objects, up to 1000 with each request; one that is not there is no matter."""
        if keys:
            await self._try("delete", keys[0], lambda: self._store.delete_async(list(keys)))

    # -- asking -------------------------------------------------------------------------------------------------

    async def _try(
        self, doing: str, key: str, ask: Callable[[], Awaitable[T]], *, size_bytes: int = 0, is_timed: bool = True
    ) -> T:
        """Ask until the store answers, or was away for too long.

        Args:
            size_bytes: What is sent.
            is_timed: Whether the answer as a whole must come in time; otherwise ``ask`` sees to that itself.
        """
        limit_s = self._stall_s + size_bytes / _LEAST_BYTES_S if is_timed else None

        async def once() -> T:
            try:
                async with self._slots, asyncio.timeout(limit_s):
                    answer = await ask()
            except TimeoutError:
                error: ArchiveError = AwayError(f"{self.place}: cannot {doing} {key}: the store did not answer in time")
            except (BaseError, NotImplementedError, OSError, ValueError) as refusal:
                error = in_our_words(refusal, self.place, doing, key)
            else:
                self._note(None)
                return answer
            self._note(error)
            raise error

        return await call_with_retry(once, self._retry)

    def _note(self, error: ArchiveError | None) -> None:
        """Say that the store is away, and that it is back, and not once for each request under way."""
        is_away = isinstance(error, AwayError)
        if is_away:
            log.log(logging.INFO if self._is_away else logging.WARNING, "%s: asking again", error)
        elif self._is_away:
            log.warning("%s: the store answers again", self.place)
        self._is_away = is_away


def _profile(environ: Mapping[str, str]) -> "S3CredentialProvider | None":
    """Find credentials in the profiles of AWS's own tools, which the library leaves to boto3."""
    folder = Path.home() / ".aws"
    has_profiles = environ.get("AWS_PROFILE") or (folder / "credentials").exists() or (folder / "config").exists()
    if environ.get("AWS_ACCESS_KEY_ID") or not has_profiles:
        return None
    try:
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415 - not everybody has boto3, nor needs it
        from obstore.auth.boto3 import Boto3CredentialProvider  # noqa: PLC0415
    except ImportError:
        return None
    try:
        return Boto3CredentialProvider()
    except (BotoCoreError, ValueError) as error:
        raise ConfigError(f"no credentials from the profiles in {folder}: {error}") from None


def _facts(meta: "ObjectMeta", attributes: "Attributes") -> ObjectFacts:
    return ObjectFacts(
        key=meta["path"],
        size_bytes=meta["size"],
        etag=meta["e_tag"] or "",
        modified_ts=meta["last_modified"].timestamp(),
        version=meta["version"] or "",
        labels=attributes,
    )


def _attributes(labels: Mapping[str, str] | None) -> "Attributes | None":
    return dict(labels) if labels else None
