"""The settings of a fleet."""

from collections.abc import Iterator
from typing import ClassVar

from mirror.config.kinds import Duration, Flag, Wait
from mirror.config.section import Section


class FleetSettings(Section):
    """How several machines share one bucket."""

    LEAST_S: ClassVar = 1.0
    BEATS: ClassVar = 4
    """So many renewals fit into a lease: one that is lost on the way costs nothing."""

    lease: Wait = 120.0
    heartbeat: Wait = 20.0
    again_after: Duration = 1800.0
    wait: Flag = False

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield a lease that runs out between its renewals."""
        if self.lease < self.LEAST_S:
            yield "lease", f"is {self.lease:g} s, expected at least {self.LEAST_S:g} s"
        if self.heartbeat * self.BEATS > self.lease:
            yield (
                "heartbeat",
                f"is {self.heartbeat:g} s, expected at most a quarter of fleet.lease, {self.lease / self.BEATS:g} s",
            )
