"""Intensity windows: the stored, invertible map from scanner units to [-1, 1]."""

from __future__ import annotations

import dataclasses

import numpy as np

from samr_jax.runtime.errors import InputError
from samr_jax.sequences import MRSequence

STORED_SCALE = 32767
"""Network intensity is stored as int16, in steps of 1/32767."""


@dataclasses.dataclass(frozen=True)
class Window:
    """The affine map ``low -> -1, high -> 1`` of one sequence.

    Attributes:
      low: the value, in the sequence's unit, that becomes -1.
      high: the value that becomes 1; greater than `low`.
    """

    low: float
    high: float

    def __post_init__(self):
        if not (np.isfinite([self.low, self.high]).all() and self.low < self.high):
            raise InputError(
                f"intensity window [{self.low:g}, {self.high:g}], expected two finite "
                "numbers, the first one smaller"
            )

    def normalise(self, values: np.ndarray) -> np.ndarray:
        """Maps the sequence's units to [-1, 1] and clips values outside the window."""
        scaled = (np.asarray(values, np.float32) - self.low) / (self.high - self.low)
        return np.clip(2 * scaled - 1, -1, 1)

    def restore(self, values: np.ndarray) -> np.ndarray:
        """Maps [-1, 1] back to the sequence's units; inverse of `normalise`."""
        scaled = (np.asarray(values, np.float32) + 1) / 2
        return scaled * (self.high - self.low) + self.low


def fit_window(sequence: str, image: np.ndarray, brain: np.ndarray) -> Window:
    """The window of one volume, fixed by its sequence or fitted to the brain.

    Args:
      sequence: name of the sequence.
      image: intensities of any shape, 0 outside the brain.
      brain: boolean array of the same shape.

    Returns:
      The fixed window of the sequence's record if there is one. Else 0 to the 99.8th
      percentile of the brain, which clips only the brightest voxels of enhancing tumor
      and vessels.
    """
    fixed = MRSequence.named(sequence).window
    if fixed is not None:
        return Window(*fixed)
    values = image[brain]
    if values.size == 0 or not values.max() > 0:
        raise InputError(
            f"sequence {sequence} has no positive intensity inside the brain"
        )
    return Window(0.0, float(np.percentile(values, 99.8)))


def pack(values: np.ndarray) -> np.ndarray:
    """Network intensity [-1, 1] to int16."""
    return np.round(np.asarray(values) * STORED_SCALE).astype(np.int16)


def unpack(values: np.ndarray) -> np.ndarray:
    """int16 back to float32 in [-1, 1]."""
    return values.astype(np.float32) / STORED_SCALE
