"""Histogram landmarks of one scan (Nyúl 2000), and the maps through them."""

from __future__ import annotations

import numpy as np

from samr_jax.data.subject import Subject
from samr_jax.labels import BACKGROUND, LESION_LABELS
from samr_jax.runtime.errors import InputError

PERCENTILES = (1, 10, 20, 30, 40, 50, 60, 70, 80, 90, 99)
"""The landmarks are these percentiles of the healthy brain. Lesions are left out
because they differ from patient to patient."""


def healthy_values(subject: Subject, channel: int) -> np.ndarray:
    """One sequence's intensities in the brain outside the lesion."""
    lesion = np.isin(subject.labels, LESION_LABELS)
    image = subject.images[..., channel]
    return image[(subject.labels != BACKGROUND) & ~lesion & (image != 0)]


def landmarks(values: np.ndarray, *, source: str) -> np.ndarray:
    """The landmarks ``(11,)`` of a list of intensities.

    Args:
      values: any shape.
      source: what to call the scan in an error.

    Raises:
      InputError: two landmarks coincide, so that no map through them has an inverse.
    """
    marks = np.percentile(values, PERCENTILES) if values.size else np.zeros(2)
    if not (np.diff(marks) > 0).all():
        raise InputError(
            f"{source}: two of its intensity percentiles coincide, expected a scan of "
            "more than a few grey values"
        )
    return marks


def piecewise_linear(
    image: np.ndarray, start: np.ndarray, stop: np.ndarray
) -> np.ndarray:
    """The piecewise linear map that takes the values `start` to the values `stop`.

    The first and the last piece are continued beyond their ends.

    Args:
      image: any shape; 0 means outside the brain and stays 0.
      start: increasing values.
      stop: increasing values, as many. Exchanging `start` and `stop` gives the inverse.

    Returns:
      float32, never below 0.
    """
    slopes = np.diff(stop) / np.diff(start)
    piece = np.clip(np.searchsorted(start, image) - 1, 0, len(slopes) - 1)
    mapped = stop[piece] + slopes[piece] * (image - start[piece])
    return np.where(image != 0, np.maximum(mapped, 0), 0).astype(np.float32)
