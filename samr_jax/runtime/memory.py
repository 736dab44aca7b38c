"""What becomes of memory that this process frees."""

import ctypes

_ARENA_MAX, _MMAP_MAX, _TRIM_THRESHOLD = -8, -4, -1  # glibc's mallopt(3)


def keep_freed_memory() -> None:
    """Makes this process keep the memory that it frees, for the next step.

    XLA's CPU backend allocates all temporaries of a step anew, gigabytes that the
    system would take back and clear page by page every time. Settings of glibc's
    malloc: one heap for all threads, no mappings apart from it, never trimmed.
    Threads that have allocated before are left out, so it comes before `import jax`.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return  # another C library
    for setting, value in ((_ARENA_MAX, 1), (_MMAP_MAX, 0), (_TRIM_THRESHOLD, -1)):
        mallopt(setting, value)
