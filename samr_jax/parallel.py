"""Many devices: one per-device step under `jax.pmap`, the state replicated.

The step is written for one device; collectives over `AXIS` make N devices equal to one
device with the whole batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jax
import numpy as np

from samr_jax.errors import InputError

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
