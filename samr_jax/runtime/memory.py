"""Settings of the C library's memory allocator, and how much memory is free."""

import ctypes
import re
from pathlib import Path

_ARENA_MAX, _MMAP_MAX, _TRIM_THRESHOLD = -8, -4, -1  # glibc's mallopt(3)


def keep_freed_memory() -> None:
    """Makes this process keep the memory that it frees, for use in the next step.

    XLA's CPU backend allocates all temporaries of every step anew. By default the
    system would take back these gigabytes after each step and clear them page by page
    before the next one. glibc's malloc is therefore set to one heap for all threads, no
    separate mappings and no trimming. The settings do not affect threads that have
    allocated before, so call this before `import jax`.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return  # another C library
    for setting, value in ((_ARENA_MAX, 1), (_MMAP_MAX, 0), (_TRIM_THRESHOLD, -1)):
        mallopt(setting, value)


def free_memory(table: Path = Path("/proc/meminfo")) -> float:
    """Bytes that this machine can still give to programs; infinite if not known."""
    try:
        found = re.search(r"^MemAvailable: *(\d+) kB$", table.read_text(), re.M)
    except OSError:
        found = None
    return 1024 * float(found[1]) if found else float("inf")
