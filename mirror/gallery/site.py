"""A folder that is a whole site at every moment: new files first, then the pages that name them, then the sweep."""

import json
import os
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from mirror.archive import Copy, FileRef, StoredFiles, new_file
from mirror.errors import ArchiveError, ConfigError, DamagedError
from mirror.manifest.lock import Lock

MARK = "mirror-gallery.json"
"""Says that the folder is ours to change."""
COPIES = "photos"
_DATA, _APP = "data", "app"
_DRAFT = ".new"
_LOCK = ".lock"
_LOCK_WAIT_S = 30.0


class Site:
    """The folder of a gallery, open for one build.

    Args:
        folder: Absent, empty, or made by an earlier build.
        archive_id: Whose gallery it is.
        lock_wait_s: How long to wait for another build to end.
    Raises:
        ConfigError: Something else is in it.
        ManifestError: Another build is on in it.
        ArchiveError: It cannot be written.
    """

    def __init__(self, folder: Path, *, archive_id: str, lock_wait_s: float = _LOCK_WAIT_S) -> None:
        self.folder = folder
        self.written = self.removed = 0
        self._is_flushed = True
        self._kept: set[str] = set()
        self._made: set[str] = set()
        with translated(folder):
            self._lock = _claim(folder, archive_id, lock_wait_s)

    def close(self) -> None:
        """Let another build in; closing twice is fine."""
        self._lock.release()

    def put(self, path: str, content: bytes) -> None:
        """Write a file whose name tells its content; one that is there is not written again."""
        self._kept.add(path)
        with translated(self.folder / path):
            if _size(self.folder / path) != len(content):
                self._write(path, content)

    def swap(self, path: str, content: bytes) -> None:
        """Replace a page at once and as a whole, if it changed."""
        self._kept.add(path)
        file = self.folder / path
        with translated(file):
            if _size(file) != len(content) or file.read_bytes() != content:
                self._write(path, content, is_flushed=True)

    def copy_each(self, files: StoredFiles, wanted: Iterable[FileRef]) -> Generator[int | DamagedError, None, None]:
        """Copy pictures of the archive unless they are there already, by size and time; yields the bytes copied."""
        with closing(files.put_each(self._copies(files, wanted))) as done:
            for size_bytes, trouble in done:
                yield size_bytes if trouble is None else trouble

    def _copies(self, files: StoredFiles, wanted: Iterable[FileRef]) -> Iterator[tuple[int, Copy | None]]:
        for file in wanted:
            path = f"{COPIES}/{file.key}"
            self._kept.add(path)
            target = self._place(path)
            if files.is_copy(file, target):
                yield 0, None
            else:
                self._is_flushed = False
                yield file.size_bytes or 0, Copy(file=file, target=target)

    def flush(self) -> None:
        """Bring what was written so far to the disk, before a page names it."""
        if hasattr(os, "sync") and not self._is_flushed:
            os.sync()
        self._is_flushed = True

    def sweep(self) -> None:
        """Remove what earlier builds left and this one does not name."""
        with translated(self.folder):
            for file in self._ours():
                if file.relative_to(self.folder).as_posix() not in self._kept:
                    file.unlink(missing_ok=True)
                    self.removed += 1
            for name in (_DATA, _APP, COPIES):
                _remove_empty(self.folder / name)

    def _ours(self) -> Iterator[Path]:
        """Every file that only a build makes; others in the folder, such as a web host's own, are left alone."""
        for name in (_DATA, _APP, COPIES):
            for folder, _, files in os.walk(self.folder / name):
                yield from (Path(folder, each) for each in files)
        for file in self.folder.iterdir():
            if file.name.endswith(_DRAFT) or (file.suffix == ".html" and file.stem.replace("-", "").isdigit()):
                yield file

    def _write(self, path: str, content: bytes, *, is_flushed: bool = False) -> None:
        with new_file(self._place(path), is_flushed=is_flushed) as file:
            file.write(content)
        self._is_flushed = False
        self.written += 1

    def _place(self, path: str) -> Path:
        """Where a file goes; its folder is there."""
        file = self.folder / path
        if (parent := str(file.parent)) not in self._made:
            with translated(file.parent):
                file.parent.mkdir(parents=True, exist_ok=True)
            self._made.add(parent)
        return file


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Let no error of the disk out as it is."""
    try:
        yield
    except OSError as error:
        raise ArchiveError(f"{error.filename or path}: {error.strerror or error}") from error


def _claim(folder: Path, archive_id: str, lock_wait_s: float) -> Lock:
    """Make sure that the folder is ours and nobody else builds there, and say so in it."""
    mark = folder / MARK
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise ConfigError(f"{folder} is in the way: move it away, or give --to DIR")
    is_marked = mark.is_file()
    if not is_marked and folder.is_dir() and not all(map(_is_first_step, folder.iterdir())):
        raise ConfigError(f"{folder} is there and is no gallery: move it away, or give --to DIR")
    if is_marked and _owner(mark) != archive_id:
        raise ConfigError(f"{folder} is the gallery of another archive: move it away, or give --to DIR")
    folder.mkdir(parents=True, exist_ok=True)
    lock = Lock(folder / _LOCK, wait_s=lock_wait_s)
    if not is_marked:
        facts = {"made_by": "mirror gallery, which replaces its own files here", "archive_id": archive_id}
        with new_file(mark) as file:
            file.write(f"{json.dumps(facts)}\n".encode())
    return lock


def _is_first_step(file: Path) -> bool:
    """Whether a build that was killed at once may have left this."""
    return file.name == _LOCK or file.name.endswith(_DRAFT)


def is_gallery_of(folder: Path, archive_id: str) -> bool:
    """Whether a folder holds the gallery of this archive."""
    return (folder / MARK).is_file() and _owner(folder / MARK) == archive_id


def _owner(mark: Path) -> str | None:
    """The archive that a gallery was made of."""
    try:
        found = json.loads(mark.read_text("utf-8"))
    except ValueError:
        return None
    return found.get("archive_id") if isinstance(found, dict) else None


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return -1


def _remove_empty(folder: Path) -> None:
    for each, _, _ in os.walk(folder, topdown=False):
        with suppress(OSError):  # not empty
            Path(each).rmdir()
