"""What becomes of freed memory, and how much is left."""

import os
import platform
import resource
import subprocess
import sys

import pytest

from samr_jax.runtime.memory import free_memory, memory_left

PROGRAM = """
import resource
import sys

from samr_jax.runtime.memory import keep_freed_memory

if sys.argv[1] == "keep":
    keep_freed_memory()

import jax
import jax.numpy as jnp

x = jnp.ones((4096, 4096))
step = jax.jit(lambda x: x + 1)
touched = []
for _ in range(20):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    step(x).block_until_ready()
    touched.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(min(touched))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's malloc")
@pytest.mark.parametrize("how", ["keep", "as it is"])
def test_freed_memory_is_kept(how):
    """A step that takes 64 MiB anew touches each of their pages for the first time."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, how],
        env={"PYTHONPATH": ".", "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=True,
    )
    new_pages = int(done.stdout)
    assert (new_pages < 100) if how == "keep" else (new_pages > 1000)


@pytest.mark.skipif(not os.path.exists("/proc/meminfo"), reason="Linux's table")
def test_free_memory_of_this_machine():
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 0.001 * total < free_memory() <= total


@pytest.fixture
def linux(tmp_path, monkeypatch):
    """Writes files as Linux has them in /proc and /sys/fs/cgroup; tells what is left.

    The machine has 900 KiB left. Sizes in `groups` are in KiB.
    """
    proc, cgroups = tmp_path / "proc", tmp_path / "cgroup"

    def left(*, group="", groups=(), address_space=None, data=None):
        files = {
            proc
            / "meminfo": "MemTotal: 999 kB\nMemFree: 2 kB\nMemAvailable:  900 kB\n",
            proc / "self/cgroup": group,
            proc / "self/statm": "100 50 20 10 0 40 0\n",
        }
        for folder, contents in dict(groups).items():
            files |= {cgroups / folder / name: text for name, text in contents.items()}
        for path, text in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        pages = {resource.RLIMIT_AS: address_space, resource.RLIMIT_DATA: data}

        def limits(which):
            count = pages[which]
            size = resource.getpagesize()
            infinite = resource.RLIM_INFINITY
            return (infinite if count is None else count * size, infinite)

        monkeypatch.setattr(resource, "getrlimit", limits)
        return memory_left(proc, cgroups)

    return left


def version_2(limit, used, dropped=0):
    """The files of a control group of version 2, in KiB."""
    return {
        "memory.max": "max\n" if limit is None else f"{limit * 1024}\n",
        "memory.current": f"{used * 1024}\n",
        "memory.stat": f"anon 5\ninactive_file {dropped * 1024}\nactive_file 7\n",
    }


def version_1(limit, used, dropped=0):
    """The files of a control group of version 1, in KiB."""
    return {
        "memory.limit_in_bytes": f"{limit * 1024}\n",
        "memory.usage_in_bytes": f"{used * 1024}\n",
        "memory.stat": f"inactive_file 1\ntotal_inactive_file {dropped * 1024}\n",
    }


@pytest.mark.parametrize(
    "group, groups, expected",
    [
        # No control group, and groups without a limit.
        ("", {}, 900),
        ("0::/job\n", {"job": version_2(None, 100)}, 900),
        # A limit of the job, and of a group above it.
        ("0::/a/job\n", {"a/job": version_2(500, 300, dropped=50)}, 250),
        ("0::/a/job\n", {"a/job": version_2(500, 0), "a": version_2(400, 390)}, 10),
        # A container sees its own group as the root.
        ("0::/../elsewhere\n", {"": version_2(500, 300)}, 200),
        # Version 1, whose groups have a tree of their own for memory.
        (
            "5:cpu:/cpu\n4:memory,hugetlb:/job\n0::/\n",
            {
                "memory/job": version_1(700, 600, dropped=20),
                "cpu": version_1(1, 1),
                "memory": version_1(2**53, 600),
            },
            120,
        ),
        # More in use than is allowed, which the system is about to take back.
        ("0::/job\n", {"job": version_2(100, 110)}, 0),
    ],
)
def test_control_groups_limit_what_is_left(linux, group, groups, expected):
    left = linux(group=group, groups=groups)
    assert left.bytes == 1024 * expected
    source = "free on this machine" if expected == 900 else "left in this control group"
    assert left.source == source


def test_limits_of_the_process(linux):
    """It has 100 pages of address space, and 40 of data."""
    page = resource.getpagesize()
    assert linux(address_space=110) == (10 * page, "left by `ulimit -v`")
    assert linux(address_space=110, data=45) == (5 * page, "left by `ulimit -d`")
    assert linux(data=1).bytes == 0


def test_what_is_left_elsewhere(tmp_path):
    """As on macOS, which has no such files."""
    assert memory_left(tmp_path, tmp_path).bytes == float("inf")
