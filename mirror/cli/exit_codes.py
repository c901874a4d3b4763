"""What a command ends with: the one place that knows exit codes."""

import signal
from typing import TYPE_CHECKING

from mirror.errors import AccessError, ArchiveError, ClusterError, ConfigError, FetchError, ManifestError

if TYPE_CHECKING:
    from mirror.model import RunReport

OK, PARTIAL, USAGE, REFUSED, STORAGE, BUSY, BUG = 0, 1, 2, 3, 4, 5, 70

MEANINGS = (
    ("0", "everything wanted is stored"),
    ("1", "finished, but something wanted is missing, damaged or gone; each is named"),
    ("2", "wrong usage or configuration"),
    ("3", "the service refused, a listing could not be completed, or the cluster went away"),
    ("4", "the disk is full, read-only or failing"),
    ("5", "the archive is in use, or its manifest is damaged or of a newer version"),
    ("70", "a bug in mirror"),
    ("130, 143", "stopped by Ctrl-C (SIGINT), by SIGTERM; the next run goes on"),
)
"""As ``--help`` shows them."""


class Stopped(BaseException):
    """A signal ended the command.

    Args:
        number: The signal's.
    """

    outcome = "what was finished is kept"
    """What that means for the archive."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number


def exit_code(ended: "RunReport | BaseException") -> int:
    """Turn what a command ended with, a report or what was raised, into its exit code."""
    match ended:
        case Stopped():
            return 128 + ended.number
        case KeyboardInterrupt():
            return 128 + signal.SIGINT
        case ConfigError():
            return USAGE
        case AccessError() | FetchError() | ClusterError():
            return REFUSED
        case ArchiveError():
            return STORAGE
        case ManifestError():
            return BUSY
        case BaseException():
            # Wrong usage as the argument parser says it; its class is not a public name of typer.
            return USAGE if hasattr(ended, "format_message") else BUG
        case _:
            if not ended.is_listing_complete:
                return REFUSED
            return OK if ended.is_everything_stored else PARTIAL
