"""Unpaired batches: masks of some subjects, images of others (section III-E).

Each domain is shuffled independently. As in `samr_jax.data.batches.paired`, batches are
a function of the step, and the processes of a run divide the same global batch.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

import grain
import numpy as np

from samr_jax.data.batches.paired import READ_AHEAD, READ_THREADS
from samr_jax.data.slices import Instances
from samr_jax.runtime.errors import InputError


class UnpairedBatches:
    """Endless batches of two domains; no batch has a mask and images of one slice.

    ``batches[t]`` is this process's part of global batch ``t``: a dictionary of arrays
    with a leading axis of ``batch_size // process_count``. Row ``i`` of domain 1 and
    row ``i`` of domain 2 are unrelated.

    Attributes:
      epoch_steps: number of steps in which every instance of the larger domain occurs
        once.
    """

    def __init__(
        self,
        slices: Instances,
        *,
        batch_size: int,
        seed: int,
        fields: Sequence[str] = ("labels", "tissue"),
        unpaired_fields: Sequence[str] = ("images",),
        same_subjects: bool = False,
        process_index: int = 0,
        process_count: int = 1,
    ):
        """Args:
        slices: instances; see `samr_jax.data.slices.Slices`.
        batch_size: number of instances of each domain in the global batch.
        seed: seed of the order and of the division of the subjects.
        fields: arrays of an instance of domain 1 that a batch has.
        unpaired_fields: arrays of an instance of domain 2 that a batch has.
        same_subjects: whether both domains have all subjects. By default each domain
          has one half of them. Where the two domains of a batch share a slice, a random
          other slice replaces it in domain 2.
        process_index: number of this process.
        process_count: number of processes that divide the global batch.
        """
        if batch_size % process_count:
            raise InputError(
                f"batch_size {batch_size} is not divisible by {process_count} processes"
            )
        self._slices = slices
        self._batch_size = batch_size
        self._seed = seed
        self._fields = tuple(fields), tuple(unpaired_fields)
        self._own = slice(process_index, None, process_count)
        domains = (
            _every_row(slices, batch_size)
            if same_subjects
            else _rows_of_halves(slices, seed)
        )
        self._all_rows = np.arange(len(slices)) if same_subjects else None
        self._orders = [
            _ShuffledRows(rows, (seed, domain)) for domain, rows in enumerate(domains)
        ]
        self.epoch_steps = max(1, max(map(len, domains)) // batch_size)

    def rows(self, step: int) -> tuple[list[int], list[int]]:
        """Indices of the global batch's slices in domain 1 and in domain 2."""
        start = step * self._batch_size
        positions = range(start, start + self._batch_size)
        first, second = (
            [order[position] for position in positions] for order in self._orders
        )
        if self._all_rows is not None:
            others = np.setdiff1d(self._all_rows, first)
            rng = np.random.default_rng((self._seed, 2, step))
            drawn = rng.choice(others, self._batch_size).tolist()
            second = [
                other if row in first else row
                for row, other in zip(second, drawn, strict=True)
            ]
        return first, second

    def __getitem__(self, step: int) -> dict[str, np.ndarray]:
        batch = {}
        for rows, fields in zip(self.rows(step), self._fields, strict=True):
            instances = [self._slices[row] for row in rows[self._own]]
            for name in fields:
                batch[name] = np.stack([instance[name] for instance in instances])
        return batch

    def iterate(self, start: int, stop: int) -> Iterator[dict[str, np.ndarray]]:
        """Batches `start` to `stop`, read ahead by threads."""
        options = grain.ReadOptions(
            num_threads=READ_THREADS, prefetch_buffer_size=READ_AHEAD
        )
        steps = grain.MapDataset.range(start, stop)
        return iter(steps.map(self.__getitem__).to_iter_dataset(options))


class _ShuffledRows:
    """An endless sequence of rows: every row once per epoch, in a new order."""

    def __init__(self, rows: Sequence[int], seed: tuple[int, ...]):
        @functools.lru_cache(maxsize=2)
        def shuffled(epoch: int) -> list[int]:
            return np.random.default_rng((*seed, epoch)).permutation(rows).tolist()

        self._shuffled = shuffled
        self._length = len(rows)

    def __getitem__(self, position: int) -> int:
        epoch, index = divmod(position, self._length)
        return self._shuffled(epoch)[index]


def _rows_of_halves(slices: Instances, seed: int) -> list[list[int]]:
    """Rows of one random half of the subjects, and rows of the other half."""
    owners = [slices[row]["subject"] for row in range(len(slices))]
    names = sorted(set(owners))
    if len(names) < 2:
        raise InputError(
            f"the training split holds {len(names)} subject(s), expected at least 2, "
            "one for each domain (or config.data.same_subjects)"
        )
    shuffled = np.random.default_rng((seed, 3)).permutation(names).tolist()
    first = set(shuffled[: (len(names) + 1) // 2])
    return [
        [row for row, owner in enumerate(owners) if (owner in first) == wanted]
        for wanted in (True, False)
    ]


def _every_row(slices: Instances, batch_size: int) -> list[list[int]]:
    if len(slices) <= batch_size:
        raise InputError(
            f"the training split holds {len(slices)} slices, expected more than "
            f"config.batch_size {batch_size} for two domains of the same subjects"
        )
    return [list(range(len(slices)))] * 2
