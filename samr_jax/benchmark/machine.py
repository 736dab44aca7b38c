"""Measurements of the machine: its rates, its memory, the time of a call."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable

import jax

WARM_UP = 2
"""Calls before those that are timed."""


def machine_rates() -> dict[str, float]:
    """Measured upper bounds of any program on this machine.

    Returns:
      ``matrix_gflops``, of a float32 matrix product in GFLOP/s, and
      ``copy_gb_per_s``, reading and writing together.
    """
    n = 2048 if jax.default_backend() == "cpu" else 8192
    a = jax.random.normal(jax.random.key(0), (n, n))
    product = median_seconds(jax.jit(lambda x: x @ x), (a,), 5)
    copy = median_seconds(jax.jit(lambda x: x + 1), (a,), 5)
    return {
        "matrix_gflops": 2 * n**3 / product / 1e9,
        "copy_gb_per_s": 2 * a.nbytes / copy / 1e9,
    }


def peak_gib() -> float:
    """The peak of device memory in GiB; of the process's memory if XLA has no count."""
    stats = jax.local_devices()[0].memory_stats()
    if stats and "peak_bytes_in_use" in stats:
        return stats["peak_bytes_in_use"] / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def median_seconds(call: Callable, arguments: tuple, repeats: int) -> float:
    """The median time of a call, measured until its results are ready."""
    times = []
    for _ in range(repeats + WARM_UP):
        begin = time.perf_counter()
        jax.block_until_ready(call(*arguments))
        times.append(time.perf_counter() - begin)
    return statistics.median(times[WARM_UP:])
