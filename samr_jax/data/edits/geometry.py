"""Edits of the lesion's position and shape; the brain stays as it is.

Arrays are axial slices: columns go to the patient's left, rows to posterior, slices to
superior. Labels are resampled by nearest neighbour, so that a rotation changes sizes by
some percent and may lose a label of a few voxels.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import ndimage

from samr_jax.data.edits.constraints import Scene, check_range, lesion_of, paint_lesion
from samr_jax.labels import BACKGROUND
from samr_jax.runtime.errors import InputError

MAX_SHIFT_MM = 500.0


@dataclasses.dataclass(frozen=True)
class Move:
    """Moves the lesion by millimetres to the left, posterior and superior.

    The shift is rounded to whole voxels, so that the shape stays as it is.
    """

    dx: float = 0.0
    dy: float = 0.0
    dz: float = 0.0

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            check_range(name, value, -MAX_SHIFT_MM, MAX_SHIFT_MM)

    def apply(
        self, labels: np.ndarray, scene: Scene, rng: np.random.Generator
    ) -> np.ndarray:
        lesion = lesion_of(labels)
        cells = shift_in_cells((self.dx, self.dy, self.dz), scene.spacing)
        count = int(np.count_nonzero(lesion))
        return paint_lesion(labels, shifted(lesion, cells), expected=count)


@dataclasses.dataclass(frozen=True)
class Rotate:
    """Rotates the lesion about its centre in the axial plane.

    Attributes:
      degrees: counter-clockwise in the radiological display, columns to the right and
        rows downwards.
    """

    degrees: float

    def __post_init__(self) -> None:
        check_range("degrees", self.degrees, -360, 360)

    def apply(
        self, labels: np.ndarray, scene: Scene, rng: np.random.Generator
    ) -> np.ndarray:
        lesion = lesion_of(labels)
        angle = np.deg2rad(self.degrees)
        matrix = np.eye(labels.ndim)
        matrix[-2:, -2:] = [
            [np.cos(angle), np.sin(angle)],
            [-np.sin(angle), np.cos(angle)],
        ]
        spacing = np.asarray(scene.spacing)
        to_source = matrix * spacing / spacing[:, None]
        centre = centroid(lesion > 0)
        turned = ndimage.affine_transform(
            lesion, to_source, centre - to_source @ centre, order=0
        )
        return paint_lesion(labels, turned, expected=int(np.count_nonzero(lesion)))


@dataclasses.dataclass(frozen=True)
class Mirror:
    """Mirrors the lesion to the other hemisphere, at the middle of the brain."""

    def apply(
        self, labels: np.ndarray, scene: Scene, rng: np.random.Generator
    ) -> np.ndarray:
        lesion = lesion_of(labels)
        step = midline(labels != BACKGROUND) - (labels.shape[-1] - 1)
        flipped = shifted(lesion[..., ::-1], (*[0] * (labels.ndim - 1), step))
        return paint_lesion(labels, flipped, expected=int(np.count_nonzero(lesion)))


@dataclasses.dataclass(frozen=True)
class Deform:
    """Warps the lesion in the axial plane by a smooth random displacement.

    The displacement is the curl of a random field and therefore incompressible, like
    tissue: to first order, the lesion keeps its size.

    Attributes:
      mm: standard deviation of the displacement along each axis.
      scale: millimetres over which it varies; at least three times `mm`, or the lesion
        would be folded.
    """

    mm: float = 3.0
    scale: float = 12.0

    def __post_init__(self) -> None:
        check_range("scale", self.scale, 0.1, MAX_SHIFT_MM)
        check_range("mm", self.mm, 0, self.scale / 3)

    def apply(
        self, labels: np.ndarray, scene: Scene, rng: np.random.Generator
    ) -> np.ndarray:
        lesion = lesion_of(labels)
        along_y, along_x = scene.spacing[-2:]
        field = ndimage.gaussian_filter(
            rng.standard_normal(labels.shape, np.float32),
            [self.scale / along for along in scene.spacing],
        )
        slope_y, slope_x = np.gradient(field, along_y, along_x, axis=(-2, -1))
        unit = np.sqrt((np.mean(slope_y**2) + np.mean(slope_x**2)) / 2)
        source = np.indices(labels.shape, np.float32)
        source[-2] += self.mm / along_y * slope_x / unit
        source[-1] -= self.mm / along_x * slope_y / unit
        warped = ndimage.map_coordinates(lesion, source, order=0)
        return paint_lesion(labels, warped, expected=int(np.count_nonzero(lesion)))


def shift_in_cells(
    millimetres: tuple[float, float, float], spacing: tuple[float, ...]
) -> tuple[int, ...]:
    """A shift in x, y and z, rounded to whole voxels along each array axis."""
    if len(spacing) == 2 and millimetres[2]:
        raise InputError(f"dz={millimetres[2]:g} on a slice, expected a volume")
    along = millimetres[::-1][-len(spacing) :]
    return tuple(round(mm / size) for mm, size in zip(along, spacing, strict=True))


def shifted(values: np.ndarray, cells: tuple[int, ...]) -> np.ndarray:
    """Values moved by whole voxels along each axis; 0 comes in at the borders."""
    return ndimage.shift(values, cells, order=0)


def centroid(region: np.ndarray) -> np.ndarray:
    """Mean index of a boolean region along each axis."""
    return np.argwhere(region).mean(axis=0)


def midline(brain: np.ndarray) -> int:
    """Twice the index of the brain's middle column, so that it is a whole number.

    Mirrored columns add up to it. It is the median, over all rows of all slices, of the
    brain's first plus its last column.
    """
    rows = brain.reshape(-1, brain.shape[-1])
    rows = rows[rows.any(axis=1)]
    last = brain.shape[-1] - 1 - rows[:, ::-1].argmax(axis=1)
    return int(np.median(rows.argmax(axis=1) + last))
