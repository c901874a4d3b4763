"""A copy of a manifest: for a trial, or to lie beside the tree when the manifest lies elsewhere."""

import platform
import sqlite3
from contextlib import closing
from pathlib import Path

from mirror.errors import ArchiveError
from mirror.manifest.ledger import translated
from mirror.manifest.open import publish, uri_of
from mirror.manifest.text import now_text

_COPY_PAGES = 1024
_MARK = (
    "SELECT archive_id, newest_wanted_no, (SELECT max(photo_no) FROM photo), (SELECT max(history_id) FROM history), "
    "(SELECT max(version_id) FROM version), (SELECT count(*) FROM tombstone), "
    "(SELECT json_group_array(json_array(wanted, stored, gone, stored_bytes)) FROM tally) FROM archive"
)


def is_snapshot_current(connection: sqlite3.Connection, to: Path) -> bool:
    """Whether a snapshot already knows all photos and assets; which runs there were since then is no matter."""
    try:
        with closing(sqlite3.connect(uri_of(to, "immutable=1"), uri=True)) as copy:
            mark: tuple[object, ...] = copy.execute(_MARK).fetchone()
    except sqlite3.Error:  # none, an older one, or damaged: a new one is made
        return False
    return bool(mark == connection.execute(_MARK).fetchone())


def place_of(path: Path) -> str:
    """Say where a manifest lies, for people who find its snapshot."""
    return f"{path.absolute()} on {platform.node() or 'this host'}"


def write_snapshot(connection: sqlite3.Connection, to: Path, *, of: str | None = None) -> None:
    """Copy the manifest to another file, which carries its name only when it is whole.

    Args:
        of: Where the manifest lies, if the copy is not to be written as if it were the manifest.
    """
    draft = to.with_name(f"{to.name}.new")
    try:
        draft.unlink(missing_ok=True)
        with translated(draft), closing(sqlite3.connect(draft, isolation_level=None)) as copy:
            copy.execute("PRAGMA synchronous = OFF")
            connection.backup(copy, pages=_COPY_PAGES, sleep=0)
            # A copy stands alone: it must be readable where no WAL can be made.
            copy.execute("PRAGMA journal_mode = DELETE")
            if of is not None:
                copy.execute("UPDATE archive SET snapshot_of = ?, snapshot_at = ?", (of, now_text()))
        publish(draft, to)
    except OSError as error:
        raise ArchiveError(f"{to}: cannot be written: {error.strerror}") from error
