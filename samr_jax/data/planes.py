"""Transfer between the voxels of a mask and axial planes on an atlas's grid."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

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
        corners = np.stack(
            np.meshgrid(*[(0, n - 1) for n in shape], indexing="ij"), axis=-1
        ).reshape(-1, 3)
        slices = (corners @ to_atlas[:3, :3].T + to_atlas[:3, 3])[:, 2]
        spacing = np.abs(to_atlas[2, :3]).max()
        first = slices.min()
        count = round((slices.max() - first) / spacing) + 1
        heights = np.round(first + spacing * np.arange(count), 6)
        inside = (heights >= -0.5) & (heights <= grid.slices - 0.5)
        if not inside.any():
            low, high = (grid.affine[2] @ [0, 0, k, 1] for k in (0, grid.slices - 1))
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
        self, values: np.ndarray, tell: Callable[[], None] = lambda: None
    ) -> np.ndarray:
        """Interpolates values of the planes ``(P, H, W, C)`` at the mask's voxels.

        Args:
          values: the values.
          tell: is called after each of the X layers of the mask.

        Returns:
          ``(X, Y, Z, C)`` float32; 0 outside the planes.
        """
        out = np.zeros((*self.shape, values.shape[-1]), np.float32)
        channels = np.ascontiguousarray(np.moveaxis(values, -1, 0))
        for x in range(self.shape[0]):
            places, inside = self._places(x)
            places = places[:, inside]
            for index, channel in enumerate(channels):
                found = ndimage.map_coordinates(channel, places, order=1)
                out[x][inside, index] = found
            tell()
        return out

    def _places(self, x: int) -> tuple[np.ndarray, np.ndarray]:
        """Where the voxels of one layer of the mask lie: plane, row and column.

        Returns:
          ``(3, Y, Z)`` fractional indices, and a boolean ``(Y, Z)``: which lie within
          the planes.
        """
        step = self.heights[1] - self.heights[0] if len(self.heights) > 1 else 1.0
        y, z = np.meshgrid(*map(np.arange, self.shape[1:]), indexing="ij")
        voxels = np.stack([np.full_like(y, x), y, z])
        column, row, level = (
            np.tensordot(self.to_atlas[:3, :3], voxels, 1)
            + self.to_atlas[:3, 3, None, None]
        )
        places = np.round([(level - self.heights[0]) / step, row, column], 4)
        last = np.array([len(self.heights), *self.grid.size]) - 1
        inside = (places >= 0) & (places <= last[:, None, None])
        return places, np.asarray(inside.all(axis=0))


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
