"""What the rooms above may expect of stored files that are handed out, wherever they lie."""

from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, TypeVar

from mirror.archive.nouns import Copy, FileRef, How
from mirror.errors import DamagedError
from mirror.root import ArchiveRoot

T = TypeVar("T")


class StoredFiles(Protocol):
    """The files of an archive for those who only read: nothing is locked, made or tried; every method blocks.

    The methods that take many files yield an answer for each, in order, with whatever the caller gave along; an item
    without a file passes through. Where a store makes one wait, later files are on their way meanwhile, in bounded
    memory: close what is not taken to its end (`contextlib.closing`). Use it as a context manager.
    """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def read_each(
        self, items: Iterable[tuple[T, FileRef | None]]
    ) -> Generator[tuple[T, bytes | DamagedError | None], None, None]:
        """Read whole files."""

    def check_each(
        self, items: Iterable[tuple[T, FileRef | None]]
    ) -> Generator[tuple[T, DamagedError | None], None, None]:
        """Make sure that files are there."""

    def put_each(
        self, items: Iterable[tuple[T, Copy | None]], *, how: How = "copy"
    ) -> Generator[tuple[T, DamagedError | None], None, None]:
        """Put files under names outside the archive: there as a whole or not at all; older ones give way.

        A copy belongs to whoever asked: it can be edited, and has the time at which the file was stored. Nothing is
        flushed: whoever puts many flushes once.

        Args:
            how: With ``link``, editing the one changes the other.
        Raises:
            ArchiveError: A target cannot be written; or not as a link.
        """

    def is_copy(self, file: FileRef, target: Path) -> bool:
        """Whether a copy of a file lies there: known by size and time, which a copy keeps, else by its bytes."""

    def pass_on(self, key: str, take: Callable[[bytes], object]) -> int:
        """Hand a whole file on piece by piece, and say how many bytes it has.

        Raises:
            DamagedError: It is not there, or cannot be read to its end.
        """


def stored_files(root: ArchiveRoot) -> StoredFiles:
    """Open the files of an archive for those who only read.

    Raises:
        ArchiveError: The folder cannot be opened.
        ConfigError: It lies in a bucket, and the extra for those is not installed.
    """
    if root.is_local:
        from mirror.archive.copying import TreeFiles  # noqa: PLC0415 - it needs the names of this file

        return TreeFiles(root.path)
    from mirror.archive.objects import open_bucket  # noqa: PLC0415 - an extra
    from mirror.archive.objects.files import BucketFiles  # noqa: PLC0415

    return BucketFiles(lambda: open_bucket(root))
