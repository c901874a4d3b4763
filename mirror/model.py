"""The nouns: what travels between the rooms, frozen and made at the edge from raw answers."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

VARIANTS = ("original", "large", "thumbnail")
"""The renditions that the source offers, best first."""

State = Literal["wanted", "stored", "gone"]
PassKind = Literal["full", "since"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RaceDay:
    """One date of a race: the source's ``race_event_days_id`` with the label that people know it by."""

    race_id: int
    race_day_id: int
    starts_on: date | None = None
    """The earliest start of its events, in the race's own time zone."""
    events: tuple[str, ...] = ()
    """Names of its events, such as ``("10K", "5K")``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """An event with all the race days that the source knows."""

    race_id: int
    name: str
    url: str | None = None
    timezone: str | None = None
    days: tuple[RaceDay, ...] = ()
    """Oldest first; those without a date come before all others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Album:
    """A set of photos of one race day; its id is opaque text such as ``311`` or ``reg-34168``."""

    album_id: str
    race_day_id: int | None
    name: str
    last_modified_ts: int | None
    """Unix seconds; the participant album has none."""
    num_photos: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One rendition of a photo that the source offers, with a usable absolute URL."""

    name: str
    url: str
    width_px: int | None = None
    height_px: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Photo:
    """One picture with its metadata, as one record of a listing described it."""

    photo_id: int
    race_day_id: int | None
    album_id: str | None
    bibs: tuple[str, ...]
    """As text, in the source's order, without repeats."""
    variants: tuple[Variant, ...]
    uploaded_filename: str | None
    """Hostile text: never a path."""
    uploaded_ts: int | None
    """Unix seconds by the source's clock."""
    json: str
    """The whole record, unknown fields too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """A record, or one variant of it, that cannot be used; it is named in the report."""

    reason: str
    photo_id: int | None = None
    variant: str | None = None
    json: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One answer of a photo listing."""

    number: int
    """1-based."""
    photos: tuple[Photo, ...]
    rejects: tuple[Reject, ...] = ()
    rows: int = 0
    """Records in the answer, usable or not."""
    served_ts: int | None = None
    """The answer's ``Date`` header as Unix seconds: the source's own clock."""
    is_doubtful: bool = False
    """Neither photos nor an error stood in it: an end of the list, or a hiccup."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a pass covers; watermark and *unlisted* hold within one scope only."""

    participant_uploads: bool = True
    albums: tuple[str, ...] = ()
    """Album ids, sorted; empty means all."""

    @property
    def key(self) -> str:
        """The scope as text, as the manifest keeps it: ``participants=T albums=*``."""
        return f"participants={'T' if self.participant_uploads else 'F'} albums={','.join(self.albums) or '*'}"

    def covers(self, other: "Scope") -> bool:
        """Whether every photo of the other scope must show up in this one too."""
        return (self.participant_uploads or not other.participant_uploads) and (
            not self.albums or (bool(other.albums) and set(other.albums) <= set(self.albums))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One asset to fetch."""

    asset_id: int
    wanted_no: int
    race_id: int
    race_day_id: int
    photo_id: int
    variant: str
    url: str
    """As listed last; a signature in its query never reaches a log."""
    host: str
    """Host, and port where it is not the scheme's own, in lower case."""
    tries: int = 0
    """Tries that this run has already spent on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a whole, checked body turned out to be."""

    size_bytes: int
    sha256: bytes
    """32 bytes."""
    extension: str
    """By the content, not the name: ``jpg``, ``png``, ``webp``, ..."""
    width_px: int | None = None
    height_px: int | None = None
    taken_at: str | None = None
    """EXIF capture time as ``YYYY-MM-DDTHH:MM:SS`` with the offset where the camera recorded one."""
    etag: str | None = None
    last_modified: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A checked draft that waits for its group to be committed."""

    job: Job
    content: Content
    draft: str
    """Name of the draft in the archive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """The asset's bytes lie under their final name, flushed."""

    job: Job
    content: Content
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The asset is still missing; the reason is remembered and a later run tries again."""

    job: Job
    reason: str
    """A few words under which failures are grouped."""
    message: str
    status: int | None = None
    has_answered: bool = False
    """Whether the host answered at all: an outage is no failure of the asset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Postponed:
    """The host asked everybody to wait, or is asked no more in this run: nothing was tried, nothing counts."""

    job: Job


Outcome = Fetched | Failed | Postponed


@dataclass(frozen=True, slots=True, kw_only=True)
class BibChange:
    """Bibs of one photo that changed at the source after it was first listed."""

    race_id: int
    photo_id: int
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PassReport:
    """What became of one reading of a race day's listing."""

    race_id: int
    race_day_id: int
    kind: PassKind
    is_complete: bool
    reason: str = ""
    """Why the pass is not complete."""
    photos: int = 0
    """Distinct photos seen."""
    pages: int = 0
    new_photos: int = 0
    changed_photos: int = 0
    unlisted: int = 0
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureGroup:
    """Assets that are missing for the same reason at the same host."""

    reason: str
    host: str
    count: int
    example: str
    """One of them, with its message, fit for a terminal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """What one run did and what it left undone."""

    run_id: int
    started_at: datetime
    ended_at: datetime
    passes: tuple[PassReport, ...] = ()
    stored: int = 0
    stored_bytes: int = 0
    adopted: int = 0
    """Found finished from an earlier run: recorded without a request."""
    vanished: int = 0
    """Stored files that were no longer there, or had another size; wanted again."""
    gone: int = 0
    """Assets that became gone in this run."""
    already_gone: int = 0
    missing: int = 0
    """Wanted, within today's configuration, and not stored when the run ended."""
    failures: tuple[FailureGroup, ...] = ()
    rejects: tuple[str, ...] = ()
    """Records that could not be used, each named."""
    bib_changes: tuple[BibChange, ...] = ()
    """The first hundred; ``bibs_changed`` counts all."""
    bibs_changed: int = 0
    retries: int = 0
    api_calls: int = 0
    rechecked: int = 0
    """Stored assets whose bytes at the source were asked about."""
    changed: int = 0
    """Those of them that the source has other bytes for, or may have: wanted again."""
    unchecked: int = 0
    """Those that could not be asked about."""
    unchecked_example: str = ""
    closed_hosts: tuple[tuple[str, str], ...] = ()
    """Hosts that were asked no more in this run, each with the reason: what they have stays wanted."""
    is_stopped: bool = False
    """Whether a signal or the caller ended the run early."""

    @property
    def new_photos(self) -> int:
        """Photos that the manifest did not know before."""
        return sum(each.new_photos for each in self.passes)

    @property
    def exit_code(self) -> int:
        """What a command that ends with this report exits with: 0, 1 or 3; a signal's own code is the caller's."""
        if not self.is_listing_complete:
            return 3
        return 0 if self.is_everything_stored and not self.unchecked else 1

    @property
    def is_listing_complete(self) -> bool:
        """Whether every pass of the run saw everything."""
        return all(each.is_complete for each in self.passes)

    @property
    def is_everything_stored(self) -> bool:
        """Whether nothing that is wanted is missing."""
        return not (self.missing or self.gone or self.rejects)
