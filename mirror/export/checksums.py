"""What ``sha256sum -c`` reads."""

from collections.abc import Collection, Iterable
from typing import BinaryIO

from mirror.manifest import ExportPhoto

_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r"})


def checksum_line(sha256: str, path: str) -> str:
    """Write one line as coreutils do: a backslash in front says that the name has escapes."""
    escaped = path.translate(_ESCAPES)
    mark = "\\" if escaped != path else ""
    return f"{mark}{sha256}  {escaped}\n"


def write_checksums(file: BinaryIO, photos: Iterable[ExportPhoto], *, variants: Collection[str]) -> int:
    """Write a line for each stored file, named from the archive's root; returns how many."""
    count = 0
    for photo in photos:
        for asset in photo.assets:
            if asset.key is not None and asset.sha256 is not None and asset.variant in variants:
                file.write(checksum_line(asset.sha256, asset.key).encode("utf-8", "surrogateescape"))
                count += 1
    return count
