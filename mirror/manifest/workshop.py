"""Where a manifest is made again: beside the one it replaces, under that one's lock, and whole before it is named."""

import os
import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from mirror.errors import ArchiveError, ManifestError
from mirror.manifest.ledger import WAY_OUT, translated
from mirror.manifest.lock import Lock
from mirror.manifest.open import check_file, publish, side_file, uri_of
from mirror.manifest.queries import ManifestReader
from mirror.manifest.text import now_text

_FOLDER = "rebuild"
_SIDES = ("-wal", "-shm", "-journal")
_MOST_KEPT = 1000


class Workshop:
    """Holds a manifest's lock from construction to `close`, and a folder for the one that is being made.

    A killed run leaves that folder behind; the next one begins it anew.

    Args:
        path: The manifest that is to be replaced; it need not be there.
    Raises:
        ManifestError: Another run holds the lock; the message says who.
        ArchiveError: The folder cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._folder = path.parent / _FOLDER
        self.draft = self._folder / path.name
        """Where the new manifest is made."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ArchiveError(f"{path.parent}: cannot be made: {error.strerror}") from error
        self._lock = Lock(path.parent / "lock", wait_s=0.0)
        try:
            self.restart()
        except BaseException:
            self._lock.release()
            raise

    def restart(self) -> None:
        """Throw away what was begun, by this run or a killed one.

        Raises:
            ArchiveError: The folder cannot be written.
        """
        try:
            self._clear()
            self._folder.mkdir()
        except OSError as error:
            raise ArchiveError(f"{self._folder}: cannot be made: {error.strerror}") from error

    def _clear(self) -> None:
        with suppress(FileNotFoundError):
            shutil.rmtree(self._folder)  # refuses a link by itself

    def begin_from(self, basis: Path) -> None:
        """Begin with a copy of a manifest, which must be sound from end to end.

        Raises:
            NewerError: It is of a newer version.
            ManifestError: Absent, damaged or no manifest.
        """
        with ManifestReader(basis) as reader:
            reader.copy(self.draft)
        with translated(basis), closing(sqlite3.connect(self.draft, isolation_level=None)) as copy:
            found = [row[0] for row in copy.execute("PRAGMA integrity_check(1)")]
            if found != ["ok"]:
                raise ManifestError(f"{basis}: damaged ({found[0] if found else 'no answer'}): {WAY_OUT}")
            if copy.execute("SELECT 1 FROM pragma_table_info('archive') WHERE name = 'snapshot_of'").fetchone():
                copy.execute("UPDATE archive SET snapshot_of = NULL, snapshot_at = NULL")

    def install(self) -> Path | None:
        """Give the finished manifest its name, in one step; what had it before is kept under another name.

        Returns:
            Where the earlier manifest, or what was left of it, lies now; None if there was nothing.
        """
        kept = self.keep(self._path)
        try:
            publish(self.draft, self._path)
        except OSError as error:
            raise ArchiveError(f"{self._path}: cannot be replaced: {error.strerror}") from error
        return kept

    def keep(self, path: Path) -> Path | None:
        """Give what has a manifest's name a second one; its side files get only that: they must meet no other.

        Returns:
            The second name; None if there was nothing.
        """
        try:
            return self._keep(path)
        except OSError as error:
            raise ArchiveError(f"{path}: cannot be kept under another name: {error.strerror}") from error

    def _keep(self, path: Path) -> Path | None:
        for suffix in _SIDES:
            if suffix == "-shm" or _is_empty(side_file(path, suffix)):
                side_file(path, suffix).unlink(missing_ok=True)  # an index, or nothing: it holds nothing of its own
        sides = [suffix for suffix in _SIDES if os.path.lexists(side_file(path, suffix))]
        if not os.path.lexists(path) and not sides:
            return None
        kept = self._free_name(path)
        if os.path.lexists(path):
            try:
                os.link(path, kept, follow_symlinks=False)
            except OSError:  # a disk without links
                shutil.copy2(path, kept, follow_symlinks=False)
        for suffix in sides:
            side_file(path, suffix).rename(side_file(kept, suffix))
        return kept

    def _free_name(self, path: Path) -> Path:
        stamp = now_text().replace("-", "").replace(":", "")
        names = [f"{path.name}.kept-{stamp}", *(f"{path.name}.kept-{stamp}-{n}" for n in range(2, _MOST_KEPT))]
        return next(
            kept
            for kept in map(path.with_name, names)
            if not any(os.path.lexists(side_file(kept, suffix)) for suffix in ("", *_SIDES))
        )

    def close(self) -> None:
        """Throw away what was not installed and let others in; closing twice is fine."""
        with suppress(OSError):
            self._clear()
        self._lock.release()


def _is_empty(path: Path) -> bool:
    return path.exists() and not path.stat().st_size


def id_of(path: Path) -> str:
    """Say which archive a manifest is of.

    Raises:
        NewerError: It is of a newer version.
        ManifestError: Absent, damaged or no manifest.
    """
    with ManifestReader(path) as reader:
        return reader.archive_id()


def forgotten_in(path: Path) -> list[tuple[int, int, str]] | None:
    """Read out of a damaged manifest which photos were forgotten on request, if that much can be read.

    Returns:
        Race id, photo id and when; None if nobody can say.
    """
    try:
        check_file(path)
        with closing(sqlite3.connect(uri_of(path, "mode=ro"), uri=True)) as connection:
            return connection.execute("SELECT race_id, photo_id, forgotten_at FROM tombstone").fetchall()
    except (sqlite3.Error, ManifestError, ArchiveError, OSError):
        return None
