"""What becomes of freed memory, and how much is free."""

import os
import platform
import subprocess
import sys

import pytest

from samr_jax.runtime.memory import free_memory

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


def test_free_memory(tmp_path):
    table = tmp_path / "meminfo"
    table.write_text("MemTotal:  9 kB\nMemFree:   2 kB\nMemAvailable:    5 kB\n")
    assert free_memory(table) == 5 * 1024
    assert free_memory(tmp_path / "none") == float("inf")
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 0.001 * total < free_memory() <= total
