"""A line with a delay and a width, for anybody without rights: it forwards bytes between two ports, late and in order.

``python -m benchmarks.line PORT DELAY_S RATE_BYTES_S LOG`` prints the port of its near end, works until its input ends,
and then writes what it saw: one JSON object for each tenth of a second.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

_SAMPLE_S = 0.1
_PIECE_BYTES = 16_384
_WINDOW_BYTES = 262_144
"""What one connection may have on the way at once, as a long-lived one of TCP would."""


class Width:
    """What all connections share in one direction: a byte after the other."""

    def __init__(self, rate_bytes_s: float) -> None:
        self._rate_bytes_s = rate_bytes_s
        self._free_at = 0.0
        self.sent_bytes = 0

    def through_at(self, size_bytes: int) -> float:
        """Say when so many bytes, given in now, have left the narrow place."""
        self._free_at = max(self._free_at, time.monotonic()) + size_bytes / self._rate_bytes_s
        return self._free_at


class Line:
    """All connections between us and one port.

    Args:
        delay_s: From a request's first byte to its answer's first byte, the host's own time left out.
    """

    def __init__(self, target: int, *, delay_s: float, rate_bytes_s: float) -> None:
        self._target = target
        self._delay_s = delay_s
        self.down = Width(rate_bytes_s)
        self._up = Width(rate_bytes_s)
        self.asking = 0
        """Connections with a request on its way or being answered."""
        self.asked = 0
        self._connections: set[asyncio.Future[None]] = set()

    def connect(self, near_in: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        """Take a new connection."""
        task = asyncio.ensure_future(self._connect(near_in, near_out))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _connect(self, near_in: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        """Carry one connection from its opening to its end."""
        await asyncio.sleep(self._delay_s)  # the handshake
        far_in, far_out = await asyncio.open_connection("127.0.0.1", self._target)
        owed: list[int] = []

        def asks(data: bytes) -> None:
            for _ in range(data.count(b"\r\n\r\n")):
                self.asked += 1
                self.asking += 1
                owed.append(-1)

        def answers(data: bytes) -> None:
            """Follow the answers' lengths, to know when one has come to its end."""
            while data and owed:
                if owed[0] < 0:
                    head, _, data = data.partition(b"\r\n\r\n")
                    length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
                    owed[0] = int(length or 0)
                taken = min(owed[0], len(data))
                data, owed[0] = data[taken:], owed[0] - taken
                if owed[0] == 0:
                    owed.pop(0)
                    self.asking -= 1

        upwards = self._carry(near_in, far_out, self._up, asks)
        downwards = self._carry(far_in, near_out, self.down, answers)
        await asyncio.gather(upwards, downwards, return_exceptions=True)
        self.asking -= len(owed)

    async def _carry(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, width: Width, look: Callable[[bytes], None]
    ) -> None:
        loop = asyncio.get_running_loop()
        on_the_way = 0
        moved = asyncio.Event()

        def arrive(data: bytes) -> None:
            nonlocal on_the_way
            on_the_way -= len(data)
            moved.set()
            width.sent_bytes += len(data)
            if width is self.down:
                look(data)
            if not target.is_closing():
                target.write(data)

        while data := await source.read(_PIECE_BYTES):
            if width is not self.down:
                look(data)
            on_the_way += len(data)
            loop.call_at(loop.time() + width.through_at(len(data)) - time.monotonic() + self._delay_s / 2, arrive, data)
            while on_the_way > _WINDOW_BYTES:
                moved.clear()
                await moved.wait()
        while on_the_way:
            moved.clear()
            await moved.wait()
        target.close()

    async def watch(self, samples: list[dict[str, float]]) -> None:
        """Note what is on the line, from the first request on."""
        began_at = 0.0
        while True:
            await asyncio.sleep(_SAMPLE_S)
            if self.asked:
                began_at = began_at or time.monotonic() - _SAMPLE_S
                at_s = round(time.monotonic() - began_at, 2)
                samples.append({"at_s": at_s, "in_flight": self.asking, "bytes": self.down.sent_bytes})


async def main(target: int, *, delay_s: float, rate_bytes_s: float) -> list[dict[str, float]]:
    """Be the line until the input ends; returns what was seen on it."""
    line = Line(target, delay_s=delay_s, rate_bytes_s=rate_bytes_s)
    samples: list[dict[str, float]] = []
    server = await asyncio.start_server(line.connect, "127.0.0.1", 0, backlog=1000)
    print(server.sockets[0].getsockname()[1], flush=True)
    watching = asyncio.create_task(line.watch(samples))
    await asyncio.to_thread(sys.stdin.read)
    watching.cancel()
    return samples


if __name__ == "__main__":
    seen = asyncio.run(main(int(sys.argv[1]), delay_s=float(sys.argv[2]), rate_bytes_s=float(sys.argv[3])))
    Path(sys.argv[4]).write_text("".join(f"{json.dumps(each)}\n" for each in seen))
