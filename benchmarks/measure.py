"""One program, one piece of work, measured as a whole process."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.place import PhotoHost


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one run took.

    Args:
        cpu_s: In the program and in the kernel for it.
        rss_bytes: The most memory of its largest process.
        requests: As the photo host counted them.
        is_whole: Whether every picture lies there with all its bytes.
    """

    wall_s: float
    cpu_s: float
    rss_bytes: int
    files: int
    size_bytes: int
    requests: int
    connections: int
    is_whole: bool


def run(argv: list[str], out: Path, host: "PhotoHost", *, expected: tuple[int, int], log: Path) -> Measured:
    """Run a program to its end and look at what it left.

    Args:
        expected: Pictures and their bytes.
        log: Receives what it says.
    """
    os.sync()
    before = host.counters()
    used = launch(argv, log)
    after = host.counters()
    found = _found(out)
    return Measured(
        wall_s=used["wall_s"],
        cpu_s=used["cpu_s"],
        rss_bytes=int(used["rss_bytes"]),
        files=found[0],
        size_bytes=found[1],
        connections=after[0] - before[0] - 1,
        requests=after[1] - before[1] - 1,
        is_whole=found == expected and not used["code"],
    )


def launch(argv: list[str], log: Path) -> dict[str, float]:
    """Run a program from a small process: what a new one inherits counts as its memory.

    Returns:
        ``wall_s``, ``cpu_s``, ``rss_bytes`` and the exit ``code``.
    """
    with log.open("wb") as said:
        answer = subprocess.run(
            [sys.executable, "-I", "-S", __file__, *argv],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said, check=True,
        )  # fmt: skip
    used: dict[str, float] = json.loads(answer.stdout)
    return used


def _launched(argv: list[str]) -> None:
    began_at = time.monotonic()
    child = os.posix_spawnp(argv[0], argv, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, 2, 1)])
    _, status, used = os.wait4(child, 0)
    figures = {
        "wall_s": time.monotonic() - began_at,
        "cpu_s": used.ru_utime + used.ru_stime,
        "rss_bytes": used.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        "code": os.waitstatus_to_exitcode(status),
    }
    print(json.dumps(figures))


def _found(out: Path) -> tuple[int, int]:
    """Count the pictures below a folder, and their bytes."""
    files = size = 0
    for folder, _, names in os.walk(out):
        for name in names:
            if name.endswith(".jpg"):
                files += 1
                size += os.stat(os.path.join(folder, name)).st_size  # noqa: PTH116, PTH118 - hundreds of thousands
    return files, size


if __name__ == "__main__":
    _launched(sys.argv[1:])
