"""A look at a command from outside: what memory it took, and what it left in a folder."""

import asyncio
import sys
from pathlib import Path

import pytest

_STATUS = Path("/proc/self/status")
_WATCHED = f"""
import atexit, pathlib, re, sys
def note_peak():
    pathlib.Path("peak").write_text(re.search("VmHWM:\\\\s+(\\\\d+)", pathlib.Path("{_STATUS}").read_text())[1])
atexit.register(note_peak)
from mirror.cli import main
sys.exit(main())
"""


async def peak_memory_bytes(folder: Path, *words: str) -> tuple[int, int, str]:
    """Run a command; returns its exit code, the most memory that it ever held, and what it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _WATCHED, *words, cwd=folder,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, blamed = await process.communicate()
    assert process.returncode is not None
    return process.returncode, _peak_bytes(folder), (said + blamed).decode()


def _peak_bytes(folder: Path) -> int:
    if not _STATUS.exists():
        pytest.skip("the peak of another process's memory is read from /proc")
    return int((folder / "peak").read_text()) * 1024


def all_bytes_below(folder: Path) -> bytes:
    """Everything in the files of a folder."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
