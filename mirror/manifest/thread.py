"""The one thread that owns the connection: how a manifest is opened for writing, worked on, and closed."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Concatenate, ParamSpec, Self, TypeVar

from mirror.layout import DEFAULT_TEMPLATE
from mirror.manifest.ledger import Ledger
from mirror.manifest.open import open_ledger

P = ParamSpec("P")
T = TypeVar("T")


class ManifestThread:
    """An open ledger and its thread: what every method of `mirror.manifest.Manifest` goes through."""

    def __init__(self, ledger: Ledger, thread: ThreadPoolExecutor) -> None:
        self._ledger = ledger
        self._thread = thread
        self._closing: asyncio.Future[None] | None = None

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        create: bool,
        program: str = "mirror 0.1.0",
        template: str = DEFAULT_TEMPLATE,
        lock_wait_s: float = 0.0,
        is_on_network: bool = False,
        keeps_versions: bool = True,
    ) -> Self:
        """Open a manifest and keep every other writing command out until it is closed.

        What cannot be opened is left byte for byte as it is.

        Args:
            create: Whether to make a new manifest where there is none.
            program: Name and version, for the rows of the runs.
            template: How keys of assets that were never stored are made.
            lock_wait_s: How long to wait for another run to end.
            is_on_network: Whether its disk is another machine's: then there is no WAL, which needs shared memory.
            keeps_versions: Whether bytes that are replaced are kept.
        Raises:
            ManifestError: Absent, in use (says by whom), damaged, foreign, or of a newer version.
            ArchiveError: The folder cannot be written.
        """
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="manifest")
        work = partial(
            open_ledger, path, create=create, program=program, template=template, lock_wait_s=lock_wait_s,
            is_on_network=is_on_network, keeps_versions=keeps_versions,
        )  # fmt: skip
        opening = asyncio.get_running_loop().run_in_executor(thread, work)
        try:
            return cls(await asyncio.shield(opening), thread)
        except BaseException:
            # A cancelled await does not stop the thread: whatever it opens yet must be closed there.
            opening.add_done_callback(lambda done: _close_late(thread, done))
            raise

    @property
    def archive_id(self) -> str:
        """The archive's own random id; the tree carries the same."""
        return self._ledger.archive_id

    @property
    def is_new(self) -> bool:
        """Whether this opening made the manifest."""
        return self._ledger.is_new

    async def aclose(self) -> None:
        """Bring everything into the one file, leave no side file behind, and let others in; closing twice is fine."""
        if self._closing is None:
            self._closing = asyncio.get_running_loop().run_in_executor(self._thread, self._ledger.close)
            self._thread.shutdown(wait=False)
        await asyncio.shield(self._closing)

    async def _read(self, function: Callable[Concatenate[Ledger, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._run(partial(self._ledger.read, partial(function, self._ledger, *args, **kwargs)))

    async def _write(self, function: Callable[Concatenate[Ledger, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._run(partial(self._ledger.write, partial(function, self._ledger, *args, **kwargs)))

    async def _write_durably(
        self, function: Callable[Concatenate[Ledger, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """As `_write`, and on the disk before it returns."""
        work = partial(function, self._ledger, *args, **kwargs)
        return await self._run(partial(self._ledger.write, work, durable=True))

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _close_late(thread: ThreadPoolExecutor, done: "asyncio.Future[Ledger]") -> None:
    if not done.cancelled() and done.exception() is None:
        thread.submit(done.result().close)
    thread.shutdown(wait=False)
