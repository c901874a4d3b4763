"""Speed limits by time of day."""

import asyncio
from datetime import datetime, timedelta

import pytest

from mirror.timetable import Rate, follow, rate_at

NOON = datetime.fromisoformat("2026-05-17T12:00:00-04:00")
OFFICE_HOURS = (Rate(minute=8 * 60, bytes_s=500_000), Rate(minute=18 * 60 + 30, bytes_s=0))


@pytest.mark.parametrize(
    ("time", "bytes_s"), [("00:00", 0), ("07:59", 0), ("08:00", 500_000), ("18:29", 500_000), ("18:30", 0)]
)
def test_rate_holds_until_the_next_begins(time: str, bytes_s: int) -> None:
    """Each entry holds from its time on, the last one over midnight."""
    assert rate_at(OFFICE_HOURS, datetime.fromisoformat(f"2026-05-17T{time}:00")) == bytes_s


def test_single_entry_holds_all_day() -> None:
    """One entry is the same as a plain limit."""
    assert rate_at((Rate(minute=1200, bytes_s=7),), NOON) == 7


async def test_rate_is_set_while_a_run_goes_on() -> None:
    """A run that lasts into the evening gets the evening's rate within a minute."""
    clock, rates = [NOON], list[int]()

    async def sleep(seconds: float) -> None:
        assert 0 < seconds <= 60
        clock[0] += timedelta(seconds=seconds)
        if clock[0].hour == 19:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await follow(OFFICE_HOURS, rates.append, now=lambda: clock[0], sleep=sleep)
    assert rates == [500_000] * 390 + [0] * 30
