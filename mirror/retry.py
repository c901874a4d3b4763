"""When to try again; the only file that knows tenacity."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import tenacity

from mirror.errors import FetchError, MirrorError

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often a request is made, and how long to pause in between."""

    attempts: int = 5
    """Tries in all, the first included."""
    first_wait_s: float = 0.5
    longest_wait_s: float = 60.0
    total_s: float = 600.0
    """No new try begins later than this after the first failure."""
    longest_retry_after_s: float = 300.0
    """Asked to wait longer than this, we do not wait at all."""

    def wait_s(self, failures: int, retry_after_s: float | None) -> float:
        """Say how long to pause after so many failures: doubling, jittered, never less than what was asked for."""
        ceiling = min(self.longest_wait_s, self.first_wait_s * 2.0 ** min(failures - 1, 100))
        return max(ceiling * random.uniform(0.5, 1.0), retry_after_s or 0.0)  # noqa: S311 - jitter is no secret

    def is_too_long(self, retry_after_s: float | None) -> bool:
        """Say whether a source asks for a longer pause than we wait."""
        return (retry_after_s or 0.0) > self.longest_retry_after_s


async def call_with_retry(
    call: Callable[[], Awaitable[T]],
    policy: RetryPolicy,
    *,
    spent: int = 0,
    on_retry: Callable[[FetchError, int, float], None] | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> T:
    """Call until it succeeds, fails for good, or tries and time are used up.

    Only an error of ours that says it is transient is tried again; cancellation never is.

    Args:
        spent: Tries that were made before this call.
        on_retry: Told of each failure that another try follows: the error, the tries so far, the pause in seconds.
        sleep: Waits so many seconds.
    Raises:
        MirrorError: The last failure.
    """

    def is_worth_it(error: BaseException) -> bool:
        is_transient = isinstance(error, MirrorError) and error.transient
        return is_transient and not policy.is_too_long(getattr(error, "retry_after_s", None))

    def wait(state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        return policy.wait_s(state.attempt_number + spent, getattr(error, "retry_after_s", None))

    def announce(state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if on_retry is not None and isinstance(error, FetchError):
            on_retry(error, state.attempt_number + spent, state.upcoming_sleep)

    retrying = tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception(is_worth_it),
        stop=tenacity.stop_after_attempt(max(1, policy.attempts - spent)) | tenacity.stop_before_delay(policy.total_s),
        wait=wait,
        before_sleep=announce,
        sleep=sleep,
        reraise=True,
    )
    return await retrying(call)
