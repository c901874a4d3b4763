"""Copies of stored files that lie elsewhere: found by their bytes and their names, and deleted."""

import contextlib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mirror.archive.disk import hash_file
from mirror.errors import ArchiveError


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """A stored file whose copies are looked for."""

    photo_id: int
    key: str
    size_bytes: int | None
    sha256: bytes | None


class Copies:
    """Looks for copies of some files. Every method blocks: it belongs into a thread.

    A copy has the bytes of an original, or its name with or without something behind it, as side files and converted
    pictures have: ``900191_DSC_1090.jpg.xmp``, ``900191_DSC_1090.webp``. A name counts only where the photo's id
    stands in it, since others need not be unlike those of other photos. A link that leads to an original is one too.

    Args:
        by_name: Whether names count; not in folders that are people's own.
    """

    def __init__(self, originals: Sequence[Original], *, by_name: bool = True) -> None:
        self._keys = tuple(f"/{each.key}" for each in originals)
        self._digests = {(each.size_bytes, each.sha256) for each in originals if each.sha256 is not None}
        self._sizes = {size for size, _ in self._digests}
        stems = {_stem(each.key) for each in originals if _has_id(_stem(each.key), each.photo_id)}
        # Where names begin with the id, the id alone names a photo as well: 900191.webp.
        stems |= {str(each.photo_id) for each in originals if _stem(each.key).startswith(str(each.photo_id))}
        names = "|".join(map(re.escape, sorted(stems))) if by_name else ""
        self._is_name = re.compile(f"(?:{names})(?:[._~-].*)?" if names else "(?!)", re.DOTALL).fullmatch

    def remove_below(self, place: Path) -> int:
        """Delete the copies in a folder, and say how many; a file or a link is looked at by itself.

        Raises:
            ArchiveError: Something there cannot be read or deleted.
        """
        try:
            return sum(self._remove(folder, names) for folder, names in _folders(place))
        except OSError as error:
            raise ArchiveError(f"{place}: copies there cannot be deleted: {error.strerror}") from error

    def _remove(self, folder: Path, names: Sequence[str]) -> int:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            doomed = [name for name in names if self._is_copy(descriptor, name)]
            for name in doomed:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=descriptor)
            if doomed:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return len(doomed)

    def _is_copy(self, folder: int, name: str) -> bool:
        if self._is_name(name):
            return True
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISLNK(found.st_mode):
            return os.readlink(name, dir_fd=folder).endswith(self._keys)
        is_like = stat.S_ISREG(found.st_mode) and found.st_size in self._sizes
        return is_like and hash_file(folder, name) in self._digests


def _folders(place: Path) -> Iterator[tuple[Path, list[str]]]:
    """Every folder at and below a place, with the names of what is no folder in it; links lead nowhere."""
    if place.is_symlink() or not place.is_dir():
        yield place.parent, [place.name]
        return
    for folder, _, names in os.walk(place):
        yield Path(folder), names


def _stem(key: str) -> str:
    name = key.rpartition("/")[2]
    return name.rpartition(".")[0] or name


def _has_id(stem: str, photo_id: int) -> bool:
    return re.search(rf"(?<!\d){photo_id}(?!\d)", stem) is not None
