"""Measurements of a watch in the format of Prometheus; the only room that knows its client."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server, write_to_textfile

from mirror.errors import ArchiveError, ConfigError
from mirror.manifest import RaceDayStatus
from mirror.model import RunReport

_HERE = "127.0.0.1"
_DAY = ("race_id", "race_day_id")
_LAST_PORT = 65_535


class Outlet(Protocol):
    """Where measurements go."""

    def publish(self, registry: CollectorRegistry) -> None:
        """Make what was measured known."""

    def close(self) -> None:
        """Let go of what was opened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOutlet:
    """A file for node_exporter's textfile collector, whole at every moment."""

    path: Path

    def publish(self, registry: CollectorRegistry) -> None:
        """Write the file anew.

        Raises:
            ArchiveError: It cannot be written.
        """
        try:
            write_to_textfile(str(self.path), registry)
        except OSError as error:
            raise ArchiveError(f"--metrics: {self.path} cannot be written: {error.strerror}") from None

    def close(self) -> None:
        """Leave the file: how old it is says that nobody measures any more."""


class PortOutlet:
    """A port that Prometheus asks; other machines reach it only where an address is given.

    Raises:
        ConfigError: The port cannot be used.
    """

    def __init__(self, address: str, port: int, registry: CollectorRegistry) -> None:
        try:
            self._server: WSGIServer
            self._server, self._thread = start_http_server(port, addr=address, registry=registry)
        except OSError as error:
            raise ConfigError(f"--metrics: {address}:{port} cannot be used: {error.strerror}") from None

    @property
    def port(self) -> int:
        """The port that is asked."""
        return self._server.server_port

    def publish(self, registry: CollectorRegistry) -> None:
        """Nothing to do: whoever asks gets what was measured last."""

    def close(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Metrics:
    """What a watch measures.

    Args:
        where: A port, ``address:port``, or a file (a path with a slash, or one that ends in ``.prom``).
    Raises:
        ConfigError: It is none of these, or the port cannot be used.
    """

    def __init__(self, where: str) -> None:
        self.registry = CollectorRegistry()
        self._photos = self._gauge("mirror_photos", "Photos that were ever listed.", _DAY)
        self._assets = self._gauge("mirror_assets", "Variants of photos, by state.", (*_DAY, "state"))
        self._bytes = self._gauge("mirror_stored_bytes", "Bytes of the stored files.", _DAY)
        self._unlisted = self._gauge("mirror_unlisted_photos", "Photos that are no longer listed.", _DAY)
        self._failed = self._gauge("mirror_failed", "Wanted files whose last try failed.")
        self._missing = self._gauge("mirror_missing", "Wanted files that were missing when the last run ended.")
        self._run_s = self._gauge("mirror_run_duration_seconds", "How long the last run took.")
        self._run_at = self._gauge("mirror_last_run_timestamp_seconds", "When the last run ended.")
        self._success_at = self._gauge(
            "mirror_last_success_timestamp_seconds", "When a run last ended with everything wanted stored."
        )
        self._up = self._gauge("mirror_up", "Whether the service answered when it was asked last.")
        self._runs = Counter("mirror_runs", "Runs since the watch began, by exit code.", ["exit_code"],
                             registry=self.registry)  # fmt: skip
        self._new = Counter("mirror_new_photos", "New photos since the watch began.", registry=self.registry)
        for gauge in (self._up, self._run_at, self._success_at):
            gauge.set(math.nan)  # until it is known: a zero would raise an alarm
        self._outlet = _open_outlet(where, self.registry)

    def _gauge(self, name: str, about: str, labels: tuple[str, ...] = ()) -> Gauge:
        return Gauge(name, about, labels, registry=self.registry)

    @property
    def port(self) -> int | None:
        """The port that is asked; None for a file."""
        return self._outlet.port if isinstance(self._outlet, PortOutlet) else None

    def note_run(self, report: RunReport, days: list[RaceDayStatus], *, failed: int) -> None:
        """Take in what a run did and what the archive holds now."""
        for day in days:
            labels = (str(day.race_id), str(day.race_day_id))
            self._photos.labels(*labels).set(day.photos)
            self._bytes.labels(*labels).set(day.bytes)
            self._unlisted.labels(*labels).set(day.unlisted)
            for state, count in (("stored", day.stored), ("wanted", day.wanted), ("gone", day.gone)):
                self._assets.labels(*labels, state).set(count)
        self._failed.set(failed)
        self._missing.set(report.missing)
        self._run_s.set((report.ended_at - report.started_at).total_seconds())
        self._run_at.set(report.ended_at.timestamp())
        if report.exit_code == 0:
            self._success_at.set(report.ended_at.timestamp())
        self._runs.labels(str(report.exit_code)).inc()
        self._new.inc(report.new_photos)

    def note_answer(self, *, is_up: bool) -> None:
        """Take in whether the service answers, and make everything known.

        Raises:
            ArchiveError: The file cannot be written.
        """
        self._up.set(is_up)
        self._outlet.publish(self.registry)

    def close(self) -> None:
        """Measure no more."""
        self._outlet.close()


def _open_outlet(where: str, registry: CollectorRegistry) -> FileOutlet | PortOutlet:
    address, colon, port = where.rpartition(":")
    if port.isascii() and port.isdigit() and int(port) <= _LAST_PORT and "/" not in where:
        return PortOutlet(address.strip("[]") if colon else _HERE, int(port), registry)
    if "/" in where or where.endswith(".prom"):
        return FileOutlet(path=Path(where).expanduser().absolute())
    raise ConfigError(
        f"--metrics: found {where!r}, expected a port such as 9180, an address with a port, "
        "or a path such as ./mirror.prom"
    )
