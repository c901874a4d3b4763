"""Runs ``mirror`` commands in forks of one warm process, and signals them at a step of their way to the disk.

A fork costs some milliseconds where a start costs half a second: that makes hundreds of kills cheap. Steps are seen
from outside the program: by Python's audit events, by the calls of ``os``, and by SQLite's own trace. Each is told
before it is done, so a kill at every step ends the command once between any two of them; a write is cut in half.

Reads one JSON object a line, as `tests.forks.Forks` writes them; answers each with two: the process id, and at its
end the wait status and the most memory it had, in kB.
"""

import ctypes
import gc
import json
import os
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

_TRANSACTION = ("BEGIN", "COMMIT", "ROLLBACK", "PRAGMA wal_checkpoint")
_STOPPING = {signal.SIGINT, signal.SIGTERM}


class Steps:
    """Names the steps of this process, and sends it a signal at some of them.

    Args:
        root: The archive: steps elsewhere do not count.
        signals: Which signal at which step: its name, the how many-th of that name, the signal's number.
    """

    def __init__(self, root: str, signals: list[tuple[str, int, int]]) -> None:
        self.root = root
        self.seen: list[str] = []
        self._signals = {(name, count): number for name, count, number in signals}
        self._counts: Counter[str] = Counter()

    def step(self, name: str, half: Callable[[], object] = lambda: None) -> None:
        """Take note of a step that is about to be done."""
        self._counts[name] += 1
        self.seen.append(name)
        number = self._signals.get((name, self._counts[name]))
        if number is not None:
            if number == signal.SIGKILL:
                half()
            os.kill(os.getpid(), number)

    def place(self, name: Any, folder: int = -1) -> str:
        """Say in which part of the archive something lies; empty if in none."""
        if isinstance(name, int):
            path = os.readlink(f"/proc/self/fd/{name}")  # noqa: PTH115 - hot, like the rest
        else:
            base = os.readlink(f"/proc/self/fd/{folder}") if folder >= 0 else os.getcwd()  # noqa: PTH109, PTH115
            path = os.path.join(base, os.fsdecode(name))  # noqa: PTH118
        if not path.startswith(self.root):
            return ""
        match path.removeprefix(self.root).strip("/").split("/"):
            case [".mirror", "drafts", draft]:
                return ("draft in flight", "draft to resume", "checked draft")[min(draft.count(".") - 1, 2)]
            case [".mirror", "versions", *_]:
                return "versions"
            case [".mirror", *state]:
                return "/".join([".mirror", *state])
        return "tree"

    def audit(self, event: str, details: tuple[Any, ...]) -> None:
        """Hear what Python is about to do."""
        if event in {"os.rename", "os.link"}:
            old, new = self.place(details[0], details[2]), self.place(details[1], details[3])
            if old and new:
                self.step(f"{event[3:]} {old} -> {new}")
        elif event in {"os.remove", "os.mkdir"}:
            if place := self.place(details[0], details[-1]):
                self.step(f"{event[3:]} {place}")
        elif event == "open":
            # Now the program has taken over the signals.
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)
            if details[2] & os.O_CREAT:  # no event says in which folder
                self.step("open a new file")

    def statement(self, text: str) -> None:
        """Hear what SQLite is about to do."""
        if begun := next((each for each in _TRANSACTION if text.startswith(each)), ""):
            self.step(f"sqlite {begun}")


_steps: list[Steps] = []
"""Those of this fork; none in the server itself."""


def _heard(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """Make a call of ``os`` on a descriptor a step."""

    def hear(descriptor: int, *rest: Any) -> Any:
        for steps in _steps:
            if place := steps.place(descriptor):
                steps.step(
                    f"{name} {place}", lambda: name == "write" and call(descriptor, rest[0][: len(rest[0]) // 2])
                )
        return call(descriptor, *rest)

    return hear


class _HeardConnection(sqlite3.Connection):
    """A connection whose transactions are steps."""

    def __init__(self, *place: Any, **more: Any) -> None:
        super().__init__(*place, **more)
        for steps in _steps:
            self.set_trace_callback(steps.statement)


class _HeardLibrary(ctypes.CDLL):
    """The C library, whose ``syncfs`` is a step."""

    def __getattr__(self, name: str) -> Any:
        found = super().__getattr__(name)
        return _heard(name, found) if name == "syncfs" else found


def run(order: dict[str, Any]) -> int:
    """Run one command, in a fork."""
    os.chdir(order["folder"])
    os.environ.update(order["environ"])
    said = os.open(order["said"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(said, 1)
    os.dup2(said, 2)
    steps = Steps(order["archive"], [(name, count, number) for name, count, number in order["signals"]])
    _steps.append(steps)
    sys.addaudithook(steps.audit)
    from mirror.cli import main  # noqa: PLC0415 - warm by now

    try:
        return main(order["words"])
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        Path(order["steps"]).write_text(json.dumps(steps.seen.copy()))


def serve() -> None:
    """Fork for each order."""
    for line in sys.stdin:
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
        process = os.fork()
        if not process:
            code = 99
            try:
                code = run(json.loads(line))
            finally:
                os._exit(code)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)
        print(process, flush=True)  # noqa: T201 - this is how it answers
        _, status, usage = os.wait4(process, 0)
        print(status, usage.ru_maxrss, flush=True)  # noqa: T201


if __name__ == "__main__":
    # Before the program is imported: it keeps what it finds then.
    for each in ("write", "fsync", "fchmod"):
        setattr(os, each, _heard(each, getattr(os, each)))
    ctypes.CDLL = _HeardLibrary  # type: ignore[misc]
    sqlite3.connect = partial(sqlite3.connect, factory=_HeardConnection)  # type: ignore[assignment]
    import mirror.cli.app
    import mirror.progress
    import mirror.sync

    mirror.cli.app.program()

    gc.freeze()
    serve()
