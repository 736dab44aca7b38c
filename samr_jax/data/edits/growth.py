"""Regions of a wanted size: level sets of a distance, chosen by counting cells."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from samr_jax.runtime.errors import InputError

_NOTCH_REACH = 1.0
"""Size of the notches that growth keeps, in radii of a ball of the region's size."""

_NOTCH_DELAY = 2.0
"""Millimetres of growth that a millimetre of notch costs what lies beyond it. Chosen
so that doubling a lesion leaves its outline, over the root of its area, as long."""


def resized(
    region: np.ndarray,
    count: int,
    *,
    allowed: np.ndarray,
    front: np.ndarray,
    spacing: tuple[float, ...],
    cost: np.ndarray | float = 1.0,
) -> np.ndarray:
    """Grows or peels `region` to exactly `count` cells, all of them `allowed`.

    Growing adds the cells that `spread_from` reaches first, and takes none away.
    Peeling takes cells away in the order of their distance from `front`.

    Args:
      region: boolean; what of it is not allowed is replaced by growth elsewhere.
      count: cells wanted.
      allowed: boolean.
      front: boolean, the side from which a region shrinks.
      spacing: millimetres between cells along each axis.
      cost: factor on the distance by cell: where it is high, growth is slow.

    Raises:
      InputError: fewer than `count` cells are allowed.
    """
    room = np.count_nonzero(allowed)
    if count > room:
        raise InputError(
            f"a label of {count} cells would leave the brain, expected at most {room}"
        )
    present = region & allowed
    if count < np.count_nonzero(present):
        return _first(-distance_to(front, spacing), count, present, region)
    return _first(spread_from(region, spacing) * cost, count, allowed, region)


def spread_from(region: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
    """Millimetres of growth until each cell is reached, 0 in the region.

    A plain distance rounds an outline off as it grows. Here what lies beyond a notch is
    reached later, in proportion to the notch's depth, so that ragged outlines stay
    ragged and smooth ones smooth.
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
    """Millimetres to the nearest cell of `region`; infinite if it has none."""
    if not region.any():
        return np.full(region.shape, np.inf)
    return ndimage.distance_transform_edt(~region, sampling=spacing)


def _first(
    key: np.ndarray, count: int, candidates: np.ndarray, region: np.ndarray
) -> np.ndarray:
    """The `count` candidates of lowest key; ties go to where `region` is dense."""
    last = np.partition(key[candidates], count - 1)[count - 1]
    chosen = candidates & (key < last)
    tied = np.flatnonzero(candidates & (key == last))
    density = ndimage.gaussian_filter(region.astype(np.float32), 1.5).ravel()[tied]
    order = np.argsort(-density, kind="stable")
    chosen.ravel()[tied[order[: count - np.count_nonzero(chosen)]]] = True
    return chosen


def _radius(region: np.ndarray, spacing: tuple[float, ...]) -> float:
    """Millimetres, of the ball (or disc) of the region's volume (or area)."""
    size = np.count_nonzero(region) * np.prod(spacing)
    if region.ndim == 2:
        return np.sqrt(size / np.pi)
    return np.cbrt(size / (4 / 3 * np.pi))
