"""When the picture was taken, out of its EXIF block. Garbage gives no time, never an error.

Source: CIPA DC-008 (Exif 2.32), 4.6.3 (Exif IFD), tags DateTimeOriginal, DateTimeDigitized and their offsets. DateTime
is left alone: it says when the file was last changed.
"""

import re
import struct
from datetime import datetime

from mirror.errors import TruncatedError
from mirror.imagecheck.ifd import Directories, Entry
from mirror.imagecheck.picture import Data

_EXIF_IFD = 0x8769
_TIMES = ((0x9003, 0x9011), (0x9004, 0x9012))
"""Tags of time and offset from UTC: original, then digitised."""
_LONGEST_TEXT = 64

# Some cameras and editors write other separators than the standard's colons and blank.
_TIME = re.compile(rb"\s*(\d{4})[:/.-](\d\d)[:/.-](\d\d)[ T](\d\d):(\d\d):(\d\d)")
_OFFSET = re.compile(rb"\s*([+-](?:0\d|1[0-4]):[0-5]\d)")


def find_taken_at(tiff: Data) -> str | None:
    """Return the capture time of an EXIF block that begins with its byte order, or nothing."""
    try:
        directories = Directories(tiff)
        entries, _ = directories.read(directories.first)
        pointer = directories.integers(entries.get(_EXIF_IFD))
        if pointer:
            # DNG and other raw formats put the times into the first directory itself.
            entries = {**entries, **directories.read(pointer[0])[0]}
        return _first_time(directories, entries)
    except (struct.error, TruncatedError):
        return None


def _first_time(directories: Directories, entries: dict[int, Entry]) -> str | None:
    for time_tag, offset_tag in _TIMES:
        taken_at = _read_time(_text(directories, entries.get(time_tag)))
        if taken_at is not None:
            return taken_at + _read_offset(_text(directories, entries.get(offset_tag)))
    return None


def _text(directories: Directories, entry: Entry | None) -> bytes:
    if entry is None or entry.size_bytes > _LONGEST_TEXT:
        return b""
    try:
        return directories.text(entry)
    except struct.error:
        return b""


def _read_time(text: bytes) -> str | None:
    found = _TIME.match(text)
    if found is None:
        return None
    year, month, day, hour, minute, second = map(int, found.groups())
    try:
        moment = datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 - a camera's clock knows no zone
    except ValueError:
        return None
    return moment.isoformat() if year > 1825 else None  # before the first photograph


def _read_offset(text: bytes) -> str:
    found = _OFFSET.match(text)
    return found[1].decode() if found else ""
