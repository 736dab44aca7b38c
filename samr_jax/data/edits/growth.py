"""Growing and shrinking a region to an exact size.

A region grows by the voxels that are nearest to it and shrinks by the voxels that are
nearest to its surroundings, as many as it takes.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from samr_jax.runtime.errors import InputError

_NOTCH_REACH = 1.0
"""Largest notch in the outline that growth keeps, in radii of a ball of equal size."""

_NOTCH_DELAY = 2.0
"""Delay of growth behind a notch, in millimetres of growth per millimetre of its depth.

The value keeps the shape of an outline: when a lesion's area doubles, the length of its
outline over the square root of its area stays the same.
"""


def resized(
    region: np.ndarray,
    count: int,
    *,
    allowed: np.ndarray,
    front: np.ndarray,
    spacing: tuple[float, ...],
    cost: np.ndarray | float = 1.0,
) -> np.ndarray:
    """Grows or shrinks a region to exactly `count` voxels.

    Growing adds the voxels that `spread_from` reaches first and removes none. Shrinking
    removes the voxels that are nearest to `front`.

    Args:
      region: boolean mask. Voxels of it that are not allowed are replaced by growth
        elsewhere.
      count: number of voxels that the result has.
      allowed: boolean mask of the voxels that the result may have.
      front: boolean mask of the surroundings from which the region shrinks.
      spacing: millimetres between voxels along each axis.
      cost: factor on the distance, per voxel. Growth is slow where it is high.

    Returns:
      Boolean mask.

    Raises:
      InputError: fewer than `count` voxels are allowed.
    """
    room = np.count_nonzero(allowed)
    if count > room:
        raise InputError(
            f"a label of {count} voxels would leave the brain, expected at most {room}"
        )
    present = region & allowed
    if count < np.count_nonzero(present):
        return _first_cells(-distance_to(front, spacing), count, present, region)
    return _first_cells(spread_from(region, spacing) * cost, count, allowed, region)


def spread_from(region: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
    """Millimetres of growth until each voxel is reached, 0 in the region.

    By the plain distance an outline would become rounder as it grows. Here the voxels
    beyond a notch are reached later, in proportion to the notch's depth, so that ragged
    outlines stay ragged and smooth outlines stay smooth.
    """
    away = distance_to(region, spacing)
    radius = _NOTCH_REACH * _radius(region, spacing)
    # Morphological closing: fills the notches.
    closed = distance_to(away > radius, spacing) > radius
    closed |= region
    beyond, nearest = ndimage.distance_transform_edt(
        ~closed, sampling=spacing, return_indices=True
    )
    return beyond + _NOTCH_DELAY * away[tuple(nearest)]


def distance_to(region: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
    """Millimetres to the nearest voxel of `region`; infinite if it has none."""
    if not region.any():
        return np.full(region.shape, np.inf)
    return ndimage.distance_transform_edt(~region, sampling=spacing)


def _first_cells(
    key: np.ndarray, count: int, candidates: np.ndarray, region: np.ndarray
) -> np.ndarray:
    """The `count` candidates of lowest `key`.

    Among equal keys the candidates with most of `region` around them come first.
    """
    last = np.partition(key[candidates], count - 1)[count - 1]
    chosen = candidates & (key < last)
    tied = np.flatnonzero(candidates & (key == last))
    density = ndimage.gaussian_filter(region.astype(np.float32), 1.5).ravel()[tied]
    order = np.argsort(-density, kind="stable")
    chosen.ravel()[tied[order[: count - np.count_nonzero(chosen)]]] = True
    return chosen


def _radius(region: np.ndarray, spacing: tuple[float, ...]) -> float:
    """Radius in millimetres of a ball (disc) that is as large as the region."""
    size = np.count_nonzero(region) * np.prod(spacing)
    if region.ndim == 2:
        return np.sqrt(size / np.pi)
    return np.cbrt(size / (4 / 3 * np.pi))
