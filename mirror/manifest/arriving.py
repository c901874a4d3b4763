"""A manifest that comes from another machine, put in the place of this one's."""

import sqlite3
from contextlib import closing
from pathlib import Path

from mirror.errors import ArchiveError
from mirror.manifest.ledger import translated
from mirror.manifest.lock import Lock
from mirror.manifest.open import check_file, publish, side_file, uri_of


def install_snapshot(arrived: Path, to: Path) -> None:
    """Make a snapshot the manifest, in the place of an older one. Killed anywhere, there is one of them or none.

    Args:
        arrived: The snapshot, in the folder of the manifest; it is used up.
    Raises:
        ManifestError: It is none, or of a newer version; or the manifest is in use.
        ArchiveError: The disk takes no more.
    """
    check_file(arrived)
    lock = Lock(to.parent / "lock", wait_s=0.0)
    try:
        with translated(arrived), closing(sqlite3.connect(uri_of(arrived, "mode=rw"), uri=True)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
            with connection:
                connection.execute("UPDATE archive SET snapshot_of = NULL, snapshot_at = NULL")
        # The log of the older one would be taken for the new one's: it must go first, and with it what it belongs to.
        for path in (to, side_file(to, "-wal"), side_file(to, "-shm"), side_file(to, "-journal")):
            path.unlink(missing_ok=True)
        publish(arrived, to)
    except OSError as error:
        raise ArchiveError(f"{to}: cannot be replaced: {error.strerror}") from error
    finally:
        lock.release()
