"""A healthy brain of the phantom: tissue maps drawn from a seed, without a lesion."""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_limits

from samr_jax.data.phantom.anatomy import template, tissue_probabilities
from samr_jax.data.phantom.deformation import Shape
from samr_jax.data.phantom.geometry import (
    Axes,
    coarse_axes,
    grid_axes,
    oversampling,
    refine,
    within_reach,
)
from samr_jax.data.phantom.lesion import soft_step
from samr_jax.data.phantom.partial_volume import SKULL_STRIP, block_mean
from samr_jax.data.phantom.random_field import resample, stream
from samr_jax.data.phantom.segmentation import SegmentationErrors, smoothed
from samr_jax.data.subject import Grid


def draw_anatomy(seed: int, *, grid: Grid) -> np.ndarray:
    """Draws the tissue maps of a healthy brain; the same arguments give the same brain.

    The maps have the errors of a segmentation tool, as in the embedded dataset.
    No brain is one of the embedded dataset's, which have random streams of their own.

    Args:
      seed: number of the brain, from 0.
      grid: axis-aligned grid in MNI space, such as `samr_jax.data.phantom.grid()`.

    Returns:
      ``(Z, H, W, 3)`` float32 of WM, GM, CSF: their sum is 1 in the brain, 0 outside.

    Raises:
      InputError: the grid is oblique, or misses the brain.
    """
    axes = grid_axes(grid)
    window = within_reach(axes)
    z, y, x = (axis[part] for axis, part in zip(axes, window, strict=True))
    axes = z, y, x
    z_size, y_size, x_size = np.diag(grid.affine)[2::-1]
    parts = tuple(oversampling(size) for size in (z_size, y_size, x_size))
    y, x = refine(axes[1], y_size), refine(axes[2], x_size)
    maps = np.zeros((grid.slices, *grid.size, 3), np.float32)
    with threadpool_limits(1):  # small products: BLAS threads only get in the way
        shape = Shape.draw(stream(seed, 0, "healthy"))
        errors = SegmentationErrors.draw(stream(seed, 0, "healthy segmentation"))
        coarse = coarse_axes(axes)
        shift = shape.ventricle_shift(coarse)
        for row, height in enumerate(axes[0], start=window[0].start):
            fine = refine(np.array([height]), z_size), y, x
            brain, tissue = _at(shape, shift, coarse, fine)
            brain = block_mean(brain, parts)
            tissue = block_mean(errors.on(tissue, fine), parts)
            tissue = smoothed(tissue, (y_size, x_size))
            inside = np.where(brain > 0.5, tissue / tissue.sum(0), 0)
            maps[row, window[1], window[2]] = np.moveaxis(inside[:, 0], 0, -1)
    return maps


def _at(
    shape: Shape, shift: np.ndarray, coarse: Axes, axes: Axes
) -> tuple[np.ndarray, np.ndarray]:
    """The brain's share ``(Z, Y, X)`` of points, and their tissues ``(3, Z, Y, X)``."""
    skull = shape.skull(axes)
    points = shape.brain(axes, skull)
    for direction, moved in zip(points, shift, strict=True):
        direction += resample(moved, coarse, axes)
    depth = template().sample("depth", skull)
    tissue = tissue_probabilities(points, shape.log_odds_of_fluid(axes))
    return soft_step(depth - SKULL_STRIP, 1.0), tissue
