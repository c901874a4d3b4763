"""What goes through the pipe between this program and a helper: numbered questions and answers."""

import asyncio
import pickle
from typing import Any

_SIZE_BYTES = 4
LIMIT_BYTES = 1024 * 1024
"""So much may wait unread before the other side is held up."""


async def read(pipe: asyncio.StreamReader) -> Any:
    """Read one frame.

    Raises:
        EOFError: The other side has hung up.
        OSError: So it seems.
    """
    size = int.from_bytes(await pipe.readexactly(_SIZE_BYTES), "big")
    return pickle.loads(await pipe.readexactly(size))  # noqa: S301 - from a process that is forked from this one


def write(pipe: asyncio.StreamWriter, frame: Any) -> None:
    """Write one frame; nobody waits until it is read."""
    packed = pickle.dumps(frame, pickle.HIGHEST_PROTOCOL)
    pipe.write(len(packed).to_bytes(_SIZE_BYTES, "big") + packed)
