"""Where the phantom is sampled: the common grid, and the finer points behind it.

Positions are RAS+ millimetres of MNI space. Inside the phantom every array is indexed
``[z, y, x]`` and a rectangular set of points is its three `Axes`.
"""

import math

import numpy as np

from samr_jax.data.subject import Grid

Axes = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Positions along z, y and x in millimetres, evenly spaced, rising or falling."""

FIELD_OF_VIEW = 212.0
SLICE_SPACING = 4.4
CENTRE = (0.0, -17.0, 22.0)
"""Middle of the template's brain in the plane; ventricles and corona radiata in z."""

REACH = (70.0, 106.0, 84.0)
"""Half extents in z, y, x around `CENTRE` that hold every deformed brain."""

COARSE = 3.0
"""Millimetres between the points at which slow and smooth things are computed."""


def grid(size: int = 256, slices: int = 15) -> Grid:
    """The phantom's common grid in MNI space.

    Args:
      size: rows and columns; the field of view stays 212 mm (section IV-A).
      slices: slices, 4.4 mm apart, centred on the middle of the brain.
    """
    pixel = FIELD_OF_VIEW / size
    return Grid.centred(
        (size, size), slices, spacing=(pixel, pixel, SLICE_SPACING), centre=CENTRE
    )


def grid_axes(grid: Grid) -> Axes:
    """Positions of an axis-aligned grid's slices, rows and columns."""
    counts = (*grid.size[::-1], grid.slices)
    return tuple(
        (grid.affine[i, 3] + grid.affine[i, i] * np.arange(counts[i])).astype(
            np.float32
        )
        for i in (2, 1, 0)
    )


def inside_reach(axis: np.ndarray, direction: int) -> slice:
    """The stretch of a grid axis (0 z, 1 y, 2 x) that can touch the brain."""
    offset = np.abs(axis - CENTRE[::-1][direction])
    hits = np.flatnonzero(offset <= REACH[direction])
    return slice(int(hits[0]), int(hits[-1]) + 1) if hits.size else slice(0, 0)


def oversampling(spacing: float) -> int:
    """Points a voxel of this size is averaged over, at most 1.7 mm apart."""
    return math.ceil(spacing / 1.7)


def refine(axis: np.ndarray, spacing: float) -> np.ndarray:
    """Splits every voxel of an axis into `oversampling` equal parts (their middles)."""
    parts = oversampling(abs(spacing))
    offsets = ((np.arange(parts) + 0.5) / parts - 0.5) * spacing
    return (axis[:, None] + offsets[None].astype(np.float32)).ravel()


def coarse_axes(axes: Axes) -> Axes:
    """`COARSE` points around the centre of `axes`: the whole plane, the slab and 24 mm.

    They depend on the slices only, so a lesion stays where it is at every image size.
    """
    z = axes[0]
    middle, half = (z[0] + z[-1]) / 2, abs(z[-1] - z[0]) / 2 + 24
    extents = (half, REACH[1], REACH[2])
    centres = (middle, CENTRE[1], CENTRE[0])
    return tuple(
        (c + COARSE * np.arange(-(e // COARSE), e // COARSE + 1)).astype(np.float32)
        for c, e in zip(centres, extents, strict=True)
    )
