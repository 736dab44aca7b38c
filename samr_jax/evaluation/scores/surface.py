"""Distances between the surfaces of two lesions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from surface_distance import compute_robust_hausdorff, compute_surface_distances


def hausdorff_95(
    found: np.ndarray, true: np.ndarray, *, spacing: Sequence[float]
) -> float:
    """The 95 % Hausdorff distance of two lesions in millimetres.

    It is the larger of two numbers: the distance that 95 % of the surface of `found`
    keep to the surface of `true`, and the same the other way round.

    Args:
      found, true: boolean ``(Z, H, W)``, neither of them empty.
      spacing: millimetres between slices, rows and columns.
    """
    distances = compute_surface_distances(true, found, spacing_mm=tuple(spacing))
    return float(compute_robust_hausdorff(distances, 95))
