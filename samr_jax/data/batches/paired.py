"""Batches as a function of the step.

The order depends on a seed only: batch ``t`` is the same for any number of reading
threads, and the processes of a run divide the same global batch among them. So a
checkpoint stores the step's number and no other state of the data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import grain
import numpy as np

from samr_jax.data.slices import Instances
from samr_jax.runtime.errors import InputError

READ_THREADS = 8
READ_AHEAD = 32


class Batches:
    """Endless shuffled batches; every instance occurs once per epoch.

    ``batches[t]`` is this process's part of global batch ``t``: a dictionary of arrays
    with a leading axis of ``batch_size // process_count``.
    """

    def __init__(
        self,
        slices: Instances,
        *,
        batch_size: int,
        seed: int,
        fields: Sequence[str] = ("labels", "images", "atlas"),
        change: Callable[[dict, np.random.Generator], dict] | None = None,
        process_index: int = 0,
        process_count: int = 1,
    ):
        """Args:
        slices: instances; see `samr_jax.data.slices.Slices`.
        batch_size: number of instances in the global batch.
        seed: seed of the order.
        fields: arrays of an instance that a batch has.
        change: a random change of each instance, made before the fields are chosen.
        process_index: number of this process.
        process_count: number of processes that divide the global batch.
        """
        if len(slices) == 0:
            raise InputError("the training split holds no slices, expected at least 1")
        if batch_size % process_count:
            raise InputError(
                f"batch_size {batch_size} is not divisible by {process_count} processes"
            )
        self.epoch_steps = max(1, len(slices) // batch_size)
        order = grain.MapDataset.source(slices).seed(seed).shuffle().repeat()
        if change is not None:
            order = order.random_map(change)
        chosen = tuple(fields)
        own = order[process_index::process_count].map(
            lambda instance: {name: np.asarray(instance[name]) for name in chosen}
        )
        # Grain counts batches with a remainder as floats, which overflow for one slice.
        self._batches = own.batch(batch_size // process_count, drop_remainder=True)

    def __getitem__(self, step: int) -> dict[str, np.ndarray]:
        return self._batches[step]

    def iterate(self, start: int, stop: int) -> Iterator[dict[str, np.ndarray]]:
        """Batches `start` to `stop`, read ahead by threads."""
        options = grain.ReadOptions(
            num_threads=READ_THREADS, prefetch_buffer_size=READ_AHEAD
        )
        return iter(self._batches[start:stop].to_iter_dataset(options))
