"""What a report says: plain facts, for a terminal, a page and JSON alike."""

from dataclasses import dataclass
from datetime import date, datetime

from mirror.manifest import Duplicate


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar of a chart."""

    label: str
    photos: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Numbers that a sequence of file names leaves out, both ends included."""

    first: str
    """The whole name without extension: ``DSC_1005``."""
    last: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NameSequence:
    """File names that count up, as cameras write them."""

    first: str
    last: str
    photos: int
    missing: int
    gaps: tuple[Gap, ...]
    """The largest first; at most a hundred."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranger:
    """A bib on photos that the start list does not have: probably misread."""

    bib: str
    photos: int
    near: tuple[str, ...]
    """Listed bibs that differ in one digit, or in zeros in front; those without a photo first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListReport:
    """The photos of a race day against its start list or results."""

    file: str
    column: str
    """The column that the bibs stand in."""
    listed: int
    covered: int
    """Listed bibs with at least one photo."""
    without: tuple[str, ...]
    """Listed bibs without any, in the list's order."""
    strangers: tuple[Stranger, ...]
    """The ones on most photos first."""
    photos_each: tuple[Bar, ...]
    """How many listed bibs have no photo, one, two, ...: here ``photos`` counts bibs."""

    @property
    def share(self) -> float:
        """The share of listed bibs with at least one photo, 0 to 1."""
        return self.covered / self.listed if self.listed else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DayReport:
    """One race day."""

    race_id: int
    race_name: str
    race_day_id: int
    starts_on: date | None
    photos: int
    """Ever listed, like all that follows."""
    untagged: int
    """Without a bib."""
    unlisted: int
    bibs: int
    """Different ones."""
    albums: tuple[Bar, ...]
    taken: tuple[Bar, ...]
    """By hour, by the cameras' clocks; by day where there are more than 36 hours. Hours without photos are left out."""
    uploaded: tuple[Bar, ...]
    """The same for photos that do not say when they were taken: by the hour of their upload."""
    upload_clock: str
    """The time zone of these hours."""
    undated: int
    """Photos with neither."""
    uploaders: tuple[Bar, ...]
    """By what stands before the number in file names: ``ABC_``."""
    sequences: tuple[NameSequence, ...]
    """Those with gaps, the ones that miss most first."""
    duplicates: tuple[Duplicate, ...]
    start_list: ListReport | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All race days that were asked for."""

    archive: str
    made_at: datetime
    days: tuple[DayReport, ...]
