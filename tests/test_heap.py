"""Memory that was freed, and what the C library does with it."""

import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="only glibc can be told what to do with freed memory"
)

_FAULTS = """
import resource, sys
from mirror.cluster.heap import keep_freed
if "keep" in sys.argv:
    keep_freed(64_000_000)
def use():
    bodies = [b"x" * 1_000_000 for _ in range(20)]
use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    use()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _faults(*words: str) -> int:
    done = subprocess.run([sys.executable, "-c", _FAULTS, *words], capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_kept_memory_is_used_again_without_asking_the_system() -> None:
    """Where 400 bodies would each get fresh pages, they get those of the ones before."""
    assert _faults("keep") * 10 < _faults()
