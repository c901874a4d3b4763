"""The error tree, sorted by consequence: what can be tried again, what ends a race day, what ends the run."""

from typing import ClassVar


class MirrorError(Exception):
    """Any failure that this program can name."""

    transient: ClassVar[bool] = False
    """Whether another try can help; this alone decides about retrying."""


class ConfigError(MirrorError):
    """A setting is wrong: the message names file, key, value and expectation."""


class FetchError(MirrorError):
    """One request failed; the run goes on.

    Args:
        message: What was found and what was expected; never a query string, a header or a secret.
        url: The address without its query, empty where it is not known yet.
        status: The HTTP status, if an answer came.
        retry_after_s: How long the source asks to be left alone, in seconds.
    """

    reason: ClassVar[str] = "failed"
    """A few words under which failures of this kind are grouped."""

    def __init__(
        self, message: str, *, url: str = "", status: int | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.url = url
        self.status = status
        self.retry_after_s = retry_after_s


class UnreachableError(FetchError):
    """No connection, time-out, reset, 408, or a 5xx other than 503."""

    transient = True
    reason = "unreachable"


class ThrottledError(FetchError):
    """The source asks for fewer requests: 429, 503, API code 14."""

    transient = True
    reason = "throttled"


class HeldError(ThrottledError):
    """The host asked everybody to wait, or is asked no more in this run: nothing was sent."""

    reason = "held"


class TruncatedError(FetchError):
    """Fewer bytes than promised, or a picture without its end."""

    transient = True
    reason = "incomplete at the source"


class MismatchError(FetchError):
    """More bytes than promised, another version, or not a picture."""

    transient = True
    reason = "not the picture"


class PayloadError(FetchError):
    """The API's answer is HTML, broken, without photos, or its error code 4 or 5."""

    transient = True
    reason = "broken answer"


class ForbiddenError(FetchError):
    """401 or 403 on one address."""

    reason = "forbidden"


class GoneError(FetchError):
    """404 or 410."""

    reason = "not found"


class RefusedError(FetchError):
    """What we will not do: scheme, host, address, redirect, certificate, size cap; or any other 4xx."""

    reason = "refused by us"


class AccessError(MirrorError):
    """The API refuses the caller, or a listing cannot be completed.

    Args:
        message: What the API said, cleaned, and what to do.
        code: The API's own error code, if it gave one.
        ends_run: Whether every race is affected (codes 6, 13, 17) or only the one asked for.
    """

    def __init__(self, message: str, *, code: int | None = None, ends_run: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.ends_run = ends_run


class ClusterError(MirrorError):
    """The cluster that was to fetch is no longer there, or none of its workers is."""


class AloneError(ClusterError):
    """All helpers of this process have died: it can only go on by itself."""


class WorkerLostError(ClusterError):
    """One worker of a cluster has died, or is cut off: its jobs go to others."""


class ArchiveError(MirrorError):
    """The archive takes no more: full, read-only, I/O error, SQLite's own included."""


class DamagedError(ArchiveError):
    """One stored file is not what the manifest says of it: absent, unreadable, or of another size."""


class AbsentError(ArchiveError):
    """Nothing lies under that name in the bucket."""


class OccupiedError(ArchiveError):
    """Something lies under that name in the bucket already: nothing was written, unless by an earlier try."""


class ChangedError(ArchiveError):
    """What lies under that name in the bucket is not what was last seen there: nothing was written."""


class DeniedError(ArchiveError):
    """The store refuses the caller: no credentials, wrong ones, or ones that do not allow this."""


class UnknownRequestError(ArchiveError):
    """The store does not know such a request, or such a condition on it."""


class AwayError(ArchiveError):
    """The store does not answer, or says that it cannot just now."""

    transient = True


class ManifestError(MirrorError):
    """The manifest or the archive is in use by another run, foreign, newer or damaged."""


class NewerError(ManifestError):
    """The manifest is of a newer version than this program knows: only the newer program may touch it."""


class InUseError(ManifestError):
    """Another command holds the archive: nothing is wrong with it, and later it will do."""
