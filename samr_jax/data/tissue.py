"""Tissue maps of one brain in the outline of another."""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def brain_of_tissue(tissue: np.ndarray) -> np.ndarray:
    """Where tissue maps ``(..., 3)`` have brain, boolean ``(...)``."""
    return tissue.sum(axis=-1) > 0.5


def fit_to_brain(tissue: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """Moves and scales each slice of tissue maps to the outline of another brain.

    Position and extent of the two outlines are matched along rows and columns. Pixels
    of the brain that have no tissue even then take the nearest pixel's.

    Args:
      tissue: WM, GM and CSF ``(N, H, W, 3)``; a slice without any gives zeros.
      brain: boolean ``(N, H, W)``.

    Returns:
      ``(N, H, W, 3)`` float32: the sum is 1 in the brain, 0 outside. Maps that already
      have this outline stay as they are.
    """
    pairs = zip(tissue, brain, strict=True)
    return np.stack([_fit_slice(maps, outline) for maps, outline in pairs])


def _fit_slice(maps: np.ndarray, outline: np.ndarray) -> np.ndarray:
    own = brain_of_tissue(maps)
    if not own.any() or not outline.any():
        return np.zeros(maps.shape, np.float32)
    grid = np.indices(outline.shape).astype(np.float64)
    points = [
        theirs.mean() + (grid[axis] - ours.mean()) * theirs.std() / max(ours.std(), 0.5)
        for axis in range(2)
        for theirs, ours in [(grid[axis][own], grid[axis][outline])]
    ]
    moved = np.stack(
        [
            ndimage.map_coordinates(maps[..., i], points, order=1, output=np.float32)
            for i in range(maps.shape[-1])
        ],
        axis=-1,
    )
    filled = brain_of_tissue(moved)
    if not filled.any():
        return np.zeros(maps.shape, np.float32)
    nearest = ndimage.distance_transform_edt(
        ~filled, return_distances=False, return_indices=True
    )
    moved = moved[tuple(nearest)]
    shares = moved / moved.sum(axis=-1, keepdims=True)
    return np.where(outline[..., None], shares, 0).astype(np.float32)
