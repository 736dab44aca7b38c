"""A share of the training slices with the group's average tissue maps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from samr_jax.data.slices import Slices

AVERAGE = "average_tissue"
"""Field of an instance: the group's average maps at its height."""


class WithAverageTissue:
    """Slices whose instances also hold the group's average tissue maps.

    They are the field `AVERAGE`, ``[H, W, 3]`` uint8, stored as the subject's maps are.
    """

    def __init__(self, slices: Slices):
        self._slices = slices
        self._average = np.round(255 * slices.dataset.average_tissue).astype(np.uint8)

    def __len__(self) -> int:
        return len(self._slices)

    def __getitem__(self, index: int) -> dict:
        instance = self._slices[index]
        return {**instance, AVERAGE: self._average[instance["slice"]]}


def with_average_tissue(share: float) -> Callable[[dict, np.random.Generator], dict]:
    """A random change of an instance: its tissue maps become the average maps.

    Args:
      share: probability of the change.
    """

    def change(instance: dict, rng: np.random.Generator) -> dict:
        if rng.random() >= share:
            return instance
        return {**instance, "tissue": instance[AVERAGE]}

    return change
