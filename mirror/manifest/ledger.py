"""The open connection with what a run keeps in mind; lives in one thread."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from mirror.errors import ArchiveError, InUseError, ManifestError, MirrorError
from mirror.manifest.lock import Lock
from mirror.model import Scope

T = TypeVar("T")

WAY_OUT = "put a sound copy back, or make it again from the tree with 'mirror rebuild'"

_DISK = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_IOERR: "the disk reports an error",
    sqlite3.SQLITE_READONLY: "read-only",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened",
    sqlite3.SQLITE_PERM: "not permitted",
    sqlite3.SQLITE_AUTH: "not permitted",
    sqlite3.SQLITE_NOMEM: "out of memory",
    sqlite3.SQLITE_TOOBIG: "too much text for one row",
}
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}


def translate(error: sqlite3.Error, path: Path) -> MirrorError:
    """Sort an error of SQLite by its consequence; its message never holds a value."""
    code = getattr(error, "sqlite_errorcode", None)
    primary = None if code is None else code & 0xFF
    if primary in _DISK:
        return ArchiveError(f"{path}: {_DISK[primary]} ({error.sqlite_errorname})")
    if primary in _BUSY:
        return InUseError(f"{path}: in use by another program, which did not let go in time")
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    return ManifestError(f"{path}: damaged ({name}); it was left as it is: {WAY_OUT}")


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Let no error of SQLite out as it is; mistakes in calling it are ours and stay what they are."""
    try:
        yield
    except (sqlite3.ProgrammingError, sqlite3.InterfaceError):
        raise
    except sqlite3.Error as error:
        raise translate(error, path) from error


@dataclass(slots=True, kw_only=True)
class PassState:
    """What a pass on its way keeps in mind."""

    race_id: int
    race_day_id: int
    scope: Scope
    has_rejects: bool
    warned: set[str] = field(default_factory=set)
    """Kinds of warning already given: one of a kind is enough."""


@dataclass(slots=True, kw_only=True)
class Ledger:
    """The connection, the lock, and this run's memory."""

    connection: sqlite3.Connection
    lock: Lock
    path: Path
    is_wal: bool
    program: str
    template: str
    archive_id: str
    is_new: bool
    keeps_versions: bool = True
    """Whether bytes that are replaced are kept, and so have a row of their own."""
    run_id: int = 0
    first_pass_id: int = 0
    """The first pass of this run: what passes from here on saw was seen in this run."""
    passes: dict[int, PassState] = field(default_factory=dict)
    variants: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """What each selected race's photos are planned for."""
    hosts: set[str] = field(default_factory=set)
    barren: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Per host, a stretch of ``wanted_no`` in which the selection wants nothing: no need to look again."""
    holds_refused: bool = False
    """Whether what was refused last time waits for the end of the listing."""
    refused: set[int] = field(default_factory=set)
    """Assets that were refused in this run."""
    _synchronous: str = ""
    _is_closed: bool = False

    def read(self, work: Callable[[], T]) -> T:
        """Do something that changes nothing."""
        with translated(self.path):
            return work()

    def write(self, work: Callable[[], T], *, durable: bool = False) -> T:
        """Do something as one transaction: as a whole or not at all.

        Args:
            durable: Whether it is on the disk when this returns; otherwise a power cut may take it back.
        """
        connection = self.connection
        with translated(self.path):
            # Without a WAL the relaxed mode could cost more than the last transactions.
            self._set_synchronous("FULL" if durable or not self.is_wal else "NORMAL")
            connection.execute("BEGIN IMMEDIATE")
            try:
                result = work()
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                raise
        return result

    def _set_synchronous(self, mode: str) -> None:
        if self._synchronous != mode:
            self.connection.execute(f"PRAGMA synchronous = {mode}")
            self._synchronous = mode

    def close(self) -> None:
        """Bring the WAL into the file and let go of everything."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            with translated(self.path):
                try:
                    if self.is_wal:
                        self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                finally:
                    self.connection.close()
        finally:
            self.lock.release()

    def take_wanted_no(self, count: int) -> int:
        """Reserve so many new ``wanted_no``; returns the last one before them."""
        query = "UPDATE archive SET newest_wanted_no = newest_wanted_no + ? RETURNING newest_wanted_no"
        newest: int = self.connection.execute(query, (count,)).fetchone()[0]
        return newest - count
