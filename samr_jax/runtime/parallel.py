"""Data parallelism: a per-device step under `jax.pmap`, with a replicated state.

The step is written for one device. Collectives over `AXIS` make N devices compute the
same as one device with the whole batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from jax.experimental.multihost_utils import process_allgather

from samr_jax.runtime.errors import InputError
from samr_jax.runtime.memory import Limit, memory_left

AXIS = "batch"
"""Name of the axis of all collectives."""


def parallel_step(step: Callable) -> Callable:
    """``step(state, batch) -> (state, metrics)`` on all devices of the run.

    The state is the same on every device and its buffers are donated; the batch's
    leading axis is the local device (see `shard`).
    """
    return jax.pmap(
        step, axis_name=AXIS, in_axes=(None, 0), out_axes=(None, None), donate_argnums=0
    )


def parallel_step_by_shard_map(step: Callable) -> Callable:
    """`parallel_step` by `jax.jit` and `jax.shard_map`, with the same numbers.

    The training does not use it: it is the way out when JAX drops `jax.pmap`, and a
    test compares the two. Without `jax.pmap`, this function takes the place of
    `parallel_step`. Several processes have to make global arrays of their batches then
    (`jax.make_array_from_process_local_data`), which `jax.pmap` does by itself.
    """
    devices = jax.sharding.Mesh(np.array(jax.devices()), (AXIS,))
    replicated, divided = jax.sharding.PartitionSpec(), jax.sharding.PartitionSpec(AXIS)

    def step_on_device(state, batch):
        # The leading axis, whose length is 1 here, is the device.
        return step(state, jax.tree.map(lambda array: array[0], batch))

    mapped = jax.shard_map(
        step_on_device,
        mesh=devices,
        in_specs=(replicated, divided),
        out_specs=(replicated, replicated),
        # The step's own collectives make state and metrics equal on all devices.
        check_vma=False,
    )
    return jax.jit(mapped, donate_argnums=0)


def compile_step(step: Any, state, batch) -> tuple[Callable, float]:
    """Compiles a step of `parallel_step` for the shapes of a state and a batch.

    With several processes the step is returned as it is and compiles at its first call,
    since a compiled `jax.pmap` does not accept a batch that is divided among processes.

    Returns:
      The compiled step, and the memory that it needs on each device in GiB: arguments,
      results that do not reuse an argument's buffer, and temporaries, as XLA counts.
      NaN where XLA does not count.
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


def device_memory() -> Limit:
    """The memory that each device has for a step, the same in all processes.

    CPUs share what the machine has left. Other devices say what they have.
    """
    devices = jax.local_devices()
    if jax.default_backend() == "cpu":
        left, source = memory_left()
        limit = left / len(devices)
        if len(devices) > 1:
            source += f" for each of {len(devices)} devices"
    else:
        stats = [device.memory_stats() or {} for device in devices]
        limit = min(float(known.get("bytes_limit", math.inf)) for known in stats)
        source = "available on a device"
    if jax.process_count() > 1:
        limit = float(process_allgather(np.float32(limit)).min())
    return Limit(limit, source)


def replicate(tree):
    """Puts a tree of host arrays on every device.

    The layout is that of a state that `parallel_step` returns, so that the second step
    does not compile again.
    """
    mesh = jax.sharding.Mesh(np.array(jax.devices()), (AXIS,))
    sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    return jax.tree.map(lambda array: jax.device_put(array, sharding), tree)


def check_divisible(batch_size: int, parts: int = 1) -> None:
    """Raises `InputError` unless every device gets `parts` equal parts of the batch."""
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


def over_local_devices(batch: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Divides the leading axis over this process's devices, for a jitted function.

    As many devices take part as divide the batch into equal parts.
    """
    instances = len(next(iter(batch.values())))
    devices = jax.local_devices()[: math.gcd(jax.local_device_count(), instances)]
    if len(devices) == 1:
        return dict(batch)
    mesh = jax.sharding.Mesh(np.array(devices), (AXIS,))
    divided = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(AXIS))
    return {name: jax.device_put(array, divided) for name, array in batch.items()}


def to_host(tree):
    """A replicated tree as numpy arrays, for use on any number of devices."""
    return jax.tree.map(np.asarray, jax.device_get(tree))


def must_block() -> bool:
    """Whether each step has to finish before the next one is dispatched.

    XLA:CPU dead-locks when collectives of several devices are dispatched ahead.
    """
    return jax.default_backend() == "cpu" and jax.device_count() > 1


def is_first_process() -> bool:
    """Whether this process writes the files that a run has only once."""
    return jax.process_index() == 0
