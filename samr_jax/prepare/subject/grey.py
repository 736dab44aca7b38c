"""Intensities of any unit as grey values, for pictures."""

from __future__ import annotations

import numpy as np


def to_grey(view: np.ndarray) -> np.ndarray:
    """Scales intensities to uint8.

    Black is the 0.5th percentile of the nonzero values, or 0 if that is smaller; white
    is the 99.5th percentile.
    """
    values = view[view != 0]
    if values.size == 0:
        return np.zeros(view.shape, np.uint8)
    low, high = min(0.0, np.percentile(values, 0.5)), np.percentile(values, 99.5)
    scaled = (view - low) / max(high - low, 1e-6)
    return np.round(255 * np.clip(scaled, 0, 1)).astype(np.uint8)
