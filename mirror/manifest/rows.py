"""What goes into the manifest and comes out of it, beyond the nouns of `mirror.model`."""

from dataclasses import dataclass
from datetime import date, datetime

from mirror.model import BibChange, Content, FailureGroup, Fetched


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """What today's configuration wants of some race days: everything else is neither fetched nor counted."""

    race_id: int
    race_day_ids: tuple[int, ...]
    """A photo belongs to a race day that its record names, and to the one whose listing shows it."""
    variants: tuple[str, ...]
    participant_uploads: bool = True
    albums: tuple[str, ...] = ()
    """Album ids; empty means all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PassMemory:
    """What complete passes of one scope left behind."""

    watermark_ts: int | None = None
    """Highest ``uploaded_ts`` that they have seen, by the source's clock."""
    albums: str | None = None
    """The albums as the last of them read them, as text."""
    last_full_started_at: datetime | None = None
    last_full_photos: int = 0
    newest_uploaded_ts: int | None = None
    """Highest watermark of the race day over all scopes: the newest upload whose stamp can be believed."""
    full_wanted: str | None = None
    """Why the next pass must be full, if it must."""
    has_complete: bool = False

    @property
    def last_full_at(self) -> datetime | None:
        """When the last complete full pass began."""
        return self.last_full_started_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What one page brought."""

    new_photos: int = 0
    changed_photos: int = 0
    """Known photos for which something went into the history."""
    newly_wanted: int = 0
    """Assets that became wanted."""
    bib_changes: tuple[BibChange, ...] = ()
    known_photos: int = 0
    """Photos of the page that the manifest knew before, changed or not."""
    warnings: tuple[str, ...] = ()
    rejects: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlisted:
    """What the end of a pass meant for photos that it did not show."""

    unlisted: int = 0
    """Photos now marked as unlisted."""
    withheld: int = 0
    """Photos that would be, were they not too many to believe: none was marked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A draft with the key under which it is to be published."""

    fetched: Fetched
    key: str
    replaces: bool = False
    """Whether the asset holds other bytes."""
    keep_as: str | None = None
    """Key under which those are kept first; None where they are not."""
    sha256_there: bytes | None = None
    """Digest that those should have."""
    is_same: bool = False
    """Whether the asset holds these very bytes already: nothing to publish, only to record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What one group of outcomes changed."""

    stored: int = 0
    gone: int = 0
    failed: int = 0
    """Assets that are still wanted after a failure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """An asset that a killed run may have given its name without recording it."""

    asset_id: int
    wanted_no: int
    url: str
    """Without query."""
    key: str
    size_bytes: int
    sha256: bytes
    content: Content


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRow:
    """A stored asset as its file should be."""

    asset_id: int
    key: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRow:
    """A stored asset as the source gave it."""

    asset_id: int
    url: str
    host: str
    size_bytes: int
    etag: str | None
    last_modified: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """Assets that are wanted, within today's selection, and not stored."""

    count: int = 0
    set_aside: int = 0
    """Those of them that failed on so many days that they are tried weekly."""
    groups: tuple[FailureGroup, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RaceDayStatus:
    """One race day as the archive holds it."""

    race_id: int
    race_name: str
    race_day_id: int
    starts_on: date | None
    photos: int
    """Every photo that was ever listed, the unlisted ones too."""
    stored: int
    """Assets, like the next two."""
    wanted: int
    gone: int
    unlisted: int
    """Photos."""
    bytes: int
    """Of the stored assets."""
    watermark_ts: int | None
    last_pass_at: datetime | None
    """End of the last complete pass."""
    last_full_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run as the manifest remembers it."""

    run_id: int
    command: str
    program: str
    started_at: datetime
    ended_at: datetime | None
    """None: it was killed, or is on."""
    exit_code: int | None
    new_photos: int
    stored: int
    stored_bytes: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The whole archive in numbers."""

    races: int
    photos: int
    unlisted: int
    wanted: int
    stored: int
    gone: int
    stored_bytes: int
