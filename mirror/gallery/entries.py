"""One photo as the gallery needs it: which of its files serve for what, when it was taken, how wide it is. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from mirror.manifest import HeldFile, HeldPhoto

UNDATED = 1 << 60
"""Stands for a time that nobody knows: those come last."""

_SHOWABLE = frozenset(("jpg", "jpeg", "png", "gif", "webp", "avif", "bmp"))
"""Extensions of pictures that every browser shows."""
_SMALLEST_FIRST = ("thumbnail", "large", "original")
_BEST_FIRST = ("large", "original", "thumbnail")
_CLOCK_IS_WRONG = timedelta(days=7)
_RATIO = 1.5
_NARROWEST, _WIDEST = 0.4, 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One photo of a race day."""

    photo_id: int
    time: int
    """Seconds from 1970 on the race's own clock; `UNDATED` if unknown."""
    is_taken: bool
    """Whether the time is the camera's; else it is that of the upload."""
    uploaded: int
    """The same clock; 0 if unknown."""
    name: str
    """The uploader's name for it, else the file's: hostile text."""
    album_id: str
    bibs: tuple[str, ...]
    ratio: int
    """Width by height, in hundredths."""
    small: HeldFile
    """For the grid."""
    big: HeldFile
    """For the viewer; may be the same."""
    original: HeldFile | None

    @property
    def files(self) -> Iterator[HeldFile]:
        """All of them; one may come twice."""
        yield from filter(None, (self.small, self.big, self.original))

    @property
    def order(self) -> tuple[int, int]:
        """Where it stands among the photos of its race day."""
        return self.time, self.photo_id


def entry_of(
    photo: HeldPhoto, *, variants: tuple[str, ...], with_bibs: bool, zone: tzinfo, day: date | None
) -> Entry | None:
    """Make an entry of a photo; None if there is nothing of it that a browser can show."""
    files = {each.variant: each for each in photo.files if each.variant in variants}
    showable = {name: each for name, each in files.items() if each.key.rpartition(".")[2].lower() in _SHOWABLE}
    small = next((showable[name] for name in _SMALLEST_FIRST if name in showable), None)
    if small is None:
        return None
    big = next(showable[name] for name in _BEST_FIRST if name in showable)
    taken, uploaded = taken_time(photo.taken_at, day), wall_time(photo.uploaded_ts, zone)
    return Entry(
        photo_id=photo.photo_id,
        time=UNDATED if (time := taken or uploaded) is None else time,
        is_taken=taken is not None,
        uploaded=uploaded or 0,
        name=(photo.uploaded_filename or "").strip() or small.key.rpartition("/")[2],
        album_id=photo.album_id or "",
        bibs=photo.bibs if with_bibs else (),
        ratio=ratio_of(small, big),
        small=small,
        big=big,
        original=files.get("original"),
    )


def zone_of(name: str | None) -> tzinfo:
    """Find a time zone; UTC where it is unknown."""
    try:
        return ZoneInfo(name) if name else UTC
    except (LookupError, OSError, ValueError):
        return UTC


def taken_time(text: str | None, day: date | None) -> int | None:
    """Read a camera's time; None if there is none, or if it is days off the race day: a clock that was never set."""
    try:
        moment = datetime.fromisoformat(text[:19]).replace(tzinfo=UTC) if text else None
    except ValueError:
        return None
    if moment is None or (day is not None and abs(moment.date() - day) > _CLOCK_IS_WRONG):
        return None
    seconds = int(moment.timestamp())
    return seconds if seconds > 0 else None


def wall_time(stamp: int | None, zone: tzinfo) -> int | None:
    """Turn Unix seconds into those that a clock at the race would show; None for absurd ones."""
    try:
        moment = datetime.fromtimestamp(stamp, zone) if stamp else None
    except (OverflowError, ValueError, OSError):
        return None
    return int(moment.replace(tzinfo=UTC).timestamp()) if moment else None


def ratio_of(*files: HeldFile) -> int:
    """Width by height of the first file whose size is known, in hundredths, within what a grid can show."""
    known = next((each for each in files if each.width_px and each.height_px), None)
    ratio = known.width_px / known.height_px if known and known.width_px and known.height_px else _RATIO
    return round(100 * min(max(ratio, _NARROWEST), _WIDEST))
