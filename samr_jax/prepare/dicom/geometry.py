"""Whether the slices of a series form one volume, and where its corners are."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from samr_jax.prepare.dicom.headers import Header

MIN_SLICES = 10
"""A scan with fewer slices shows no whole brain, such as a localiser."""

_MAX_TURN = 0.01
"""Difference of two directions, about 0.6 degrees."""

_MAX_SHIFT_MM = 0.5
"""Distance of a slice from the line on which all first voxels lie."""

_MAX_GAP_CHANGE = 0.05
"""Change of the distance of slices, as a share of the distance."""

_SAME_HEIGHT_MM = 0.01


@dataclasses.dataclass(frozen=True)
class Geometry:
    """A stack of parallel slices at equal distances.

    Attributes:
      shape: number of columns, rows and slices.
      spacing: millimetres between columns, rows and slices.
      corners: ``(8, 3)``, the centres of the outermost voxels in RAS+ millimetres.
    """

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    corners: np.ndarray


def volume_of(headers: Sequence[Header]) -> Geometry | str:
    """The geometry of a series, or one line that says why it is not one volume."""
    positions = np.concatenate([header.positions for header in headers])
    directions = np.concatenate([header.orientations for header in headers])
    if any(len(h.positions) == 0 or len(h.orientations) == 0 for h in headers):
        return "an image without position or orientation, expected both"
    if len({(header.shape, header.spacing) for header in headers}) > 1:
        return "images of several sizes, expected one size"
    if not min(*headers[0].shape, *headers[0].spacing) > 0:
        return "images without rows, columns or pixel spacing, expected all three"
    if np.abs(directions - directions[0]).max() > _MAX_TURN:
        return "slices of several orientations, expected one"
    if len(positions) < MIN_SLICES:
        return f"{len(positions)} slices, expected {MIN_SLICES} or more"
    row, column = directions[0, :3], directions[0, 3:]
    normal = np.cross(row, column)
    if abs(np.linalg.norm(normal) - 1) > _MAX_TURN:
        return "rows and columns that are not at right angles, expected such"
    positions = positions[np.argsort(positions @ normal)]
    problem = _problem_of_heights(positions, normal)
    return problem or _geometry(headers[0], positions, row, column)


def _problem_of_heights(positions: np.ndarray, normal: np.ndarray) -> str:
    """What is wrong with the places of slices that are sorted by height; or ""."""
    heights = positions @ normal
    gaps = np.diff(heights)
    repeated = np.count_nonzero(gaps < _SAME_HEIGHT_MM)
    if repeated:
        return (
            f"{repeated} of {len(heights)} images lie at the height of another image, "
            "expected one volume: no repetitions, time points or several contrasts"
        )
    gap = float(np.median(gaps))
    if np.abs(gaps - gap).max() > _MAX_GAP_CHANGE * gap:
        return (
            f"slices {gaps.min():.2f} to {gaps.max():.2f} mm apart, expected equal "
            "distances: a slice may be missing"
        )
    line = positions[0] + np.outer(heights - heights[0], normal)
    if np.linalg.norm(positions - line, axis=1).max() > _MAX_SHIFT_MM:
        return "slices that are shifted sideways, expected them above one another"
    return ""


def _geometry(
    header: Header, positions: np.ndarray, row: np.ndarray, column: np.ndarray
) -> Geometry:
    (rows, columns), (between_rows, between_columns) = header.shape, header.spacing
    across = (columns - 1) * between_columns * row
    down = (rows - 1) * between_rows * column
    ends = (positions[0], positions[-1])
    corners = [p + i * across + j * down for p in ends for i in (0, 1) for j in (0, 1)]
    distance = np.linalg.norm(positions[-1] - positions[0]) / (len(positions) - 1)
    return Geometry(
        (columns, rows, len(positions)),
        (between_columns, between_rows, float(distance)),
        np.array(corners) * (-1, -1, 1),  # from LPS+ to RAS+
    )
