"""Resampling volumes onto a grid, by one interpolation, averaged over thick slices."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from samr_jax.data.separable import sample_along_axes
from samr_jax.data.subject import Grid
from samr_jax.labels import BACKGROUND, LABELS


def resample(
    data: np.ndarray,
    affine: np.ndarray,
    grid: Grid,
    *,
    transform: np.ndarray | None = None,
) -> np.ndarray:
    """Samples a volume on the grid.

    Where a step of the grid is longer than the volume's voxels, the value is the mean
    of several linear samples along the step. A 4.4 mm slice is thus the average over
    its thickness, not a sample at its middle.

    Args:
      data: ``(X, Y, Z)``.
      affine: its voxel indices to RAS+ millimetres.
      grid: where to sample.
      transform: 4 x 4, from the grid's millimetres to the volume's; default identity.

    Returns:
      ``(Z, H, W)`` float32; 0 outside the volume.
    """
    to_world = grid.affine if transform is None else transform @ grid.affine
    to_voxel = np.linalg.inv(affine) @ to_world
    data = np.asarray(data, np.float32)
    shape = np.array([grid.size[1], grid.size[0], grid.slices])
    out = np.zeros(shape, np.float32)
    first, last = _reach(data, to_voxel, shape)
    if (first < last).all():
        inner = tuple(map(slice, first, last))
        out[inner] = _sample(data, to_voxel, first, last - first)
    return np.transpose(out, (2, 1, 0))


def resample_like(
    data: np.ndarray,
    affine: np.ndarray,
    shape: tuple[int, int, int],
    to_affine: np.ndarray,
    *,
    transform: np.ndarray | None = None,
) -> np.ndarray:
    """Samples a volume where another scan has its voxels; see `resample`.

    Args:
      data: ``(X, Y, Z)``.
      affine: its voxel indices to RAS+ millimetres.
      shape: shape of the other scan.
      to_affine: affine of the other scan.
      transform: 4 x 4, from the other scan's millimetres to the volume's.

    Returns:
      Array of `shape`, float32.
    """
    x, y, z = shape
    on_grid = resample(data, affine, Grid((y, x), z, to_affine), transform=transform)
    return np.transpose(on_grid, (2, 1, 0))


def sample(data: np.ndarray, affine: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Linear interpolation at points ``(N, 3)`` in millimetres; 0 outside."""
    to_voxel = np.linalg.inv(affine)
    voxels = points @ to_voxel[:3, :3].T + to_voxel[:3, 3]
    return ndimage.map_coordinates(data, voxels.T, order=1, output=np.float32)


def coarsened(
    data: np.ndarray, affine: np.ndarray, spacing: float
) -> tuple[np.ndarray, np.ndarray]:
    """Averages blocks of voxels whose sides are about `spacing` millimetres long.

    Returns:
      The smaller volume and its affine. Voxels at the end that do not fill a whole
      block are left out.
    """
    own = np.linalg.norm(affine[:3, :3], axis=0)
    steps = np.clip(np.round(spacing / own).astype(int), 1, data.shape)
    shape = np.array(data.shape) // steps
    cut = np.asarray(data, np.float32)[tuple(map(slice, shape * steps))]
    blocks = cut.reshape(np.stack([shape, steps], axis=1).ravel())
    larger = np.diag([*steps, 1.0])
    larger[:3, 3] = (steps - 1) / 2
    return blocks.mean(axis=(1, 3, 5)), affine @ larger


def _sample(
    data: np.ndarray, to_voxel: np.ndarray, first: np.ndarray, shape: np.ndarray
) -> np.ndarray:
    """Mean of linear samples in each voxel of the grid's box that starts at `first`."""
    matrix, steps = to_voxel[:3, :3], _samples_per_step(to_voxel)
    diagonal = np.diagonal(matrix)
    if np.allclose(matrix, np.diag(diagonal), atol=1e-9):
        start = matrix @ first + to_voxel[:3, 3]
        return sample_along_axes(data, diagonal, start, shape, steps)
    total = np.zeros(shape, np.float32)
    for offset in np.ndindex(*steps):
        start = first + (np.array(offset) + 0.5) / steps - 0.5
        total += ndimage.affine_transform(
            data,
            matrix,
            offset=matrix @ start + to_voxel[:3, 3],
            output_shape=tuple(shape),
            order=1,
        )
    return total / np.prod(steps)


def _reach(
    data: np.ndarray, to_voxel: np.ndarray, shape: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """First index, and last index plus one, of the grid that nonzero voxels reach."""
    if not data.any():
        return shape, np.zeros(3, int)
    spans = [np.flatnonzero(data.any(axis=(i - 2, i - 1))) for i in range(3)]
    box = np.array([(span[0] - 1, span[-1] + 1) for span in spans]).T
    corners = np.array([box[list(c), range(3)] for c in np.ndindex(2, 2, 2)])
    from_voxel = np.linalg.inv(to_voxel)
    reached = corners @ from_voxel[:3, :3].T + from_voxel[:3, 3]
    first = np.floor(reached.min(axis=0) - 0.5).astype(int)
    last = np.ceil(reached.max(axis=0) + 0.5).astype(int) + 1
    return np.clip(first, 0, shape), np.clip(last, 0, shape)


def resample_inside(
    data: np.ndarray,
    brain: np.ndarray,
    share: np.ndarray,
    affine,
    grid: Grid,
    **options,
) -> np.ndarray:
    """Samples a volume inside the brain only; see `resample`.

    Means are taken over brain voxels, so that the zeros outside do not darken the edge
    of the brain.

    Args:
      data: ``(X, Y, Z)``.
      brain: boolean, the same shape.
      share: ``(Z, H, W)``, `brain` resampled on the grid.
      affine: voxel indices of the volume to RAS+ millimetres.
      grid: where to sample.
      **options: of `resample`.

    Returns:
      ``(Z, H, W)`` float32; 0 where less than half of the voxel is brain.
    """
    total = resample(np.where(brain, data, 0), affine, grid, **options)
    return np.where(share >= 0.5, total / np.maximum(share, 0.5), 0).astype(np.float32)


def resample_labels(
    labels: np.ndarray, affine: np.ndarray, grid: Grid, **options
) -> np.ndarray:
    """Samples a label map; see `resample`.

    Each voxel of the grid gets the label that fills the largest share of it, so that no
    values between two codes arise.

    Returns:
      ``(Z, H, W)`` uint8.
    """
    shares = np.zeros((len(LABELS), grid.slices, *grid.size), np.float32)
    for code in np.unique(labels):
        if code != BACKGROUND:
            shares[code] = resample(labels == code, affine, grid, **options)
    shares[BACKGROUND] = 1 - shares.sum(axis=0)
    return np.argmax(shares, axis=0).astype(np.uint8)


def _samples_per_step(to_voxel: np.ndarray) -> np.ndarray:
    """Samples per grid step along columns, rows and slices: one per voxel."""
    lengths = np.linalg.norm(to_voxel[:3, :3], axis=0)
    return np.maximum(1, np.round(lengths)).astype(int)
