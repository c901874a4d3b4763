"""When to try again."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.errors import (
    ArchiveError,
    FetchError,
    ForbiddenError,
    GoneError,
    MismatchError,
    PayloadError,
    RefusedError,
    ThrottledError,
    TruncatedError,
    UnreachableError,
)
from mirror.retry import RetryPolicy, call_with_retry


class Waits:
    """A sleep that takes no time and remembers."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        """Remember one pause."""
        self.seconds.append(seconds)


def failing(*errors: BaseException) -> Callable[[], Awaitable[str]]:
    """A call that fails so, one after the other, and then succeeds."""
    left = list(errors)

    async def call() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return call


@pytest.mark.parametrize("kind", [UnreachableError, ThrottledError, TruncatedError, MismatchError, PayloadError])
async def test_transient_failure_is_tried_again(kind: type[FetchError]) -> None:
    """What may pass is tried again until it succeeds."""
    waits = Waits()
    assert await call_with_retry(failing(kind("a"), kind("b")), RetryPolicy(), sleep=waits) == "done"
    assert len(waits.seconds) == 2


@pytest.mark.parametrize(
    "error", [ForbiddenError("no"), GoneError("no"), RefusedError("no"), ArchiveError("full"), ValueError("bug")]
)
async def test_final_failure_is_not_tried_again(error: Exception) -> None:
    """What another try cannot mend comes out at once."""
    waits = Waits()
    with pytest.raises(type(error)) as caught:
        await call_with_retry(failing(error), RetryPolicy(), sleep=waits)
    assert caught.value is error
    assert waits.seconds == []


async def test_cancellation_is_never_tried_again() -> None:
    """Being stopped is no failure."""
    waits = Waits()
    with pytest.raises(asyncio.CancelledError):
        await call_with_retry(failing(asyncio.CancelledError()), RetryPolicy(), sleep=waits)
    assert waits.seconds == []


async def test_tries_are_bounded_and_the_last_failure_comes_out() -> None:
    """After all tries the last failure is raised as it was."""
    waits = Waits()
    errors = [UnreachableError(str(number)) for number in range(9)]
    with pytest.raises(UnreachableError) as caught:
        await call_with_retry(failing(*errors), RetryPolicy(attempts=3), sleep=waits)
    assert caught.value is errors[2]
    assert len(waits.seconds) == 2


async def test_pauses_grow() -> None:
    """Each pause lies in the upper half of twice the last one's range, up to the longest."""
    waits = Waits()
    policy = RetryPolicy(attempts=8, first_wait_s=1, longest_wait_s=10)
    await call_with_retry(failing(*[UnreachableError("no")] * 7), policy, sleep=waits)
    for seconds, most in zip(waits.seconds, [1, 2, 4, 8, 10, 10, 10], strict=True):
        assert most / 2 <= seconds <= most


async def test_tries_made_before_count() -> None:
    """Earlier tries shorten what is left and lengthen the pauses."""
    waits = Waits()
    with pytest.raises(UnreachableError):
        await call_with_retry(
            failing(*[UnreachableError("no")] * 9), RetryPolicy(attempts=5, first_wait_s=1), spent=3, sleep=waits
        )
    assert len(waits.seconds) == 1
    assert 4 <= waits.seconds[0] <= 8


async def test_at_least_one_try_is_made() -> None:
    """Even with all tries spent, the call is made once."""
    assert await call_with_retry(failing(), RetryPolicy(attempts=2), spent=7) == "done"
    with pytest.raises(UnreachableError):
        await call_with_retry(failing(UnreachableError("no")), RetryPolicy(attempts=2), spent=7)


async def test_retry_after_is_the_least_pause() -> None:
    """A source that asks for a pause gets it."""
    waits = Waits()
    await call_with_retry(failing(ThrottledError("slow", retry_after_s=42)), RetryPolicy(), sleep=waits)
    assert waits.seconds == [42]


async def test_too_long_retry_after_is_not_waited_for() -> None:
    """A pause longer than we are ready for ends the tries at once."""
    waits = Waits()
    with pytest.raises(ThrottledError):
        await call_with_retry(
            failing(ThrottledError("slow", retry_after_s=61)), RetryPolicy(longest_retry_after_s=60), sleep=waits
        )
    assert waits.seconds == []


async def test_no_try_begins_after_the_total_time() -> None:
    """A pause that would end after the total time is not begun."""
    waits = Waits()
    with pytest.raises(ThrottledError):
        await call_with_retry(failing(ThrottledError("slow", retry_after_s=50)), RetryPolicy(total_s=40), sleep=waits)
    assert waits.seconds == []


async def test_every_retry_is_told() -> None:
    """Whoever listens hears of each failure that another try follows: error, tries so far, pause."""
    waits, told = Waits(), list[tuple[FetchError, int, float]]()
    errors = [UnreachableError("a"), TruncatedError("b")]
    await call_with_retry(
        failing(*errors), RetryPolicy(), spent=1, on_retry=lambda *what: told.append(what), sleep=waits
    )
    assert told == [(errors[0], 2, waits.seconds[0]), (errors[1], 3, waits.seconds[1])]


@given(st.integers(1, 10_000), st.none() | st.floats(0, 1e9))
def test_pause_has_its_bounds(failures: int, retry_after_s: float | None) -> None:
    """Never less than was asked for; else never more than the longest."""
    seconds = RetryPolicy().wait_s(failures, retry_after_s)
    assert seconds >= (retry_after_s or 0.25)
    assert seconds <= max(60.0, retry_after_s or 0.0)
