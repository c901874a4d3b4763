"""Moments as people name them, by the local clock. Pure, but for the clock's time zone."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_AGO = re.compile(r"([0-9]{1,5}|an?|one) ?(minute|min|hour|h|day|d|week|w|month|year)s?( ago)?")
_DATE = re.compile(r"([0-9]{4})(?:-([0-9]{1,2})(?:-([0-9]{1,2}))?)?")
_UNIT_DAYS = {
    "minute": 1 / 1440, "min": 1 / 1440, "hour": 1 / 24, "h": 1 / 24, "day": 1, "d": 1, "week": 7, "w": 7,
    "month": 30, "year": 365,
}  # fmt: skip
_DECEMBER = 12


@dataclass(frozen=True, slots=True)
class When:
    """What some words mean: a day, a month, a year; or a moment, which has no length."""

    start: datetime
    """Aware; the first moment that belongs to it."""
    end: datetime
    """Aware; the first moment that does not: *until Sunday* includes that day."""


def parse_when(text: str, *, now: datetime) -> When:
    """Read what people call a moment: ``yesterday``, ``sunday``, ``2 days ago``, ``2026-05-17``, an ISO time.

    A weekday is the latest one, today included; ``last sunday`` is earlier than today.

    Args:
        now: Naive, as the local clock shows it.
    Raises:
        ValueError: Nobody can know what is meant; the message says what is expected.
    """
    words = " ".join(text.lower().split())
    try:
        found = _named(words, now) or _ago(words, now) or _date(words) or _time(text.strip())
    except (ValueError, OverflowError):
        shown = re.sub(r"[^\x20-\x7e]", "?", text)[:40]
        raise ValueError(
            f"'{shown}' is no moment: expected a date such as 2026-05-17, a weekday, yesterday, '2 days ago', "
            "or a time such as 2026-05-17T14:00"
        ) from None
    start, end = found
    return When(start.astimezone(), end.astimezone())


def _named(words: str, now: datetime) -> tuple[datetime, datetime] | None:
    if words == "now":
        return now, now
    if words in {"today", "yesterday"}:
        return _day(now - timedelta(days=words == "yesterday"))
    last, _, name = words.rpartition(" ")
    number = next((at for at, day in enumerate(_DAYS) if name in {day, day[:3]}), None)
    if number is None or last not in {"", "last", "on"}:
        return None
    back = (now.weekday() - number) % 7
    return _day(now - timedelta(days=7 if last == "last" and not back else back))


def _ago(words: str, now: datetime) -> tuple[datetime, datetime] | None:
    found = _AGO.fullmatch(words)
    if found is None:
        return None
    count, days = int(found[1]) if found[1].isdigit() else 1, _UNIT_DAYS[found[2]]
    moment = now - timedelta(days=count * days)
    # Who counts in days means days; who counts in hours means moments.
    return _day(moment) if days >= 1 else (moment, moment)


def _date(words: str) -> tuple[datetime, datetime] | None:
    found = _DATE.fullmatch(words)
    if found is None:
        return None
    year, month, day = (int(each) if each else None for each in found.groups())
    start = datetime(year or 1, month or 1, day or 1)  # noqa: DTZ001 - local until the end
    if day:
        return _day(start)
    if month is None:
        return start, start.replace(year=start.year + 1)
    is_last = month == _DECEMBER
    return start, start.replace(year=start.year + is_last, month=1 if is_last else month + 1)


def _time(text: str) -> tuple[datetime, datetime]:
    moment = datetime.fromisoformat(text)
    return moment, moment


def _day(moment: datetime) -> tuple[datetime, datetime]:
    start = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return start, start + timedelta(days=1)
