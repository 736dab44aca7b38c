"""Running a model over arrays of any length.

A compiled network takes batches of one size. The functions here cut arrays into such
batches, fill up the last batch, and join the results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

import jax
import numpy as np

from samr_jax.models.decoder import Synthesis
from samr_jax.runs.model import Model
from samr_jax.runs.noise import noise_of_slices

BATCH_SIZE = 8
"""Slices of a batch, unless the caller chooses."""

Arrays = TypeVar("Arrays")


def synthesize_all(
    model: Model,
    stored: Mapping[str, np.ndarray],
    *,
    batch_size: int = BATCH_SIZE,
    seed: int = 0,
    first: int = 0,
    tell: Callable[[], None] = lambda: None,
) -> Synthesis:
    """Synthesizes every instance of some arrays.

    Args:
      model: a trained one.
      stored: arrays of N instances each, as `Model.synthesize` takes them. Instances
        that follow each other are taken for neighbouring slices.
      batch_size: instances of the one compiled batch.
      seed: of the noise, for a model that sees noise.
      first: number of slices that come before these in the volume of the noise.
      tell: is called for each instance that is done.

    Returns:
      numpy arrays of N instances.

    Raises:
      InputError: the method does not synthesize, or not from these fields.
    """
    if channels := model.method.noise:
        slices, *size = stored["labels"].shape
        noise = noise_of_slices(seed, slices, tuple(size), channels, first=first)
        stored = {**stored, "noise": noise}
    return run_all(model.synthesize, stored, batch_size=batch_size, tell=tell)


def segment_all(
    model: Model, stored: Mapping[str, np.ndarray], *, batch_size: int = BATCH_SIZE
) -> np.ndarray:
    """Label probabilities ``(N, H, W, 5)`` of every instance of some arrays.

    Args:
      model: one whose method segments.
      stored: arrays of N instances each; ``images`` is the one that is needed.
      batch_size: instances of the one compiled batch.
    """
    return run_all(model.segment, stored, batch_size=batch_size)


def run_all(
    run: Callable[[Mapping[str, np.ndarray]], Arrays],
    stored: Mapping[str, np.ndarray],
    *,
    batch_size: int,
    tell: Callable[[], None] = lambda: None,
) -> Arrays:
    """Runs a function batch by batch and concatenates the results.

    Args:
      run: a batch of one size to a tree of arrays.
      stored: arrays of N instances each.
      batch_size: instances of a batch.
      tell: is called for each instance that is done.
    """
    parts = []
    for batch, count in _padded(stored, batch_size):
        parts.append(_first(run(batch), count))
        for _ in range(count):
            tell()
    return jax.tree.map(lambda *pieces: np.concatenate(pieces), *parts)


def _padded(
    stored: Mapping[str, np.ndarray], batch_size: int
) -> Iterator[tuple[dict[str, np.ndarray], int]]:
    """Batches of one size, and how many of their instances count.

    The last batch is filled up with copies of its last instance.
    """
    total = len(next(iter(stored.values())))
    for start in range(0, total, batch_size):
        count = min(batch_size, total - start)
        rows = np.minimum(np.arange(start, start + batch_size), total - 1)
        yield {name: array[rows] for name, array in stored.items()}, count


def _first(arrays: Arrays, count: int) -> Arrays:
    return jax.tree.map(lambda array: array[:count], arrays)
