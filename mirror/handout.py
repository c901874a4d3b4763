"""Pictures handed out of the archive: as copies, as links, or in one ZIP file; the archive is only read."""

import hashlib
import os
import secrets
import time
import zipfile
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from mirror.archive import Copy, FileRef, StoredFiles, new_file, stored_files
from mirror.errors import ArchiveError, ConfigError, DamagedError
from mirror.layout import clean_name, uploaded_stem
from mirror.manifest import FoundFile, FoundPhoto
from mirror.root import STATE, ArchiveRoot

How = Literal["copied", "linked", "packed", "there already", "left alone", "not held", "damaged"]

_LONGEST_NAME_BYTES = 60
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
    root: ArchiveRoot, photos: Iterable[FoundPhoto], to: Path, *, variant: str = "", is_link: bool = False
) -> Iterator[Handed]:
    """Put a picture of each photo into a folder, or all of them into a ZIP file, and say of each what became of it.

    Each file is there as a whole or not at all. Done again, nothing is done twice, and what lies there under such a
    name with other bytes is left alone: somebody may have edited it.

    Args:
        to: A folder, which is made; or a name that ends in ``.zip``.
        variant: Empty takes the best that is held.
        is_link: Relative symbolic links instead of copies; never hard links, since an edit through one would change the
            archive's own file.
    Raises:
        ConfigError: Something else is in the way of the folder or ZIP file, or it lies among the archive's own records.
        ArchiveError: The place takes no more.
    """
    check_way(root, to, is_link=is_link)
    if _is_zip(to):
        return _pack(root, photos, to, variant)
    return _put(root, photos, to, variant, is_link=is_link)


def check_way(root: ArchiveRoot, to: Path, *, is_link: bool) -> None:
    """Refuse what cannot be, before anything is looked up.

    Raises:
        ConfigError: The place lies among the archive's own records, or no link can be made.
    """
    if root.below(STATE).holds(to):
        raise ConfigError(f"{to} lies among the archive's own records: give another --to")
    if is_link and not root.is_local:
        raise ConfigError(f"--link makes links to files of this machine, and {root} lies in a bucket: leave it out")
    if is_link and _is_zip(to):
        raise ConfigError("--link makes links in a folder; a ZIP file holds copies")


def _is_zip(to: Path) -> bool:
    return to.suffix.lower() == ".zip"


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


def _put(root: ArchiveRoot, photos: Iterable[FoundPhoto], to: Path, variant: str, *, is_link: bool) -> Iterator[Handed]:
    _make_folder(to)
    with stored_files(root) as files:
        wanted = (_wish(files, photo, to, variant) for photo in photos)
        done = _link_each(root, wanted) if is_link else files.put_each(wanted)
        with closing(done):
            for handed, trouble in done:
                if trouble is not None:
                    yield Handed(photo_id=handed.photo_id, how="damaged", name=handed.name, reason=str(trouble))
                else:
                    yield handed
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


def _wish(files: StoredFiles, photo: FoundPhoto, to: Path, variant: str) -> tuple[Handed, Copy | None]:
    """Say what is to be done for a photo: a copy to be made, and what it is then; or what it is without one."""
    file = _chosen(photo, variant)
    if file is None:
        return _absent(photo, variant), None
    name = handed_name(photo, file)
    target = to / name
    if not os.path.lexists(target):
        return Handed(photo_id=photo.photo_id, how="copied", name=name), Copy(file=_ref(file), target=target)
    if files.is_copy(_ref(file), target):
        return Handed(photo_id=photo.photo_id, how="there already", name=name), None
    reason = f"{target}: something else lies there, or it was edited"
    return Handed(photo_id=photo.photo_id, how="left alone", name=name, reason=reason), None


def _ref(file: FoundFile) -> FileRef:
    return FileRef(key=file.key or "", size_bytes=file.size_bytes, sha256=file.sha256, stored_at=file.stored_at)


def _link_each(
    root: ArchiveRoot, wanted: Iterable[tuple[Handed, Copy | None]]
) -> Generator[tuple[Handed, DamagedError | None], None, None]:
    for handed, copy in wanted:
        if copy is None:
            yield handed, None
            continue
        stored = root.path / copy.file.key
        if stored.is_file():
            _link(stored, copy.target)
            yield replace(handed, how="linked"), None
        else:
            yield handed, DamagedError(f"{copy.file.key}: it is not there")


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


def _pack(root: ArchiveRoot, photos: Iterable[FoundPhoto], to: Path, variant: str) -> Iterator[Handed]:
    """Write a ZIP file in one go, pictures stored as they are: they do not get smaller."""
    if os.path.lexists(to) and not _is_ours(to):
        raise ConfigError(f"{to} is there and was not made by mirror: move it away, or give another name")
    _make_folder(to.parent)
    wanted = ((photo, None if (file := _chosen(photo, variant)) is None else _ref(file)) for photo in photos)
    with stored_files(root) as files, new_file(to) as opened, zipfile.ZipFile(opened, "w") as packed:
        packed.comment = _MARK
        with closing(files.read_each(wanted)) as bodies:
            for photo, body in bodies:
                file = _chosen(photo, variant)
                if file is None:
                    yield _absent(photo, variant)
                elif isinstance(body, bytes):
                    yield _pack_one(packed, photo, file, body)
                else:
                    yield Handed(photo_id=photo.photo_id, how="damaged", reason=str(body))


def _is_ours(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as packed:
            return packed.comment == _MARK
    except (OSError, zipfile.BadZipFile):
        return False


def _pack_one(packed: zipfile.ZipFile, photo: FoundPhoto, file: FoundFile, body: bytes) -> Handed:
    if hashlib.sha256(body).digest() != file.sha256:
        reason = f"{file.key}: its bytes are not those that were stored: 'mirror verify' tells more"
        return Handed(photo_id=photo.photo_id, how="damaged", reason=reason)
    name = handed_name(photo, file)
    stored_ts = photo.uploaded_ts or 0
    when = max(time.gmtime(min(stored_ts, 4_000_000_000))[:6], _ZIP_EPOCH)
    entry = zipfile.ZipInfo(name, date_time=when)
    entry.external_attr = 0o644 << 16
    packed.writestr(entry, body)
    return Handed(photo_id=photo.photo_id, how="packed", name=name)
