"""Stored files of a bucket for those who only read, and read one after the other: later ones are on their way."""

import asyncio
import hashlib
import os
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Iterable
from concurrent.futures import Future, wait
from datetime import datetime
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from mirror.archive import names
from mirror.archive.copying import is_like
from mirror.archive.disk import printable
from mirror.archive.neighbour import new_file, writing
from mirror.archive.nouns import Copy, FileRef, How
from mirror.archive.objects import glancing
from mirror.archive.objects.labels import sha256_in
from mirror.archive.objects.shelf import Shelf
from mirror.errors import AbsentError, ArchiveError, DamagedError

if TYPE_CHECKING:
    from mirror.archive.objects.bucket import Bucket
    from mirror.archive.objects.facts import ObjectFacts

A = TypeVar("A")
R = TypeVar("R")
T = TypeVar("T")

_AHEAD = 16
_STEP_S = 0.5
_AHEAD_BYTES = 64 * 1024 * 1024
"""So much is held for whoever reads; a file that is larger by itself is held alone."""


class BucketFiles:
    """See ``handing.StoredFiles`` for the promises. Requests are made in a thread of its own.

    Args:
        new_bucket: Makes the bucket, for this thread alone.
    """

    def __init__(self, new_bucket: Callable[[], "Bucket"]) -> None:
        self._bucket = new_bucket()
        self._glancer = glancing.Glancer(Shelf(self._bucket))
        self._loop = asyncio.new_event_loop()
        # A daemon: a program that is torn down without closing must not hang on it.
        self._thread = threading.Thread(target=self._loop.run_forever, name="mirror-bucket", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _outcome(self._begin(_cancel_all()))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # -- many files -----------------------------------------------------------------------------------------------

    def read_each(
        self, items: Iterable[tuple[T, FileRef | None]]
    ) -> Generator[tuple[T, bytes | DamagedError | None], None, None]:
        """Read whole files, some of them ahead."""
        yield from self._ahead(items, self._read, lambda file: file.size_bytes or 0)

    def check_each(
        self, items: Iterable[tuple[T, FileRef | None]]
    ) -> Generator[tuple[T, DamagedError | None], None, None]:
        """Make sure that files are there, by listings of many."""
        rest = iter(items)
        while chunk := list(islice(rest, glancing.MOST)):
            keys = sorted({file.key for _, file in chunk if file is not None})
            there = _outcome(self._begin(self._glancer.find(keys)))
            for item, file in chunk:
                yield item, None if file is None or file.key in there else _absent(file)

    def put_each(
        self, items: Iterable[tuple[T, Copy | None]], *, how: How = "copy"
    ) -> Generator[tuple[T, DamagedError | None], None, None]:
        """Bring files under names of this machine, several at once."""
        if how == "link":
            raise ArchiveError(f"{self._bucket.place}: links lead to files of this machine; copies work everywhere")
        yield from self._ahead(items, self._put, lambda _: 0)

    def is_copy(self, file: FileRef, target: Path) -> bool:
        """Whether a copy of a file lies there; the store is not asked."""
        return is_like(target, size_bytes=file.size_bytes, time_ns=_stored_ns(file), sha256=file.sha256)

    def pass_on(self, key: str, take: Callable[[bytes], object]) -> int:
        """Hand a whole file on piece by piece."""
        names.split_key(key)

        def taken(piece: bytes) -> None:
            with writing(Path(key)):
                take(piece)

        async def read() -> int:
            try:
                return (await self._bucket.read(key, taken)).size_bytes
            except AbsentError:
                raise _absent(FileRef(key=key)) from None

        return _outcome(self._begin(read()))

    def _ahead(
        self, items: Iterable[tuple[T, A | None]], do: Callable[[A], Coroutine[Any, Any, R]],
        weigh: Callable[[A], int],
    ) -> Generator[tuple[T, R | DamagedError | None], None, None]:  # fmt: skip
        """Have things done for the items to come while those before are taken."""
        waiting: deque[tuple[T, Future[R] | None, int]] = deque()
        held = 0
        try:
            for item, asked in items:
                weight = 0 if asked is None else weigh(asked)
                while waiting and (len(waiting) >= _AHEAD or held + weight > _AHEAD_BYTES):
                    done, future, freed = waiting.popleft()
                    held -= freed
                    answer = _answer(future)
                    yield done, answer
                waiting.append((item, None if asked is None else self._begin(do(asked)), weight))
                held += weight
            while waiting:
                done, future, _ = waiting.popleft()
                answer = _answer(future)
                yield done, answer
        finally:
            # What is not waited for must not write any more: its folder may be about to go.
            for _, future, _ in waiting:
                if future is not None:
                    future.cancel()
            if not self._loop.is_closed():
                _outcome(self._begin(_cancel_all()))

    def _begin(self, work: Coroutine[Any, Any, R]) -> "Future[R]":
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    # -- one file -------------------------------------------------------------------------------------------------

    async def _read(self, file: FileRef) -> bytes:
        try:
            body, facts = await self._bucket.get(file.key)
        except AbsentError:
            raise _absent(file) from None
        _require(file, facts, hashlib.sha256(body).digest())
        return body

    async def _put(self, copy: Copy) -> None:
        hashing = hashlib.sha256()
        with new_file(copy.target, is_flushed=False) as new:

            def take(piece: bytes) -> None:
                hashing.update(piece)
                with writing(copy.target):
                    new.write(piece)

            try:
                facts = await self._bucket.read(copy.file.key, take)
            except AbsentError:
                raise _absent(copy.file) from None
            _require(copy.file, facts, hashing.digest())
            new.flush()
            moment = _stored_ns(copy.file) or int(facts.modified_ts * 1e9)
            if os.utime in os.supports_fd:
                os.utime(new.fileno(), ns=(moment, moment))


def _answer(future: "Future[R] | None") -> R | DamagedError | None:
    try:
        return None if future is None else _outcome(future)
    except DamagedError as error:
        return error


def _outcome(future: "Future[R]") -> R:
    """Wait in short steps: a signal that comes in the moment before a wait is heard only when that has ended."""
    while not future.done():
        wait([future], timeout=_STEP_S)
    return future.result()


async def _cancel_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def _absent(file: FileRef) -> DamagedError:
    return DamagedError(f"{printable(file.key)}: it is not there")


def _require(file: FileRef, facts: "ObjectFacts", digest: bytes) -> None:
    """Refuse bytes that are not those that were stored: they came from afar, and were hashed on their way."""
    if file.size_bytes is not None and facts.size_bytes != file.size_bytes:
        raise DamagedError(f"{printable(file.key)}: {facts.size_bytes} bytes, expected {file.size_bytes}")
    if digest != (file.sha256 or sha256_in(facts.labels) or digest):
        raise DamagedError(f"{printable(file.key)}: its bytes are not those that were stored")


def _stored_ns(file: FileRef) -> int | None:
    """When it was stored, as a file's time: known to the manifest, so that no store need be asked."""
    try:
        return int(datetime.fromisoformat(file.stored_at).timestamp()) * 10**9 if file.stored_at else None
    except ValueError:
        return None
