"""Where blocking work is done: one thread for everything that is small, or the thread that asks for it."""

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

from mirror.errors import ArchiveError

CLOSED = "the archive is closed"
T = TypeVar("T")
_Waiting = tuple[Callable[[], Any], "asyncio.Future[Any]"]
_Done = tuple["asyncio.Future[Any]", Any, BaseException | None]


class Writer:
    """Does blocking work in order, in one thread.

    What arrives while the thread is busy piles up and is done in its next hop: a hop for each piece costs ten times
    as much. Work goes on when whoever waits for it is cancelled; what comes after it still comes after it.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._ended = self._loop.create_future()
        self.is_open = True
        # A daemon: a program that is torn down without closing must not hang on it.
        self._thread = threading.Thread(target=self._work, name="mirror-writer", daemon=True)
        self._thread.start()

    def do(self, work: Callable[[], T]) -> "asyncio.Future[T]":
        """Hand over a piece of work; the future gets its result."""
        if not self.is_open:
            raise ArchiveError(CLOSED)
        future: asyncio.Future[T] = self._loop.create_future()
        self._waiting.put((work, future))
        return future

    async def aclose(self) -> None:
        """Do what is waiting, then end the thread."""
        if self.is_open:
            self.is_open = False
            self._waiting.put(None)
        await asyncio.shield(self._ended)
        self._thread.join()

    def _work(self) -> None:
        is_open = True
        while is_open:
            is_open = self._hop()

    def _hop(self) -> bool:
        # A function of its own: while we wait, no name of it holds a body.
        batch = [self._waiting.get()]
        while not self._waiting.empty():
            batch.append(self._waiting.get())
        done = [(each[1], *_outcome(each[0])) for each in batch if each is not None]
        try:
            self._loop.call_soon_threadsafe(self._deliver, done, None in batch)
        except RuntimeError:  # the loop was closed before us: nobody waits any more
            return False
        return None not in batch

    def _deliver(self, done: list[_Done], is_last: bool) -> None:
        for future, result, error in done:
            _tell(future, result, error)
        if is_last:
            self._ended.set_result(None)


class WriterHere:
    """Does blocking work in the thread that asks: for a process whose only work that is.

    No thread is waited for, and none fights for the interpreter. It is done in the loop's next round: what is to be
    asked of the source meanwhile is asked first, so that no connection waits for the disk.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.is_open = True

    def do(self, work: Callable[[], T]) -> "asyncio.Future[T]":
        """Do a piece of work soon; the future gets its result."""
        if not self.is_open:
            raise ArchiveError(CLOSED)
        future: asyncio.Future[T] = self._loop.create_future()
        self._loop.call_soon(_do, work, future)
        return future

    async def aclose(self) -> None:
        """Do what is waiting, then nothing more."""
        if self.is_open:
            self.is_open = False
            await asyncio.sleep(0)


class Here(Executor):
    """The same for what is large, in the shape of a pool."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> "Future[T]":
        """Do a piece of work; the future has its result."""
        future: Future[T] = Future()
        _do(lambda: fn(*args, **kwargs), future)
        return future


def _do(work: Callable[[], T], future: "asyncio.Future[T] | Future[T]") -> None:
    _tell(future, *_outcome(work))


def _tell(future: "asyncio.Future[Any] | Future[Any]", result: Any, error: BaseException | None) -> None:
    if future.done():  # whoever waited was cancelled
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


def _outcome(work: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    try:
        return work(), None
    except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits
        return None, error
