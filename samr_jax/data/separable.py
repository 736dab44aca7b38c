"""Linear interpolation one axis after the other, where the axes of two grids agree."""

from __future__ import annotations

import numpy as np
from scipy import sparse

_ROUNDING = 1e-6
"""Voxels by which a sample may lie outside the volume and still count as inside."""


def sample_along_axes(
    data: np.ndarray,
    scale: np.ndarray,
    offset: np.ndarray,
    shape: np.ndarray,
    steps: np.ndarray,
) -> np.ndarray:
    """Samples a volume at the voxels of a grid that is neither rotated nor permuted.

    Index ``i`` of the grid lies at index ``scale * i + offset`` of the volume. A voxel
    of the grid is the mean of several linear samples, evenly spaced over its width. A
    sample outside the volume is 0.

    Args:
      data: ``(X, Y, Z)`` float32.
      scale: ``(3,)``, may be negative.
      offset: ``(3,)``.
      shape: number of voxels ``(x, y, z)`` of the grid.
      steps: ``(3,)``, number of samples along each axis of a voxel.

    Returns:
      ``(x, y, z)`` float32.
    """
    # Slices first, because there are most voxels to a step, and what is left is small.
    found = data.T
    for axis in (2, 1, 0):
        weights = _weights(
            data.shape[axis], scale[axis], offset[axis], shape[axis], steps[axis]
        )
        rest = found.shape[1:]
        found = weights @ found.reshape(len(found), -1)
        # The axis becomes the last one, so that the next one comes first.
        found = np.moveaxis(found.reshape(-1, *rest), 0, -1)
    return found.T


def _weights(
    size: int, scale: float, offset: float, count: int, steps: int
) -> sparse.csr_array:
    """Weights ``(count, size)`` of the volume's voxels in each voxel of the grid."""
    within = (np.arange(steps) + 0.5) / steps - 0.5
    rows, shifts = np.meshgrid(np.arange(count), within, indexing="ij")
    places = scale * (rows + shifts) + offset
    inside = (places >= -_ROUNDING) & (places <= size - 1 + _ROUNDING)
    rows, places = rows[inside], np.clip(places[inside], 0, size - 1)
    lower = np.minimum(places.astype(int), max(size - 2, 0))
    share = places - lower
    upper = np.minimum(lower + 1, size - 1)
    values = np.concatenate([1 - share, share]) / steps
    where = np.concatenate([rows, rows]), np.concatenate([lower, upper])
    weights = sparse.coo_array((values, where), shape=(count, size))
    return weights.tocsr().astype(np.float32)
