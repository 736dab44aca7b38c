"""Transfer between the voxels of a mask and axial planes on an atlas's grid."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from scipy import ndimage

from samr_jax.data.atlas import stack_neighbours
from samr_jax.data.subject import Grid
from samr_jax.runtime.errors import InputError


@dataclasses.dataclass(frozen=True)
class Planes:
    """Axial planes on an atlas's in-plane grid, at the heights of a mask's slices.

    Attributes:
      grid: grid of the atlas.
      heights: fractional slice index in the atlas of each plane, evenly spaced.
      to_atlas: affine from the mask's voxels to atlas indices (column, row, slice).
      shape: shape of the mask.
    """

    grid: Grid
    heights: np.ndarray
    to_atlas: np.ndarray
    shape: tuple[int, ...]

    @staticmethod
    def through(affine: np.ndarray, shape: tuple[int, ...], grid: Grid) -> Planes:
        to_atlas = np.linalg.inv(grid.affine) @ affine
        slices = slices_of(to_atlas, shape)
        spacing = np.abs(to_atlas[2, :3]).max()
        first = slices.min()
        count = round((slices.max() - first) / spacing) + 1
        heights = np.round(first + spacing * np.arange(count), 6)
        inside = (heights >= -0.5) & (heights <= grid.slices - 0.5)
        if not inside.any():
            low, high = grid.span
            raise InputError(
                "the mask's slices lie outside the atlas's, expected the same space, "
                f"with slices at z = {low:.1f} to {high:.1f} mm (check the affine)"
            )
        return Planes(grid, heights[inside], to_atlas, tuple(shape))

    def interpolate(self, volume: np.ndarray) -> np.ndarray:
        """Interpolates a volume ``(Z, H, W)`` on the atlas's grid at the planes."""
        return at_heights(volume, self.heights)

    def from_mask(self, codes: np.ndarray) -> np.ndarray:
        """The mask's labels at the planes ``(P, H, W)``, by nearest neighbour."""
        height, width = self.grid.size
        rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
        inverse = np.linalg.inv(self.to_atlas)
        out = np.zeros((len(self.heights), height, width), np.uint8)
        for plane, level in enumerate(self.heights):
            points = np.stack([columns, rows, np.full_like(rows, level, float)])
            voxels = (
                np.tensordot(inverse[:3, :3], points, 1) + inverse[:3, 3, None, None]
            )
            # NIfTI stores affines in single precision, and scipy treats a point outside
            # by any fraction of a voxel as background. A whole slice could be lost.
            voxels = np.round(voxels, 4)
            out[plane] = ndimage.map_coordinates(codes, voxels, order=0)
        return out

    @functools.cached_property
    def covered(self) -> np.ndarray:
        """Boolean ``(X, Y, Z)``: the mask's voxels to which `to_mask` gives a value."""
        return np.stack([self._places(x)[1] for x in range(self.shape[0])])

    def to_mask(
        self,
        values: np.ndarray,
        tell: Callable[[], None] = lambda: None,
        *,
        where: np.ndarray | None = None,
    ) -> np.ndarray:
        """Interpolates values of the planes ``(P, H, W, C)`` at the mask's voxels.

        Args:
          values: float32.
          tell: is called after each of the X layers of the mask.
          where: boolean ``(X, Y, Z)``, the voxels that get a value; by default all.

        Returns:
          ``(X, Y, Z, C)`` float32; 0 outside the planes.
        """
        out = np.zeros((*self.shape, values.shape[-1]), np.float32)
        values = np.ascontiguousarray(values)

        def fill(x: int) -> None:
            places, inside = self._places(x)
            if where is not None:
                inside &= where[x]
            out[x][inside] = _linear(values, places[:, inside])

        # NumPy computes without Python's global lock, so that threads run side by side.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for _ in pool.map(fill, range(self.shape[0])):
                tell()
        return out

    def _places(self, x: int) -> tuple[np.ndarray, np.ndarray]:
        """Where the voxels of one layer of the mask lie: plane, row and column.

        Returns:
          ``(3, Y, Z)`` fractional indices, and a boolean ``(Y, Z)``: which lie within
          the planes.
        """
        step = self.heights[1] - self.heights[0] if len(self.heights) > 1 else 1.0
        y, z = np.ogrid[: self.shape[1], : self.shape[2]]
        column, row, level = (
            (along_x * x + shift) + along_y * y + along_z * z
            for along_x, along_y, along_z, shift in self.to_atlas[:3]
        )
        places = np.round([(level - self.heights[0]) / step, row, column], 4)
        last = np.array([len(self.heights), *self.grid.size]) - 1
        inside = (places >= 0) & (places <= last[:, None, None])
        return places, np.asarray(inside.all(axis=0))


def _linear(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Linear interpolation of all channels at once, whose weights are the same.

    Args:
      values: ``(P, H, W, C)``.
      places: ``(3, N)`` fractional indices inside the array.

    Returns:
      ``(N, C)`` float64.
    """
    shape = values.shape[:3]
    rows = values.reshape(-1, values.shape[-1])
    low = np.floor(places).astype(np.intp)
    high = np.minimum(low + 1, np.array(shape)[:, None] - 1)
    above = places - low
    total = np.zeros((places.shape[1], rows.shape[1]))
    for corner in np.ndindex(2, 2, 2):
        weights = [
            w if upper else 1 - w for upper, w in zip(corner, above, strict=True)
        ]
        if not all(weight.any() for weight in weights):
            continue  # The planes of most masks lie at whole indices.
        index = [high[i] if upper else low[i] for i, upper in enumerate(corner)]
        weight = weights[0] * weights[1] * weights[2]
        total += rows[np.ravel_multi_index(index, shape)] * weight[:, None]
    return total


def slices_of(to_atlas: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Fractional slice indices in an atlas of the eight corners of a mask."""
    corners = np.stack(
        np.meshgrid(*[(0, n - 1) for n in shape], indexing="ij"), axis=-1
    ).reshape(-1, 3)
    return (corners @ to_atlas[:3, :3].T + to_atlas[:3, 3])[:, 2]


def stack_neighbours_at(volume: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """`stack_neighbours` at fractional slice indices: ``(P, H, W, 3 S)``."""
    if np.array_equal(heights, np.arange(len(volume))):
        return stack_neighbours(volume)
    channels = [at_heights(volume, heights + offset) for offset in (-1, 0, 1)]
    stacked = np.stack(channels, axis=-1)
    return stacked.reshape(*stacked.shape[:3], -1)


def at_heights(volume: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """Linear interpolation between slices; the end slices repeat."""
    heights = np.clip(heights, 0, len(volume) - 1)
    below = np.floor(heights).astype(int)
    above = np.minimum(below + 1, len(volume) - 1)
    share = (heights - below).reshape(-1, *[1] * (volume.ndim - 1))
    return ((1 - share) * volume[below] + share * volume[above]).astype(np.float32)
