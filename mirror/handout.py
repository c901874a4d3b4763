"""Pictures handed out of the archive: as copies, as links, or in one ZIP file; the archive is only read."""

import hashlib
import os
import secrets
import time
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mirror.archive import StoredFiles, new_file
from mirror.errors import ArchiveError, ConfigError, DamagedError
from mirror.layout import clean_name, uploaded_stem
from mirror.manifest import FoundFile, FoundPhoto

How = Literal["copied", "linked", "packed", "there already", "left alone", "not held", "damaged"]

_LONGEST_NAME_BYTES = 60
_CHUNK_BYTES = 1 << 20
_COARSEST_NS = 2_000_000_000
"""FAT, the file system of most sticks, keeps times to two seconds."""
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
_MARK = b"made by mirror"


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """What became of one photo."""

    photo_id: int
    how: How
    name: str = ""
    """Of the file that was handed out."""
    reason: str = ""
    """Why there is no such file, or not ours."""

    @property
    def is_right(self) -> bool:
        """Whether the picture is now where it was asked for."""
        return self.how not in {"left alone", "not held", "damaged"}


def hand_out(
    root: Path, photos: Iterable[FoundPhoto], to: Path, *, variant: str = "", is_link: bool = False
) -> Iterator[Handed]:
    """Put a picture of each photo into a folder, or all of them into a ZIP file, and say of each what became of it.

    Each file is there as a whole or not at all. Done again, nothing is done twice, and what lies there under such a
    name with other bytes is left alone: somebody may have edited it.

    Args:
        root: The archive's folder.
        to: A folder, which is made; or a name that ends in ``.zip``.
        variant: Empty takes the best that is held.
        is_link: Relative symbolic links instead of copies; never hard links, since an edit through one would change the
            archive's own file.
    Raises:
        ConfigError: Something else is in the way of the folder or ZIP file, or it lies among the archive's own records.
        ArchiveError: The place takes no more.
    """
    if to.resolve().is_relative_to(root.resolve() / ".mirror"):
        raise ConfigError(f"{to} lies among the archive's own records: give another --to")
    if to.suffix.lower() == ".zip":
        if is_link:
            raise ConfigError("--link makes links in a folder; a ZIP file holds copies")
        return _pack(root, photos, to, variant)
    return _put(root, photos, to, variant, is_link=is_link)


def handed_name(photo: FoundPhoto, file: FoundFile) -> str:
    """Name a picture outside the archive: ``2026-05-17_48211_900191_DSC_1090.jpg``.

    No two pictures of an archive have one name, and in a folder they stand by date.
    """
    name = clean_name(uploaded_stem(photo.uploaded_filename or ""), longest_bytes=_LONGEST_NAME_BYTES)
    day = photo.starts_on.isoformat() if photo.starts_on else ""
    size = "" if file.variant == "original" else file.variant
    stem = "_".join(filter(None, (day, str(photo.race_id), str(photo.photo_id), name, size)))
    return stem + Path(file.key or "").suffix


def _chosen(photo: FoundPhoto, variant: str) -> FoundFile | None:
    return next((each for each in photo.held if variant in {"", each.variant}), None)


def _absent(photo: FoundPhoto, variant: str) -> Handed:
    states = {each.variant: each.state for each in photo.files}
    what = variant or "picture"
    why = f"its {what} is {states[variant]}" if variant in states else f"the archive holds no {what} of it"
    return Handed(photo_id=photo.photo_id, how="not held", reason=f"photo {photo.photo_id}: {why}")


# -- a folder -------------------------------------------------------------------------------------------------------


def _put(root: Path, photos: Iterable[FoundPhoto], to: Path, variant: str, *, is_link: bool) -> Iterator[Handed]:
    _make_folder(to)
    with StoredFiles(root) as files:
        for photo in photos:
            file = _chosen(photo, variant)
            if file is None:
                yield _absent(photo, variant)
                continue
            name = handed_name(photo, file)
            how, reason = _put_one(files, root, file, to / name, is_link=is_link)
            yield Handed(photo_id=photo.photo_id, how=how, name=name, reason=reason)
    if hasattr(os, "sync"):
        # One flush for all of them: a copy that a power cut empties would be taken for somebody's own file.
        os.sync()


