"""Running counts of a run, for whoever shows it."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class Tally:
    """Running counts of a run: written by the run, read by whoever shows it. Mutable, as only `Steps` is too."""

    started_at: float = 0.0
    """``time.monotonic()``."""
    phase: str = "starting"
    pages: int = 0
    photos_listed: int = 0
    photos_expected: int | None = None
    """By the albums' own counts; None while unknown."""
    is_listing_done: bool = False
    new_photos: int = 0
    wanted: int = 0
    """Assets still to fetch at the start of the run, and those planned since."""
    stored: int = 0
    stored_bytes: int = 0
    fetched_bytes: int = 0
    """Bytes off the wire so far, of unfinished assets too."""
    failed: int = 0
    retries: int = 0
    in_flight: int = 0
    waiting_for: str = ""
    """A host that asked us to wait, with the seconds; empty if none."""
    failed_reasons: Mapping[str, int] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Steps:
    """Running counts of work on files that are there: written by who does it, read by whoever shows it."""

    files: int = 0
    """To be looked at."""
    bytes: int = 0
    done: int = 0
    done_bytes: int = 0
    found: int = 0
    """Of the done ones, those that something is wrong with."""
