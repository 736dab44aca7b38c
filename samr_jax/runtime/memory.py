"""Settings of the C library's memory allocator."""

import ctypes

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
