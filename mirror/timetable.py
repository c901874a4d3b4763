"""What holds at which time of day. Pure but for `follow`, whose clock and sleep are arguments."""

import asyncio
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

_LONGEST_SLEEP_S = 60.0
"""The clock of a laptop that wakes up, or of a country that changes to summer time, jumps."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Rate:
    """A speed limit that holds from a time of day on, until the next one does."""

    minute: int
    """Minutes since midnight, local time."""
    bytes_s: int
    """0: no limit."""


def rate_at(timetable: Sequence[Rate], moment: datetime) -> int:
    """Say how many bytes per second may flow at a moment; before the first entry of a day the last one still holds.

    Args:
        timetable: In order of their minutes, at least one.
        moment: Local time.
    """
    minute = moment.hour * 60 + moment.minute
    return timetable[bisect_right(timetable, minute, key=lambda each: each.minute) - 1].bytes_s


async def follow(
    timetable: Sequence[Rate],
    set_rate: Callable[[int], None],
    *,
    now: Callable[[], datetime] = lambda: datetime.now().astimezone(),
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Set the rate of each moment, until cancelled."""
    while True:
        moment = now()
        set_rate(rate_at(timetable, moment))
        await sleep(min(_LONGEST_SLEEP_S, 60.0 - moment.second))
