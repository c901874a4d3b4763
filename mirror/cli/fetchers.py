"""Who fetches: workers of a cluster, helpers forked from this process, or this process alone."""

import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mirror.cluster import ClusterWish
    from mirror.config import Config

_FETCHING = logging.getLogger("mirror")


@contextmanager
def fetchers(
    settings: "Config", scheduler: str | None, local_workers: int | None, *, is_quiet: bool
) -> "Iterator[ClusterWish | None]":
    """Have those ready who are to fetch, before there is any thread; None for this process alone.

    Args:
        scheduler: The option ``--cluster``.
        local_workers: The option of that name.
    Raises:
        ConfigError: The options cannot be meant.
    """
    from mirror.cluster import ClusterWish, forked_helpers, wish_of

    wish = wish_of(scheduler, local_workers, teller(is_quiet=is_quiet))
    count = _helpers(settings) if wish is None else 0
    if not count:
        yield wish
        return
    with forked_helpers(count) as helpers:
        yield ClusterWish(helpers=helpers) if helpers else None


def _helpers(settings: "Config") -> int:
    """How many helpers this run gets."""
    from mirror.cluster import helpers_of_itself
    from mirror.opening import line_of

    # A log of every request is to be whole and in order; workers report what went wrong, and nothing else.
    if not settings.archive.root.is_local or _FETCHING.isEnabledFor(logging.DEBUG):
        return 0
    if not hasattr(os, "fork") or threading.active_count() > 1:
        return 0
    wanted = settings.download.helpers
    return helpers_of_itself(line_of(settings).most_requests) if wanted == "auto" else wanted


def teller(*, is_quiet: bool) -> "Callable[[str], None]":
    """Make what says a line to a person on standard error, above whatever view stands there."""

    def tell(text: str) -> None:
        if not is_quiet:
            sys.stderr.write(f"{text}\n")

    return tell
