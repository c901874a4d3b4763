"""What became of each race in one pass of a machine."""

from dataclasses import dataclass
from enum import StrEnum

from mirror.errors import MirrorError
from mirror.model import RunReport


class What(StrEnum):
    """What became of a race."""

    DONE = "done"
    """Here, to its end."""
    FRESH = "done elsewhere"
    """By another machine, a short while ago."""
    HELD = "in work elsewhere"
    """That machine answers for it."""
    LOST = "lost"
    """The lease was lost on the way: whoever has it now goes on from what was put back."""
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class RaceOutcome:
    """One race.

    Args:
        race: Its id or address, as configured.
        by: The other machine that did it or has it.
        exit_code: How its last run ended, here or there, if it came to its end.
        error: Why it failed.
        taken_from: The machine that was taken for dead.
        report: What its run did, where that was here.
    """

    race: str
    what: What
    by: str = ""
    exit_code: int | None = None
    error: MirrorError | None = None
    taken_from: str = ""
    report: RunReport | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetReport:
    """One pass over all races, as one machine saw it."""

    machine: str
    outcomes: tuple[RaceOutcome, ...]
    is_stopped: bool = False

    def count(self, what: What) -> int:
        """How many races ended so."""
        return sum(each.what is what for each in self.outcomes)
