"""A manifest that comes from another machine, in the place of this one's."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from mirror.errors import ArchiveError
from mirror.manifest.ledger import translated
from mirror.manifest.lock import Lock
from mirror.manifest.open import check_file, publish, side_file, uri_of


def retire_manifest(path: Path) -> None:
    """Delete a manifest that is not to be gone on from, before another one comes: the two must never be mixed.

    Raises:
        InUseError: It is in use.
        ArchiveError: It cannot be deleted.
    """
    if not path.parent.exists():
        return
    lock = Lock(path.parent / "lock", wait_s=0.0)
    try:
        # What stands in its log belongs to it, and would be taken for a part of whatever has its name next.
        for each in (path, side_file(path, "-wal"), side_file(path, "-shm"), side_file(path, "-journal")):
            each.unlink(missing_ok=True)
    except OSError as error:
        raise ArchiveError(f"{path}: cannot be deleted: {error.strerror}") from error
    finally:
        lock.release()


def install_snapshot(snapshot: Path, to: Path) -> None:
    """Make a copy of a snapshot the manifest, where none lies. Killed anywhere, it is there as a whole or not at all.

    Raises:
        ManifestError: It is no manifest, or of a newer version; or somebody else makes one there.
        ArchiveError: The disk takes no more.
    """
    check_file(snapshot)
    lock = Lock(to.parent / "lock", wait_s=0.0)
    draft = to.with_name(f"{to.name}.new")
    try:
        shutil.copyfile(snapshot, draft)
        with translated(draft), closing(sqlite3.connect(uri_of(draft, "mode=rw"), uri=True)) as connection, connection:
            connection.execute("UPDATE archive SET snapshot_of = NULL, snapshot_at = NULL")
        publish(draft, to)
    except OSError as error:
        raise ArchiveError(f"{to}: cannot be made: {error.strerror}") from error
    finally:
        lock.release()
