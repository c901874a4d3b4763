"""What a check is given and what it finds."""

import mmap
from dataclasses import dataclass
from typing import TypeAlias

from mirror.errors import TruncatedError

Data: TypeAlias = bytes | mmap.mmap
"""A whole file, in memory or mapped. No check keeps hold of it: a mapping can be closed afterwards."""

MOST_PARTS = 1_000_000
"""Segments, chunks, boxes or extents that one file may have: far beyond real pictures, about a second's work."""

PADDING_BYTES = 1024
"""So many zeros at the end of compressed pixels are no pixels: a transfer was cut and the rest filled up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What a whole picture says of itself.

    Args:
        kind: The format's name, for people: ``JPEG``.
        extension: The file name's ending for this format, without a dot.
        width_px: As stored: a picture that is to be turned for viewing is not turned here.
        height_px: The same.
        taken_at: When the camera took it, ``YYYY-MM-DDTHH:MM:SS`` in its local time, with ``+HH:MM`` if it knew.
    """

    kind: str
    extension: str
    width_px: int | None = None
    height_px: int | None = None
    taken_at: str | None = None


def too_many_parts(kind: str) -> TruncatedError:
    """Make the error for a file that is all headers: no camera or editor writes such a thing."""
    return TruncatedError(f"{kind} file is damaged: more than {MOST_PARTS} parts")


def is_padding(data: Data, start: int, end: int) -> bool:
    """Whether the pixels between two positions stop early and are filled up with zeros."""
    return end - start >= 2 * PADDING_BYTES and not any(data[end - PADDING_BYTES : end])
