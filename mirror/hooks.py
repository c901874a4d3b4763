"""Telling others of news: a command of the owner's, and an address. A hook that fails ends nothing."""

import asyncio
import contextlib
import json
import logging
import os
import shlex
import sys
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from mirror.errors import FetchError
from mirror.news import News, hook_environment
from mirror.retry import RetryPolicy, call_with_retry
from mirror.transport import Post

log = logging.getLogger(__name__)

Hook = Callable[[News], Coroutine[Any, Any, None]]

_POLICY = RetryPolicy(attempts=3, first_wait_s=1.0, longest_wait_s=5.0, total_s=30.0, longest_retry_after_s=10.0)
_LONGEST_S = 600.0
_GRACE_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandHook:
    """Runs a command with the news as JSON on its standard input, and in brief in ``WATCH_`` variables.

    Its words are passed on as they are: no shell reads them, and nothing foreign is among them. What it prints goes to
    standard error.

    Args:
        words: The command and its arguments.
        longest_s: A command that runs for longer is ended.
    """

    words: Sequence[str]
    longest_s: float = _LONGEST_S

    async def __call__(self, news: News) -> None:
        """Run it once and wait for its end."""
        shown = shlex.quote(self.words[0])
        try:
            process = await asyncio.create_subprocess_exec(
                *self.words, stdin=asyncio.subprocess.PIPE, stdout=sys.stderr, env=hook_environment(os.environ, news)
            )
        except OSError as error:
            log.warning("the command %s cannot be run: %s", shown, error.strerror)
            return
        try:
            async with asyncio.timeout(self.longest_s):
                # One that does not read its input is as good as any.
                await process.communicate(json.dumps(news.plain()).encode())
        except TimeoutError:
            log.warning("the command %s ran for more than %.0f s and was ended", shown, self.longest_s)
        finally:
            await _end(process)
        if process.returncode:
            log.warning("the command %s ended with %s", shown, process.returncode)


async def _end(process: asyncio.subprocess.Process) -> None:
    """See to it that nothing of a command is left."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(_GRACE_S):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@dataclass(frozen=True, slots=True, kw_only=True)
class WebHook:
    """Sends the news as JSON to an address; tried a few times, and never for long."""

    post: Post
    policy: RetryPolicy = _POLICY

    async def __call__(self, news: News) -> None:
        """Send them once."""
        body = json.dumps(news.plain()).encode()

        async def once() -> None:
            await self.post.send(body)

        try:
            await call_with_retry(once, self.policy)
        except FetchError as error:
            log.warning("the webhook failed: %s", error.message)
