"""Many runs of the command line, cheaply: `tests/fork_server.py` as seen by a test."""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_SERVER = Path(__file__).with_name("fork_server.py")
Step = tuple[str, int]
"""A step of a command: its name, and the how many-th of that name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended.

    Args:
        code: Its exit code, or the negative number of the signal that killed it.
        said: All it wrote to standard output and standard error.
        steps: Names of the steps it did; empty if it was killed.
        memory_kb: The most it had in memory.
    """

    code: int
    said: str
    steps: tuple[str, ...]
    memory_kb: int


class Forks:
    """Commands in forks of one warm process, one at a time; use it with ``async with``."""

    async def __aenter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory()
        environ = {name: value for name, value in os.environ.items() if not name.startswith("MIRROR_")}
        self._server = await asyncio.create_subprocess_exec(
            sys.executable, str(_SERVER), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            env={**environ, "PYTHONPATH": str(_SERVER.parent.parent)},
        )  # fmt: skip
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server.returncode is None:
            self._server.kill()
        await self._server.communicate()
        self._folder.cleanup()

    async def run(
        self,
        folder: Path,
        *words: str,
        archive: Path | None = None,
        environ: Mapping[str, str] | None = None,
        at_steps: Sequence[tuple[Step, int]] = (),
        after_s: Sequence[tuple[float, int]] = (),
    ) -> Ended:
        """Run a command in a folder.

        Args:
            archive: Where its steps count; ``photos`` in that folder if not given.
            at_steps: Signals it gets when it is about to do a step.
            after_s: Signals it gets so many seconds after its start.
        """
        said, steps = (Path(self._folder.name) / name for name in ("said", "steps"))
        steps.unlink(missing_ok=True)
        order = {
            "folder": str(folder), "words": words, "archive": str(archive or folder / "photos"), "environ": environ or {},
            "signals": [(*step, number) for step, number in at_steps], "said": str(said), "steps": str(steps),
        }  # fmt: skip
        process = await self._ask(order)
        loop = asyncio.get_running_loop()
        coming = [loop.call_later(delay, _send, process, number) for delay, number in after_s]
        status, memory_kb = map(int, (await self._answer()).split())
        for each in coming:
            each.cancel()
        seen = json.loads(steps.read_text()) if steps.exists() else []
        return Ended(
            code=os.waitstatus_to_exitcode(status),
            said=said.read_text(errors="replace"),
            steps=tuple(seen),
            memory_kb=memory_kb,
        )

    async def _ask(self, order: Mapping[str, object]) -> int:
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(order).encode() + b"\n")
        return int(await self._answer())

    async def _answer(self) -> bytes:
        assert self._server.stdout is not None
        line = await asyncio.wait_for(self._server.stdout.readline(), 120)
        assert line, "the fork server ended"
        return line


def _send(process: int, number: int) -> None:
    # The process was waited for by the server alone, and its number is not given away so soon.
    try:
        os.kill(process, number)
    except ProcessLookupError:
        return


def numbered(steps: Sequence[str]) -> list[Step]:
    """Give each step its count among those of its name."""
    counts: dict[str, int] = {}
    found = []
    for name in steps:
        counts[name] = counts.get(name, 0) + 1
        found.append((name, counts[name]))
    return found
