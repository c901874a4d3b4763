"""Many requests at once, in order, and the first refusal as it is."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

A = TypeVar("A")
T = TypeVar("T")
_WORKERS = 32


async def for_each(things: Sequence[A], do: Callable[[A], Awaitable[T]]) -> list[T]:
    """Do something with each, a few at a time; returns the results in order.

    Raises:
        Exception: The first that one of them raised; the others were cancelled then.
    """
    results: dict[int, T] = {}
    waiting = iter(enumerate(things))

    async def work() -> None:
        for number, thing in waiting:
            results[number] = await do(thing)

    try:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(min(_WORKERS, len(things))):
                tasks.create_task(work())
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
    return [results[number] for number in range(len(things))]
