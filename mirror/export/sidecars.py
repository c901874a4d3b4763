"""XMP beside pictures and inside copies of them: written only where it changed, never over another program's work."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from mirror.archive import FileRef, StoredFiles, new_file
from mirror.archive.names import split_key
from mirror.archive.neighbour import writing
from mirror.export.containers import NoPlaceError, find_packet, put_packet
from mirror.export.merging import merged
from mirror.export.xmp import is_ours, packet, properties
from mirror.layout import SIDECAR
from mirror.manifest import ExportAsset, ExportPhoto
from mirror.model import VARIANTS


@dataclass(frozen=True, slots=True, kw_only=True)
class XmpReport:
    """What became of the pictures of an XMP export."""

    written: int
    """New, or changed since the last export."""
    unchanged: int
    left: tuple[str, ...]
    """Files that another program wrote or changed: they stay as they are."""
    missing: tuple[str, ...]
    """Stored files that cannot be read, each with the reason."""
    beside: int
    """Copies whose format takes no metadata here: their XMP lies beside them."""


class _Wish(NamedTuple):
    """One stored file whose metadata is to be written."""

    photo: ExportPhoto
    asset: ExportAsset
    key: str


def below(folder: Path, key: str) -> Path:
    """Say where a key lies below a folder, never outside."""
    parents, name = split_key(key)
    return folder.joinpath(*parents, name)


class Sidecars:
    """Writes the metadata of photos.

    Args:
        folder: Where; the archive's own root puts sidecars beside the stored files.
        variants: Which files of a photo; none means the best that is stored.
        is_embedding: Make copies of the pictures with the metadata inside.
        on_file: Called after each file.
    """

    def __init__(
        self, files: StoredFiles, folder: Path, *, variants: Sequence[str] = (), is_embedding: bool = False,
        on_file: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self._files = files
        self._folder = folder
        self._variants = variants
        self._is_embedding = is_embedding
        self._on_file = on_file
        self._written = self._unchanged = self._beside = 0
        self._left: list[str] = []
        self._missing: list[str] = []
        self._made: set[Path] = set()

    def write(self, photos: Iterable[ExportPhoto]) -> XmpReport:
        """Write all of them."""
        chosen = ((wish, _ref(wish)) for photo in photos for wish in self._chosen(photo))
        if self._is_embedding:
            with contextlib.closing(self._files.read_each(chosen)) as pictures:
                for wish, picture in pictures:
                    if isinstance(picture, bytes):
                        self._embed(wish, picture)
                    else:
                        self._missing.append(str(picture))
                    self._on_file()
        else:
            with contextlib.closing(self._files.check_each(chosen)) as checked:
                for wish, trouble in checked:
                    if trouble is None:
                        self._put_beside(wish)
                    else:
                        self._missing.append(str(trouble))
                    self._on_file()
        return XmpReport(
            written=self._written, unchanged=self._unchanged, left=tuple(self._left),
            missing=tuple(self._missing), beside=self._beside,
        )  # fmt: skip

    def _chosen(self, photo: ExportPhoto) -> Iterator[_Wish]:
        stored = {each.variant: _Wish(photo, each, each.key) for each in photo.assets if each.key is not None}
        best = [each for each in VARIANTS if each in stored][:1]
        for variant in self._variants or best:
            if variant in stored:
                yield stored[variant]

    def _put_beside(self, wish: _Wish) -> None:
        target = below(self._folder, wish.key)
        said = properties(wish.photo, wish.asset)
        self._put(target.with_name(f"{target.name}{SIDECAR}"), packet(said), is_ours)

    def _embed(self, wish: _Wish, picture: bytes) -> None:
        target = below(self._folder, wish.key)
        said = properties(wish.photo, wish.asset)
        try:
            old = find_packet(picture)
            body = put_packet(picture, packet(said) if old is None else merged(old, said))
        except NoPlaceError:
            self._beside += 1
            self._put(target, picture, lambda _: False)
            self._put_beside(wish)
            return
        self._put(target, body, _is_copy_of_ours)

    def _put(self, target: Path, body: bytes, may_go: Callable[[bytes], bool]) -> None:
        with writing(target):
            there = target.read_bytes() if target.is_file() else None
            # An empty file is what a power cut may leave of one of ours.
            if there and there != body and not may_go(there):
                self._left.append(str(target))
                return
            if there == body:
                self._unchanged += 1
                return
            if target.parent not in self._made:
                target.parent.mkdir(parents=True, exist_ok=True)
                self._made.add(target.parent)
        with new_file(target, is_flushed=False) as file:
            file.write(body)
        self._written += 1


def _ref(wish: _Wish) -> FileRef:
    sha256 = wish.asset.sha256
    return FileRef(
        key=wish.key, size_bytes=wish.asset.size_bytes, sha256=bytes.fromhex(sha256) if sha256 is not None else None
    )


def _is_copy_of_ours(picture: bytes) -> bool:
    try:
        found = find_packet(picture)
    except NoPlaceError:
        return False
    return found is not None and is_ours(found)
