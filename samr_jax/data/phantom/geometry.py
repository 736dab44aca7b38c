"""The points at which the phantom is sampled: its grid, and finer and coarser points.

Positions are RAS+ millimetres of MNI space. Inside the phantom every array is indexed
``[z, y, x]``, and a rectangular set of points is given by three `Axes`.
"""

import math

import numpy as np

from samr_jax.data.subject import Grid
from samr_jax.runtime.errors import InputError

Axes = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Positions along z, y and x in millimetres, evenly spaced, rising or falling."""

FIELD_OF_VIEW = 212.0
SLICE_SPACING = 4.4

CENTRE = (22.0, -17.0, 0.0)
"""z, y, x: the height of the corona radiata, and the middle of the brain in plane."""

REACH = (70.0, 106.0, 84.0)
"""Half extents in z, y, x of a box around `CENTRE` that holds any deformed brain."""

COARSE = 3.0
"""Millimetres between the points for smooth quantities that are costly to compute."""


def grid(size: int = 256, slices: int = 15) -> Grid:
    """The phantom's common grid in MNI space.

    Args:
      size: rows and columns; the field of view stays 212 mm (section IV-A).
      slices: number of slices, 4.4 mm apart, centred on `CENTRE`.
    """
    pixel = FIELD_OF_VIEW / size
    return Grid.centred(
        (size, size), slices, spacing=(pixel, pixel, SLICE_SPACING), centre=CENTRE[::-1]
    )


def grid_axes(grid: Grid) -> Axes:
    """Positions of the slices, rows and columns of an axis-aligned grid.

    Raises:
      InputError: the grid is oblique.
    """
    steps = np.diag(grid.affine)[:3]
    if not np.allclose(grid.affine[:3, :3], np.diag(steps), atol=1e-4):
        raise InputError(
            "grid.affine: oblique, expected columns, rows, slices on x y z"
        )
    counts = (grid.size[1], grid.size[0], grid.slices)
    x, y, z = (
        (origin + step * np.arange(count)).astype(np.float32)
        for origin, step, count in zip(grid.affine[:3, 3], steps, counts, strict=True)
    )
    return z, y, x


def within_reach(axes: Axes) -> tuple[slice, slice, slice]:
    """The part of the axes that can reach the brain.

    Raises:
      InputError: no part of the axes reaches it.
    """
    hits = [
        np.flatnonzero(np.abs(axis - centre) <= reach)
        for axis, centre, reach in zip(axes, CENTRE, REACH, strict=True)
    ]
    if not all(hit.size for hit in hits):
        raise InputError("grid.affine: the grid misses the brain, expected MNI space")
    z, y, x = (slice(int(hit[0]), int(hit[-1]) + 1) for hit in hits)
    return z, y, x


def oversampling(spacing: float) -> int:
    """Number of points, at most 1.7 mm apart, over which a voxel is averaged."""
    return math.ceil(abs(spacing) / 1.7)


def refine(axis: np.ndarray, spacing: float) -> np.ndarray:
    """The middles of `oversampling` equal parts of every voxel along an axis."""
    parts = oversampling(spacing)
    offsets = ((np.arange(parts) + 0.5) / parts - 0.5) * spacing
    return (axis[:, None] + offsets.astype(np.float32)).ravel()


def coarse_axes(axes: Axes) -> Axes:
    """Points `COARSE` mm apart in the whole plane, from 24 mm below to 24 mm above.

    They depend on the slices of `axes` only, so that a lesion is the same at every size
    of the image.
    """
    lowest, highest = float(axes[0].min()), float(axes[0].max())
    centres = ((lowest + highest) / 2, *CENTRE[1:])
    extents = ((highest - lowest) / 2 + 24, *REACH[1:])
    z, y, x = (
        (centre + COARSE * np.arange(-(extent // COARSE), extent // COARSE + 1)).astype(
            np.float32
        )
        for centre, extent in zip(centres, extents, strict=True)
    )
    return z, y, x


def offsets(axes: Axes, centre: np.ndarray | tuple[float, ...]) -> list[np.ndarray]:
    """Distances along z, y, x from a point, as arrays that broadcast together."""
    shifted = [axis - np.float32(c) for axis, c in zip(axes, centre, strict=True)]
    return list(np.meshgrid(*shifted, indexing="ij", sparse=True))
