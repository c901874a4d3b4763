"""An archive in a folder of this machine."""

from pathlib import Path
from typing import Self


class LocalArchive:
    """Interface skeleton: see ``seam.Archive``; being written."""

    @classmethod
    async def open(cls, root: Path, *, create: bool, min_free_bytes: int = 0, is_read_only: bool = False) -> Self:
        """Open the archive at ``root`` (ArchiveError when it cannot be written)."""
        raise NotImplementedError
