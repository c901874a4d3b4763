"""What must be true of an archive at every moment, whatever happened to it: read from its files, with no code of ours."""

import hashlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from mirror.demo import DemoRace

Asset = tuple[int, str]
"""The source's photo_id, and the variant."""
_PREFIXES = {"original": "customOriginal_v3", "large": "large_watermarked_v3", "thumbnail": "thumbs_v2"}


def digest_of(path: Path) -> bytes:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).digest()


def assets_on_disk(root: Path) -> dict[str, Path]:
    """Every file, link or other thing under a key, but for our own folder."""
    found: dict[str, Path] = {}
    for folder, folders, names in os.walk(root):
        if Path(folder) == root:
            folders[:] = [each for each in folders if each != ".mirror"]
        links = [each for each in folders if (Path(folder) / each).is_symlink()]
        found |= {str((Path(folder) / name).relative_to(root)): Path(folder) / name for name in [*names, *links]}
    return found


@contextmanager
def manifest_of(state: Path) -> Iterator[sqlite3.Connection]:
    """Read a copy of the manifest, as the next run would find it: looking must not mend anything."""
    with tempfile.TemporaryDirectory() as folder:
        for suffix in ("", "-wal", "-journal"):
            if (state / f"manifest.sqlite{suffix}").exists():
                shutil.copy(state / f"manifest.sqlite{suffix}", folder)
        with closing(sqlite3.connect(Path(folder) / "manifest.sqlite")) as connection:
            yield connection


@dataclass(slots=True)
class Judge:
    """Knows every picture that the source ever served.

    Args:
        served: All the digests that an asset's bytes may have.
        spoilt: Keys under which somebody put something else.
        unnoticed: Keys whose files somebody took away or replaced, and no full pass has looked since.
    """

    served: dict[Asset, set[bytes]]
    spoilt: frozenset[str] = frozenset()
    unnoticed: frozenset[str] = frozenset()

    @classmethod
    def of(cls, race: DemoRace) -> Self:
        """Believe what a race serves now."""
        judge = cls({})
        judge.learn(race)
        return judge

    def learn(self, race: DemoRace) -> None:
        """Believe what a race serves now, too."""
        for photo in race.photos.values():
            for variant, prefix in _PREFIXES.items():
                if body := race.picture(f"/b/{prefix}/{photo.name}.jpg"):
                    self.served.setdefault((photo.photo_id, variant), set()).add(hashlib.sha256(body).digest())

    def is_right(self, photo_id: int, variant: str, path: Path) -> bool:
        """Whether a file holds what the source served for an asset."""
        is_file = path.is_file() and not path.is_symlink()
        return is_file and digest_of(path) in self.served.get((photo_id, variant), ())

    def check(self, root: Path, *, state: Path | None = None) -> None:
        """Look at an archive that was left in the middle.

        Every final name holds a whole picture of its asset, every row that says so has its file, and every file
        has a row or is on its way to one. There need not be an archive yet.
        """
        state = state or root / ".mirror"
        files = assets_on_disk(root) if root.exists() else {}
        for key, path in files.items():
            if key not in self.spoilt:
                assert self.is_right(*asset_of(key), path), f"wrong bytes under {key}"
        if not (state / "manifest.sqlite").exists():
            assert not set(files) - self.spoilt, "files without a manifest"
            return
        with manifest_of(state) as manifest:
            assert manifest.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            stored = manifest.execute("SELECT key, size_bytes, sha256 FROM asset WHERE state = 'stored'").fetchall()
            known = manifest.execute("SELECT key FROM asset WHERE key NOT NULL UNION SELECT key FROM committing")
            names = {key for (key,) in known}
        for key, size_bytes, digest in stored:
            path = root / key
            if key in self.unnoticed:
                continue
            assert path.is_file(), f"stored, and not there: {key}"
            assert not path.is_symlink(), f"stored, and a link: {key}"
            assert (path.stat().st_size, digest_of(path)) == (size_bytes, digest), f"stored, and not that: {key}"
        assert set(files) - self.spoilt <= names, "files that no row knows"

    def check_ended(self, root: Path, *, state: Path | None = None) -> None:
        """Look at an archive that a run left at its end: besides, nothing is on its way any more."""
        self.check(root, state=state)
        assert list((root / ".mirror/drafts").iterdir()) == []
        with manifest_of(state or root / ".mirror") as manifest:
            assert manifest.execute("SELECT count(*) FROM committing").fetchone() == (0,)


def asset_of(key: str) -> Asset:
    """Read which asset a key was made for."""
    _, _, variant, name = key.split("/")
    return int(name.partition("_")[0].partition(".")[0]), variant


def account_of(root: Path, *, state: Path | None = None) -> dict[str, object]:
    """All that an archive holds and says of itself but for times and our own numbers, to be compared."""
    queries = {
        "assets": "SELECT photo_id, variant, state, key, hex(sha256), size_bytes, stored_url, is_offered, failure "
        "FROM asset JOIN photo USING (photo_no)",
        "photos": "SELECT race_id, photo_id, race_day_id, album_id, uploaded_filename, uploaded_ts, "
        "unlisted_at IS NULL FROM photo",
        "bibs": "SELECT photo_id, position, bib FROM bib JOIN photo USING (photo_no)",
        "versions": "SELECT key, hex(sha256), size_bytes, why FROM version WHERE why = 'replaced'",
        "history": "SELECT photo_id, what, variant, before, after FROM history WHERE what <> 'vanished'",
        "tally": "SELECT * FROM tally",
    }
    with manifest_of(state or root / ".mirror") as manifest:
        account: dict[str, object] = {
            name: sorted(manifest.execute(query), key=repr) for name, query in queries.items()
        }
    account["files"] = {key: digest_of(path) for key, path in assets_on_disk(root).items()}
    versions = root / ".mirror/versions"
    account["earlier"] = {
        str(path.relative_to(root)): digest_of(path)
        for path in versions.rglob("*")
        if path.is_file() and "foreign" not in path.relative_to(versions).parts
    }
    return account
