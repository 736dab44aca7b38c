"""Settings of the C library's memory allocator, and how much memory is left."""

import ctypes
import re
import resource
from pathlib import Path
from typing import NamedTuple

_ARENA_MAX, _MMAP_MAX, _TRIM_THRESHOLD = -8, -4, -1  # glibc's mallopt(3)

_PROC, _CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")


class Limit(NamedTuple):
    """An amount of memory that must not be exceeded.

    Attributes:
      bytes: infinite if not known.
      source: where it comes from, as in "8 GiB are free on this machine".
    """

    bytes: float
    source: str


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


def free_memory() -> float:
    """Bytes that this process can still get; infinite if not known."""
    return memory_left().bytes


def memory_left(proc: Path = _PROC, cgroups: Path = _CGROUPS) -> Limit:
    """The memory that this process can still get, and what limits it.

    That is the least of what the machine has, what the control group of a container or
    of a cluster's job has, and what the limits of this process (``ulimit``) allow.

    Args:
      proc: where Linux describes processes.
      cgroups: where Linux describes control groups.
    """
    address_space, data = _left_by_ulimit(proc)
    return min(
        Limit(_left_on_machine(proc), "free on this machine"),
        Limit(_left_in_groups(proc, cgroups), "left in this control group"),
        Limit(address_space, "left by `ulimit -v`"),
        Limit(data, "left by `ulimit -d`"),
        key=lambda limit: limit.bytes,
    )


def _left_on_machine(proc: Path) -> float:
    found = re.search(r"^MemAvailable: *(\d+) kB$", _text(proc / "meminfo"), re.M)
    return 1024 * float(found[1]) if found else float("inf")


def _left_in_groups(proc: Path, cgroups: Path) -> float:
    """The least that is left in this process's control group and the groups above it.

    Each line of ``/proc/self/cgroup`` names a group: ``0::/job`` in version 2 of
    control groups, and ``4:memory:/job`` in version 1.
    """
    left = [float("inf")]
    for line in _text(proc / "self" / "cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        root = cgroups
        files = ("memory.max", "memory.current", "inactive_file")
        if controllers:
            if "memory" not in controllers.split(","):
                continue
            root = cgroups / "memory"
            files = (
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
                "total_inactive_file",
            )
        group = root / path.lstrip("/")
        inside = [group, *group.parents]
        left += [_left_in_group(g, *files) for g in inside if g.is_relative_to(root)]
    return max(0.0, min(left))


def _left_in_group(group: Path, limit: str, usage: str, cache: str) -> float:
    """Bytes left in a control group, by the names of its files and of an entry.

    Files that were read long ago count as used. The system drops them from memory when
    a process needs it.
    """
    allowed, used = _text(group / limit).strip(), _text(group / usage).strip()
    if not (allowed.isdigit() and used.isdigit()):
        return float("inf")  # There is no limit, which reads "max", or no such group.
    dropped = re.search(rf"^{cache} (\d+)$", _text(group / "memory.stat"), re.M)
    return float(int(allowed) - int(used) + (int(dropped[1]) if dropped else 0))


def _left_by_ulimit(proc: Path) -> tuple[float, float]:
    """Bytes that ``ulimit`` leaves for this process's address space and its data."""
    pages = _text(proc / "self" / "statm").split()
    if len(pages) < 6:
        return float("inf"), float("inf")
    page = resource.getpagesize()

    def left(limit: int, used: str) -> float:
        allowed, _ = resource.getrlimit(limit)
        if allowed == resource.RLIM_INFINITY:
            return float("inf")
        return max(0.0, float(allowed - page * int(used)))

    return left(resource.RLIMIT_AS, pages[0]), left(resource.RLIMIT_DATA, pages[5])


def _text(path: Path) -> str:
    """The content of a file; empty if it cannot be read."""
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return ""
