"""Logging: messages to standard error, JSON lines to a file, and no secret in either."""

import json
import logging
import os
import re
import sys
import traceback
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from mirror.errors import ArchiveError

CAUSES = logging.getLogger("mirror.cli")
"""What a command says of its end: always shown, also with ``--quiet``."""

_QUERY = re.compile(r"(?i)(\bhttps?://[^\s?#'\"<>]+)[?#][^\s'\"<>]*")
_SECRET_VARIABLES = re.compile(r"MIRROR_API__\w*(SECRET|TOKEN|KEY|REGISTRATION_ID)", re.IGNORECASE)
_SHORTEST_SECRET = 4
_HIDDEN = "***"
_LONGEST_LINE = 600
_MOST_ALIKE = 3
_REPORTED = {"mirror.passes", "mirror.download", "mirror.sync"}
"""What these say is counted while the run is on, or grouped at its end."""
_LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)


def set_up_logging(
    *, verbosity: int = 0, is_quiet: bool = False, file: Path | None = None, secrets: Iterable[str] = ()
) -> None:
    """Say where messages of this program and its libraries go.

    Args:
        verbosity: 0 shows warnings, 1 what happens, 2 everything.
        is_quiet: Show nothing but what went wrong in the end.
        file: Receives one JSON object a line: ``at``, ``level``, ``logger``, ``message``, ``traceback``.
        secrets: Texts that must never be shown, beside those of the environment.
    Raises:
        ArchiveError: The file cannot be written.
    """
    hide = Hider({*secrets, *_secrets_of(os.environ)})
    level = _LEVELS[min(verbosity, len(_LEVELS) - 1)]
    handlers: list[logging.Handler] = [_Screen(hide, verbosity=verbosity, level=logging.ERROR if is_quiet else level)]
    if file is not None:
        handlers.append(_open_file(file, hide))
    root = logging.getLogger()
    for handler in root.handlers[:]:
        root.removeHandler(handler)
        handler.close()
    for handler in handlers:
        root.addHandler(handler)
    # Libraries talk of addresses and connections: a level less of it.
    root.setLevel(_LEVELS[min(max(verbosity - 1, 0), 2)])
    logging.getLogger("mirror").setLevel(min(level, logging.INFO if file else level))
    logging.captureWarnings(capture=True)
    logging.raiseExceptions = False


def _secrets_of(environ: Mapping[str, str]) -> set[str]:
    """Known before any configuration is read: a wrong setting's message must not show them either."""
    return {value for name, value in environ.items() if _SECRET_VARIABLES.fullmatch(name)}


def _open_file(file: Path, hide: "Hider") -> logging.Handler:
    try:
        handler = logging.FileHandler(file, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise ArchiveError(f"--log-json: {file} cannot be written: {error.strerror}") from None
    handler.setFormatter(_JsonLines(hide))
    return handler


class Hider:
    """Takes secrets, query strings and control characters out of a text."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = sorted({each for each in secrets if len(each) >= _SHORTEST_SECRET}, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """Make a text fit to be shown."""
        for secret in self._secrets:
            text = text.replace(secret, _HIDDEN)
        text = _QUERY.sub(r"\1", text)
        return "".join(each if each.isprintable() or each == "\n" else " " for each in text)


class _Screen(logging.Handler):
    """Lines on standard error, whatever stands for it: a live view puts them above itself."""

    def __init__(self, hide: Hider, *, verbosity: int, level: int) -> None:
        super().__init__(level)
        self._hide = hide
        self._verbosity = verbosity
        self._alike: Counter[tuple[str, str]] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep the screen calm: what the report says anyway, and what repeats itself, is left out."""
        if record.name == CAUSES.name or self._verbosity:
            return True
        if record.name in _REPORTED or not record.name.startswith("mirror"):
            return False
        self._alike[record.name, record.msg] += 1
        return self._alike[record.name, record.msg] <= _MOST_ALIKE + 1

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.name != CAUSES.name:
            if not self._verbosity and self._alike[record.name, record.msg] > _MOST_ALIKE:
                text = "more of the same is left out here (--verbose shows it)"
            text = f"{record.levelname.lower()}: {text}"
        if record.exc_info and self._verbosity:
            text += "\n" + "".join(traceback.format_exception(record.exc_info[1]))
        for line in self._hide(text).splitlines():
            sys.stderr.write(f"mirror: {line[:_LONGEST_LINE]}\n")
        sys.stderr.flush()


class _JsonLines(logging.Formatter):
    def __init__(self, hide: Hider) -> None:
        super().__init__()
        self._hide = hide

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": self._hide(record.getMessage()),
        }
        if record.exc_info and record.exc_info[1]:
            entry["traceback"] = self._hide("".join(traceback.format_exception(record.exc_info[1])))
        return json.dumps(entry)
