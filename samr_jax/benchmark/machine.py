"""Measurements of the machine: its rates, its memory, the time of a call."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable, Sequence

import jax

WARM_UP = 2
"""Calls before those that are timed."""


def machine_rates(dtype: str = "float32") -> dict[str, float]:
    """Measured upper bounds of any program on this machine.

    Args:
      dtype: of the numbers.

    Returns:
      ``matrix_gflops``, of a matrix product in GFLOP/s, and ``copy_gb_per_s``, reading
      and writing together.
    """
    n = 2048 if jax.default_backend() == "cpu" else 8192
    a = jax.random.normal(jax.random.key(0), (n, n), dtype)
    product, _ = median_seconds(jax.jit(lambda x: x @ x), (a,), 5)
    copy, _ = median_seconds(jax.jit(lambda x: x + 1), (a,), 5)
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


def median_seconds(
    call: Callable, arguments: tuple, repeats: int
) -> tuple[float, float]:
    """The median time of a call, measured until its results are ready.

    Returns:
      Seconds, and CPU seconds of all threads of this process.
    """
    times = []
    for _ in range(repeats + WARM_UP):
        begin = clocks()
        jax.block_until_ready(call(*arguments))
        times.append(since(begin))
    return medians(times[WARM_UP:])


def clocks() -> tuple[float, float]:
    """The time, and the CPU time of this process and all its threads."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return time.perf_counter(), usage.ru_utime + usage.ru_stime


def since(begin: tuple[float, float]) -> tuple[float, float]:
    """What has passed on both clocks since `begin`."""
    now = clocks()
    return now[0] - begin[0], now[1] - begin[1]


def medians(times: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The median of each of both clocks."""
    wall, cpu = zip(*times, strict=True)
    return statistics.median(wall), statistics.median(cpu)
