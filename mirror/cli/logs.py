"""Logging: warnings to standard error, everything as JSON lines if wanted, and no secret anywhere."""

import json
import logging
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from mirror.errors import ArchiveError

_QUERY = re.compile(r"(https?://[^\s?'\"]+)\?[^\s'\"]*")
_HIDDEN = "***"


class _Redacting(logging.Formatter):
    """Hides secrets and query strings in whatever is logged, tracebacks included."""

    def __init__(self, secrets: Sequence[str]) -> None:
        super().__init__("%(levelname)s: %(message)s")
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        return self.redact(super().format(record))

    def redact(self, text: str) -> str:
        text = _QUERY.sub(r"\1", text)
        for secret in self._secrets:
            text = text.replace(secret, _HIDDEN)
        return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)


class _Json(_Redacting):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(
            {
                "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
                "level": record.levelname,
                "room": record.name,
                "message": self.redact(record.getMessage()),
                **({"traceback": self.redact(self.formatException(record.exc_info))} if record.exc_info else {}),
            }
        )


def set_up_logging(*, verbose: int, is_quiet: bool, file: Path | None, secrets: Sequence[str]) -> None:
    """Say where messages go for the rest of the process.

    Raises:
        ArchiveError: The log file cannot be written.
    """
    root = logging.getLogger()
    root.handlers.clear()
    level = {0: logging.WARNING, 1: logging.INFO}.get(verbose, logging.DEBUG)
    screen = logging.StreamHandler(sys.stderr)
    screen.setLevel(logging.CRITICAL if is_quiet else level)
    screen.setFormatter(_Redacting(secrets))
    root.addHandler(screen)
    if file is not None:
        try:
            lines = logging.FileHandler(file, encoding="utf-8")
        except OSError as error:
            raise ArchiveError(f"--log-json: {file} cannot be written: {error.strerror}") from None
        lines.setFormatter(_Json(secrets))
        lines.setLevel(min(level, logging.INFO))
        root.addHandler(lines)
    root.setLevel(min(level, logging.INFO if file else level))
    logging.captureWarnings(capture=True)
