"""The register of copies that this program made outside the tree."""

import sqlite3
from contextlib import closing
from pathlib import Path

from mirror.manifest.ledger import translate
from mirror.manifest.migrations import VERSION
from mirror.manifest.open import uri_of
from mirror.manifest.text import now_text

_BUSY_S = 5.0
_NOT_HERE = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}


def note_export(manifest: Path, place: Path, kind: str) -> bool:
    """Remember that copies of photos, or a list of them, were written somewhere, so that `forget` finds them.

    Takes no lock of the archive: it is one row, and may be written while a sync is on.

    Args:
        manifest: The manifest's file.
        place: The folder or file that was written.
        kind: One word: csv, bagit, gallery, quarantine, ...
    Returns:
        Whether it could be noted: media that cannot be written, and manifests of an older version, hold no register.
    Raises:
        ArchiveError: The disk is full or failing.
        ManifestError: Damaged, or in use for too long.
    """
    try:
        with closing(sqlite3.connect(uri_of(manifest, "mode=rw"), uri=True, timeout=_BUSY_S)) as connection, connection:
            if connection.execute("PRAGMA user_version").fetchone()[0] < VERSION:
                return False
            connection.execute(
                "INSERT INTO export (path, kind, made_at) VALUES (?, ?, ?) "
                "ON CONFLICT DO UPDATE SET kind = excluded.kind, made_at = excluded.made_at",
                (str(place.absolute()), kind, now_text()),
            )
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _NOT_HERE:
            return False
        raise translate(error, manifest) from error
    return True
