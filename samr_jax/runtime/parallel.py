"""Many devices: one per-device step under `jax.pmap`, the state replicated.

The step is written for one device; collectives over `AXIS` make N devices equal to one
device with the whole batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import jax
import numpy as np

from samr_jax.runtime.errors import InputError

AXIS = "batch"
"""The one axis that every collective is over."""


def parallel_step(step: Callable) -> Callable:
    """``step(state, batch) -> (state, metrics)`` on all devices of the run.

    The state is the same on every device and its buffers are donated; the batch's
    leading axis is the local device (see `shard`).
    """
    return jax.pmap(
        step, axis_name=AXIS, in_axes=(None, 0), out_axes=(None, None), donate_argnums=0
    )


def compile_step(step: Callable, state, batch) -> tuple[Callable, float]:
    """Compiles what `parallel_step` made, for a state and a batch of these shapes.

    Returns:
      The compiled step, and the GiB that it takes of each device's memory: arguments,
      results that do not take an argument's place, and temporaries, as XLA counts them;
      NaN where it does not. With several processes it is compiled at its first call,
      since a compiled `jax.pmap` takes no batch of which each process has its own part.
    """
    if jax.process_count() > 1:
        return step, math.nan
    compiled = step.lower(state, batch).compile()
    memory = compiled.memory_analysis()
    if memory is None:
        return compiled, math.nan
    taken = (
        memory.argument_size_in_bytes
        + memory.output_size_in_bytes
        - memory.alias_size_in_bytes
        + memory.temp_size_in_bytes
    )
    return compiled, taken / 2**30


def replicate(tree):
    """Puts a tree of host arrays on every device, laid out as `parallel_step` returns
    its state, so that the second step does not compile anew."""
    mesh = jax.sharding.Mesh(np.array(jax.devices()), (AXIS,))
    sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    return jax.tree.map(lambda array: jax.device_put(array, sharding), tree)


def check_divisible(batch_size: int, parts: int = 1) -> None:
    """Raises `InputError` unless every device gets the same share, in equal parts."""
    devices = jax.device_count()
    if batch_size % (devices * parts):
        within = f" of {parts} parts each (config.accumulation)" if parts > 1 else ""
        raise InputError(
            f"config.batch_size {batch_size} is not divisible by {devices} "
            f"devices{within}"
        )


def shard(batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Splits the leading axis over this process's devices: ``(D, N / D, ...)``."""
    devices = jax.local_device_count()
    return {
        name: np.reshape(array, (devices, -1, *array.shape[1:]))
        for name, array in batch.items()
    }


def to_host(tree):
    """A replicated tree as numpy arrays, which any number of devices can take up."""
    return jax.tree.map(np.asarray, jax.device_get(tree))


def must_block() -> bool:
    """Whether every step has to be waited for.

    XLA:CPU dead-locks when collectives of several devices are dispatched ahead.
    """
    return jax.default_backend() == "cpu" and jax.device_count() > 1


def is_first_process() -> bool:
    """Whether this process writes what is written once."""
    return jax.process_index() == 0
