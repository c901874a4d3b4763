"""What travels between the client of a cluster and its workers: plain data, small, and no secret of the API's."""

import pickle
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Generic, TypeVar

from mirror.archive import KeptDraft
from mirror.model import Content, Failed, Fetched, Job, Outcome, Postponed
from mirror.retry import RetryPolicy
from mirror.root import ArchiveRoot
from mirror.transport import Line

T = TypeVar("T")
Row = tuple[Any, ...]
_QUICKLY = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """All that a worker needs to know before its first job.

    Args:
        run_key: Names the run; a worker may serve several clients.
        version: Of the client's program.
        root: The archive, at the same path for every worker.
        token: Lies in the archive: who reads it there sees the same archive.
        device: The client's name of the disk: drafts of a worker that has another one are flushed by that worker.
        share: How many requests the worker may make at once, until it is told otherwise.
        limit_rate_bytes_s: Its share of the speed limit; 0 for none.
        has_threads: See `LocalArchive.open`.
        deserted_s: Without a word from the client for so long, it is gone, or has given us up; 0 where a pipe says so.
    """

    run_key: str
    version: str
    root: ArchiveRoot
    min_free_bytes: int
    token: str
    device: str
    line: Line
    retry: RetryPolicy
    share: int
    limit_rate_bytes_s: float = 0.0
    has_threads: bool = True
    deserted_s: float = 40.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HostNews:
    """What one process knows of a host, or is told of it.

    Args:
        limit: How many requests the host gets at once.
        held_s: For how long it asked to be left alone, seconds from now.
        why_closed: Why it is asked no more; empty while it is.
        is_doubtful: Whether it fails everything for this process, which may be the fault of the line.
        throttles: How often it has throttled so far.
        done: How many of its pictures came so far.
    """

    host: str
    limit: int = 0
    held_s: float = 0.0
    why_closed: str = ""
    is_doubtful: bool = False
    throttles: int = 0
    done: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a worker is told, about once a second and whenever something must be known at once.

    Args:
        heard: Number of the last piece of news that the client has.
        share: How many requests it may make at once.
        limit_rate_bytes_s: Its share of the speed limit; 0 for none.
        hosts: Those that are held, closed, or have throttled others.
        is_stopping: End what is on its way, keep what can be resumed.
        wait_s: Answer after that time at the latest.
    """

    heard: int
    share: int
    limit_rate_bytes_s: float = 0.0
    hosts: tuple[HostNews, ...] = ()
    is_stopping: bool = False
    wait_s: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Outcomes of some jobs, by asset id."""

    fetched: tuple[Row, ...] = ()
    failed: tuple[Row, ...] = ()
    postponed: tuple[Row, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of a shard.

    Args:
        left: Jobs that are still under way; their outcomes follow with later reports.
        hosts: As the worker knows them by now.
    """

    results: Results
    left: int = 0
    hosts: tuple[HostNews, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a worker says of itself, about once a second.

    Args:
        number: Of the last piece of news in it; they come again until an order says that they were heard.
        results: News: outcomes of jobs whose shard was answered before.
        logged: News: messages as level, logger, text.
        fetched_bytes: Off the wire so far.
        retries: Requests made again so far.
    """

    number: int
    results: Results
    logged: tuple[tuple[int, str, str], ...] = ()
    hosts: tuple[HostNews, ...] = ()
    in_flight: int = 0
    fetched_bytes: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """Some jobs for one worker."""

    jobs: tuple[Row, ...]
    kept: tuple[KeptDraft, ...] = ()
    """Drafts of earlier runs that may go on."""


def wrap(shard: Shard) -> bytes:
    """Make a shard small: the scheduler remembers the last thousand messages to each worker."""
    return zlib.compress(pickle.dumps(shard), _QUICKLY)


def unwrap(parcel: bytes) -> Shard:
    """Take a shard up again, from the client that this worker was opened by."""
    found = pickle.loads(zlib.decompress(parcel))  # noqa: S301 - whoever reaches a worker can run programs there anyway
    assert isinstance(found, Shard)  # noqa: S101 - tells the type checker
    return found


class _Packer(Generic[T]):
    """Turns instances of a slotted dataclass into rows and back: a tenth of the time that pickling them takes."""

    def __init__(self, kind: Callable[..., T], *names: str) -> None:
        self._kind = kind
        self._names = names
        self.pack: Callable[[T], Row] = attrgetter(*names)

    def unpack(self, row: Row, **more: Any) -> T:
        return self._kind(**dict(zip(self._names, row, strict=True)), **more)


_JOB = _Packer(
    Job, "asset_id", "wanted_no", "race_id", "race_day_id", "photo_id", "variant", "url", "host", "tries"
)  # fmt: skip
_CONTENT = _Packer(
    Content, "size_bytes", "sha256", "extension", "width_px", "height_px", "taken_at", "etag", "last_modified"
)  # fmt: skip
_FAILED = _Packer(Failed, "reason", "message", "status", "has_answered")


def pack_jobs(jobs: Iterable[Job]) -> tuple[Row, ...]:
    """Make jobs ready to travel."""
    return tuple(map(_JOB.pack, jobs))


def unpack_jobs(rows: Iterable[Row]) -> list[Job]:
    """Take them up again."""
    return [_JOB.unpack(row) for row in rows]


def pack_outcomes(outcomes: Iterable[Outcome]) -> Results:
    """Make outcomes ready to travel; their jobs stay behind, since the client has them."""
    fetched: list[Row] = []
    failed: list[Row] = []
    postponed: list[Row] = []
    for each in outcomes:
        match each:
            case Fetched():
                fetched.append((each.job.asset_id, each.draft, *_CONTENT.pack(each.content)))
            case Failed():
                failed.append((each.job.asset_id, *_FAILED.pack(each)))
            case Postponed():
                postponed.append((each.job.asset_id, each.job.tries))
    return Results(fetched=tuple(fetched), failed=tuple(failed), postponed=tuple(postponed))


def unpack_fetched(row: Row, job: Job) -> Fetched:
    """Take up what was fetched."""
    _, draft, *content = row
    return Fetched(job=job, content=_CONTENT.unpack(tuple(content)), draft=draft)


def unpack_failed(row: Row, job: Job) -> Failed:
    """Take up what failed."""
    return _FAILED.unpack(row[1:], job=job)
