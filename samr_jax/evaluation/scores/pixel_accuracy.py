"""Pixel accuracy of lesions: the share of pixels that are right (section IV-C)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from samr_jax.evaluation.scores.intensity import TOLERANCE
from samr_jax.evaluation.scores.slice_scores import (
    Measured,
    SliceColumn,
    SliceMeasure,
)
from samr_jax.labels import LABELS, LESION_LABELS

REGIONS = {LABELS[code]: (code,) for code in LESION_LABELS} | {"lesion": LESION_LABELS}
"""Where pixel accuracy is taken: each lesion label, and their union."""


def pixel_hits(
    synthesized: np.ndarray, real: np.ndarray, labels: np.ndarray, codes: Sequence[int]
) -> tuple[np.ndarray, int]:
    """Counts the pixels of some labels that are right.

    Args:
      synthesized, real: ``(..., S)`` in 0..255.
      labels: ``(...)`` codes.
      codes: the labels that count.

    Returns:
      The number of right pixels by sequence ``(S,)``, and the number of pixels.
    """
    region = np.isin(labels, codes)
    right = np.abs(synthesized[region] - real[region]) <= TOLERANCE
    return right.sum(axis=0), int(region.sum())


def measure(synthesized: np.ndarray, real: np.ndarray, labels: np.ndarray) -> Measured:
    """Pixel accuracy of every region in percent, weighted by the region's pixels."""
    measured = {}
    for name, codes in REGIONS.items():
        hits, pixels = pixel_hits(synthesized, real, labels, codes)
        measured[name] = (100 * hits, pixels)
    return measured


PIXEL_ACCURACY = SliceMeasure(
    measure,
    {
        **{
            LABELS[code]: SliceColumn(LABELS[code].capitalize(), "{:.1f}")
            for code in LESION_LABELS
        },
        "lesion": None,  # Table V prints the union by sequence
    },
)