def _make_folder(to: Path) -> None:
    try:
        to.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise ConfigError(f"{to} is there and is no folder: give another --to") from None
    except OSError as error:
        raise ArchiveError(f"{to} cannot be made: {error.strerror}") from None


def _put_one(files: StoredFiles, root: Path, file: FoundFile, target: Path, *, is_link: bool) -> tuple[How, str]:
    stored = root / (file.key or "")
    if os.path.lexists(target):
        if _is_same(stored, file, target):
            return "there already", ""
        return "left alone", f"{target}: something else lies there, or it was edited"
    try:
        if not is_link:
            files.put(file.key or "", target, size_bytes=file.size_bytes)
            return "copied", ""
        if not stored.is_file():
            raise DamagedError(f"{file.key}: it is not there")
    except DamagedError as error:
        return "damaged", str(error)
    _link(stored, target)
    return "linked", ""


def _is_same(stored: Path, file: FoundFile, target: Path) -> bool:
    """Whether a copy of ours lies there: known by size and time, which a copy keeps, else by its bytes."""
    with suppress(OSError):
        ours, theirs = stored.stat(), target.stat()
        if os.path.samestat(ours, theirs):
            return True
        if theirs.st_size == ours.st_size and target.is_file():
            return abs(theirs.st_mtime_ns - ours.st_mtime_ns) <= _COARSEST_NS or _digest(target) == file.sha256
    return False


def _digest(path: Path) -> bytes:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").digest()


def _link(stored: Path, target: Path) -> None:
    """Make a link that still works when archive and folder move together."""
    draft = target.with_name(f".mirror-{secrets.token_hex(8)}.new")
    try:
        draft.symlink_to(os.path.relpath(stored.resolve(), target.parent.resolve()))
        draft.replace(target)
    except (OSError, NotImplementedError) as error:
        with suppress(OSError):
            draft.unlink()
        words = getattr(error, "strerror", None) or "this system has none"
        raise ArchiveError(f"{target}: cannot be a link ({words}): without --link it is a copy") from None


# -- a ZIP file -----------------------------------------------------------------------------------------------------


def _pack(root: Path, photos: Iterable[FoundPhoto], to: Path, variant: str) -> Iterator[Handed]:
    """Write a ZIP file in one go, pictures stored as they are: they do not get smaller."""
    if os.path.lexists(to) and not _is_ours(to):
        raise ConfigError(f"{to} is there and was not made by mirror: move it away, or give another name")
    _make_folder(to.parent)
    with StoredFiles(root) as files, new_file(to) as opened, zipfile.ZipFile(opened, "w") as packed:
        packed.comment = _MARK
        for photo in photos:
            file = _chosen(photo, variant)
            if file is None:
                yield _absent(photo, variant)
                continue
            try:
                yield _pack_one(files, packed, photo, file)
            except DamagedError as error:
                yield Handed(photo_id=photo.photo_id, how="damaged", reason=str(error))


def _is_ours(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as packed:
            return packed.comment == _MARK
    except (OSError, zipfile.BadZipFile):
        return False


def _pack_one(files: StoredFiles, packed: zipfile.ZipFile, photo: FoundPhoto, file: FoundFile) -> Handed:
    body = files.read(file.key or "")
    if hashlib.sha256(body).digest() != file.sha256:
        raise DamagedError(f"{file.key}: its bytes are not those that were stored: 'mirror verify' tells more")
    name = handed_name(photo, file)
    stored_ts = photo.uploaded_ts or 0
    when = max(time.gmtime(min(stored_ts, 4_000_000_000))[:6], _ZIP_EPOCH)
    entry = zipfile.ZipInfo(name, date_time=when)
    entry.external_attr = 0o644 << 16
    packed.writestr(entry, body)
    return Handed(photo_id=photo.photo_id, how="packed", name=name)
