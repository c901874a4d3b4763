"""What the C library does with memory that Python gives back."""

import contextlib
import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST_FROM_HEAP_BYTES = 32 * 1024 * 1024
"""The most that glibc takes there."""
_LARGEST_INT = 2**31 - 1


def keep_freed(most_bytes: int) -> None:
    """Keep so much of it for what comes next: each body otherwise gets fresh pages from the system, and pays for them.

    Only glibc can be told; elsewhere nothing happens.

    Source: mallopt(3).
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_FROM_HEAP_BYTES)
        mallopt(_M_TRIM_THRESHOLD, min(most_bytes, _LARGEST_INT))
