"""The settings of a watch."""

from collections.abc import Iterator
from typing import ClassVar

from mirror.config.kinds import Command, MaybeText, Secret, Wait
from mirror.config.section import NO_SECRET, Section
from mirror.hosts import webhook_fault


class WatchSettings(Section):
    """How ``mirror watch`` looks for news, and whom it tells."""

    LEAST_S: ClassVar = 10.0

    every: Wait = 60.0
    quiet_every: Wait = 900.0
    run: Command = ()
    webhook: Secret = NO_SECRET
    metrics: MaybeText = None

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield pauses that are too short for the service, or the wrong way round."""
        if self.every < self.LEAST_S:
            yield "every", "expected at least 10s: the service is asked each time"
        if self.quiet_every < self.every:
            yield (
                "quiet_every",
                f"is {self.quiet_every:g} s, expected at least as much as watch.every, {self.every:g} s",
            )
        url = self.webhook.get_secret_value()
        if url and (fault := webhook_fault(url)):
            yield "webhook", f"expected an https address, or one of this machine: {fault}"
