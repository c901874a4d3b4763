"""BagIt bags of a race day's stored files: payload, manifests, and the tables as tags.

The hashes in the manifest are the archive's own, so no picture is read again; the reference library can only make
bags by hashing all of them. Source: RFC 8493.
"""

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from mirror import __version__
from mirror.archive import Copy, FileRef, How, StoredFiles, new_file, new_folder
from mirror.errors import ConfigError
from mirror.export.datapackage import write_package
from mirror.manifest import ExportDay, ExportPhoto, ManifestReader

METADATA = "metadata"
"""Folder of the tables: tags, so that the payload is what the archive holds and nothing else."""
_DECLARATION, _INFO = "bagit.txt", "bag-info.txt"
_MANIFEST, _TAG_MANIFEST = "manifest-sha256.txt", "tagmanifest-sha256.txt"
_AGENT = "Bag-Software-Agent: mirror "
_ESCAPES = str.maketrans({"%": "%25", "\n": "%0A", "\r": "%0D"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Bag:
    """What became of one bag.

    Args:
        is_unchanged: Whether it lay there already as it would have been made.
    """

    folder: Path
    photos: int
    files: int
    size_bytes: int
    is_unchanged: bool = False


class Bagger:
    """Makes bags.

    Args:
        info: Further lines for ``bag-info.txt``, such as ("Source-Organization", "Camden Runners").
        date: ``Bagging-Date``, YYYY-MM-DD; None takes the day on which the newest of the files was stored, so that the
            same files always make the same bag.
        on_file: Told the size of each file that was put into a bag.
    """

    def __init__(
        self, reader: ManifestReader, files: StoredFiles, *, variants: Sequence[str], how: How = "copy",
        info: Sequence[tuple[str, str]] = (), date: str | None = None, on_file: Callable[[int], None] = lambda _: None,
    ) -> None:  # fmt: skip
        self._reader = reader
        self._files = files
        self._variants = variants
        self._how = how
        self._info = info
        self._date = date
        self._on_file = on_file

    def make(self, day: ExportDay, folder: Path) -> Bag:
        """Make the bag of a race day, in the place of an earlier one.

        Raises:
            ConfigError: Something else lies there.
            DamagedError: A stored file is not what the manifest says: no bag is made, and an earlier one stays.
        """
        check_place(folder)
        with tempfile.TemporaryFile("w+", encoding="utf-8") as spool, new_folder(folder) as building:
            bag = self._write_tags(day, building.path, spool)
            building.is_wanted = not _is_same(building.path, folder, _payload(spool))
            if building.is_wanted:
                self._fill(building.path, _payload(spool))
        return Bag(
            folder=folder, photos=bag.photos, files=bag.files, size_bytes=bag.size_bytes,
            is_unchanged=not building.is_wanted,
        )  # fmt: skip

    def _write_tags(self, day: ExportDay, draft: Path, spool: IO[str]) -> Bag:
        """Write all but the payload, as the manifest has it at one moment; copying may then take its time."""
        (draft / METADATA).mkdir()
        with self._reader.one_moment(), new_file(draft / _MANIFEST, is_flushed=False) as manifest:
            seen = _Seen(manifest, spool, self._variants)
            photos = self._reader.export_photos([(day.race_id, day.race_day_id)])
            count, tables = write_package(draft / METADATA, map(seen.note, photos), days=[day], variants=self._variants)
        tags = [(f"{METADATA}/{each.name}", each.sha256) for each in tables]
        for name, text in ((_DECLARATION, _declaration()), (_INFO, self._bag_info(day, seen))):
            (draft / name).write_bytes(text)
            tags.append((name, hashlib.sha256(text).hexdigest()))
        with (draft / _MANIFEST).open("rb") as manifest:
            tags.append((_MANIFEST, hashlib.file_digest(manifest, "sha256").hexdigest()))
        lines = "".join(_manifest_line(sha256, name) for name, sha256 in sorted(tags))
        (draft / _TAG_MANIFEST).write_bytes(lines.encode())
        return Bag(folder=draft, photos=count, files=seen.files, size_bytes=seen.size_bytes)

    def _bag_info(self, day: ExportDay, seen: "_Seen") -> bytes:
        date = day.starts_on or f"race day {day.race_day_id}"
        lines = [
            *self._info,
            ("External-Description", f"Photos of {day.race}, {date}, from RunSignup"),
            ("External-Identifier", f"runsignup:race/{day.race_id}/day/{day.race_day_id}"),
            ("Bag-Group-Identifier", f"runsignup:race/{day.race_id}"),
            ("Bagging-Date", self._date or seen.newest),
            ("Payload-Oxum", f"{seen.size_bytes}.{seen.files}"),
        ]
        # A line break would begin another field.
        text = "".join(f"{label}: {' '.join(value.split())}\n" for label, value in lines if value)
        return f"{text}{_AGENT}{__version__}\n".encode("utf-8", "backslashreplace")

    def _fill(self, draft: Path, payload: Iterator[tuple[str, int, str]]) -> None:
        (draft / "data").mkdir()
        with contextlib.closing(self._files.put_each(_copies(draft / "data", payload), how=self._how)) as copied:
            for size_bytes, trouble in copied:
                if trouble is not None:
                    raise trouble
                self._on_file(size_bytes)


def _copies(folder: Path, payload: Iterator[tuple[str, int, str]]) -> Iterator[tuple[int, Copy]]:
    """Say what is to be copied where, and make the folders for it."""
    folders: set[Path] = set()
    for key, size_bytes, sha256 in payload:
        target = folder / key
        if target.parent not in folders:
            target.parent.mkdir(parents=True, exist_ok=True)
            folders.add(target.parent)
        file = FileRef(key=key, size_bytes=size_bytes, sha256=bytes.fromhex(sha256))
        yield size_bytes, Copy(file=file, target=target)


class _Seen:
    """Watches photos pass by on their way into the tables, and notes the payload: in files, since it may be long."""

    def __init__(self, manifest: IO[bytes], spool: IO[str], variants: Sequence[str]) -> None:
        self._manifest = manifest
        self._spool = spool
        self._variants = variants
        self.files = self.size_bytes = 0
        self.newest = ""
        """Day on which the newest of the files was stored."""

    def note(self, photo: ExportPhoto) -> ExportPhoto:
        for asset in photo.assets:
            if asset.key is None or asset.sha256 is None or asset.variant not in self._variants:
                continue
            size_bytes = asset.size_bytes or 0
            self._manifest.write(_manifest_line(asset.sha256, f"data/{asset.key}").encode())
            self._spool.write(json.dumps([asset.key, size_bytes, asset.sha256]) + "\n")
            self.files += 1
            self.size_bytes += size_bytes
            self.newest = max(self.newest, (asset.stored_at or "")[:10])
        return photo


def _payload(spool: IO[str]) -> Iterator[tuple[str, int, str]]:
    """Key, size in bytes and SHA-256 (64 hex digits) of each file."""
    spool.seek(0)
    for line in spool:
        key, size_bytes, sha256 = json.loads(line)
        yield key, size_bytes, sha256


def _declaration() -> bytes:
    return b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"


def _manifest_line(sha256: str, path: str) -> str:
    return f"{sha256}  {path.translate(_ESCAPES)}\n"


def _is_same(draft: Path, folder: Path, payload: Iterator[tuple[str, int, str]]) -> bool:
    """Whether the bag that lies there has the same tags, and all of its payload in the right size."""
    names = [_TAG_MANIFEST, *_listed(draft / _TAG_MANIFEST)]
    try:
        return all((draft / name).read_bytes() == (folder / name).read_bytes() for name in names) and all(
            (folder / "data" / key).stat().st_size == size_bytes for key, size_bytes, _ in payload
        )
    except OSError:
        return False


def check_place(folder: Path) -> None:
    """Make sure that nothing lies where a bag goes but an earlier bag of ours, as it was made.

    Raises:
        ConfigError: Something else does.
    """
    way_out = "move it away, or give another --to"
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    info = folder / _INFO
    if not info.is_file() or _AGENT not in info.read_text("utf-8", "replace"):
        raise ConfigError(f"{folder} is there and is no bag of an earlier export: {way_out}")
    known = {_TAG_MANIFEST, *_listed(folder / _TAG_MANIFEST), *_listed(folder / _MANIFEST)}
    for parent, folders, names in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(parent, name))]  # noqa: PTH114, PTH118 - many
        below = parent.removeprefix(str(folder)).lstrip("/")
        for name in (*links, *names):
            path = f"{below}/{name}" if below else name
            if path not in known:
                raise ConfigError(f"{folder} holds a file that the export did not put there, {path}: {way_out}")


def _listed(manifest: Path) -> Iterator[str]:
    """The files that a manifest of ours names."""
    if manifest.is_file():
        with manifest.open(encoding="utf-8", newline="\n") as lines:
            for line in lines:
                path = line.rstrip("\n").partition("  ")[2]
                yield path.replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%")
