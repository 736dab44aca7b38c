"""The common grid of a dataset: where its slices lie."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from samr_jax.data.subject import Grid
from samr_jax.runtime.errors import InputError

MIN_SLICE_SHARE = 0.05
"""A slice counts as brain when its brain area is at least this share of the area in the
subject's largest slice."""


@dataclasses.dataclass(frozen=True)
class Target:
    """The slices that the user wants.

    Attributes:
      size: number of rows and of columns of a slice.
      spacing: millimetres between rows and between columns. None keeps the scans' own
        spacing where all scans share a grid that fits into `size`; otherwise the brain
        is spread over the slice.
      slice_spacing: millimetres between slices. Each slice is the average over this
        thickness.
      slices: number of slices. None takes all slices that show brain in most subjects.
    """

    size: int = 256
    spacing: float | None = None
    slice_spacing: float = 4.4
    slices: int | None = None

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is not None and not 0 < value < 10_000:
                raise InputError(f"{field.name} {value}, expected a positive number")


def grid_over(shape: tuple[int, ...], affine: np.ndarray, target: Target) -> Grid:
    """The dataset's grid over the whole height of the volume that all subjects share.

    Args:
      shape: number of voxels ``(X, Y, Z)`` of that volume.
      affine: 4 x 4, from its voxel indices to RAS+ millimetres.
      target: the slices that the user wants.
    """
    size, spacing = target.size, target.spacing
    corners = _corners(shape, affine)
    extent = np.ptp(corners, axis=0)
    own = np.linalg.norm(affine[:3, :3], axis=0)
    middle = (np.array(shape) - 1) / 2
    if spacing is None:
        fits = extent[:2].max() / own[:2].min() <= size + 1e-3
        spacing = own[:2].min() if fits else extent[:2].max() / size
        # An odd difference of sizes would put grid points between voxels.
        middle[:2] += (size - np.array(shape[:2])) % 2 / 2 if fits else 0
    centre = affine[:3, :3] @ middle + affine[:3, 3]
    slices = max(1, int(extent[2] / target.slice_spacing + 1e-3))
    return Grid.centred(
        (size, size),
        slices,
        spacing=(spacing, spacing, target.slice_spacing),
        centre=tuple(centre),
    )


def slices_with_brain(
    profiles: Sequence[np.ndarray], slices: int | None
) -> tuple[int, int]:
    """Chooses the range of slices that the dataset keeps.

    Args:
      profiles: for each subject the number of brain voxels in each slice ``(Z,)``.
      slices: how many slices to keep. None keeps all slices that show brain in most
        subjects.

    Returns:
      The first slice, and the slice after the last.

    Raises:
      InputError: no slice shows brain in most subjects, or the grid has fewer slices.
    """
    heights = np.stack(profiles).astype(float)
    held = heights >= MIN_SLICE_SHARE * heights.max(axis=1, keepdims=True)
    if slices is None:
        kept = np.flatnonzero(held.mean(axis=0) > 0.5)
        if not kept.size:
            raise InputError(
                "no slice holds brain in most subjects, expected subjects that lie "
                "alike (--align=on)"
            )
        return int(kept[0]), int(kept[-1]) + 1
    check_slices(slices, heights.shape[1])
    amount = np.convolve(heights.sum(axis=0), np.ones(slices), mode="valid")
    start = int(np.argmax(amount))
    return start, start + slices


def check_slices(slices: int | None, height: int) -> None:
    """Raises an `InputError` if the user wants more slices than the common grid has."""
    if slices is not None and slices > height:
        raise InputError(
            f"slices {slices}, expected 1 to {height}, the height of the common grid"
        )


def crop_slices(grid: Grid, start: int, stop: int) -> Grid:
    """The grid's slices from `start` up to `stop`."""
    affine = grid.affine.copy()
    affine[:3, 3] += start * grid.affine[:3, 2]
    return Grid(grid.size, stop - start, affine)


def _corners(shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
    """The outer corners of a volume in RAS+ millimetres, ``(8, 3)``."""
    indices = np.array(list(np.ndindex(2, 2, 2))) * np.array(shape) - 0.5
    return indices @ affine[:3, :3].T + affine[:3, 3]


def isotropic_over(shape: tuple[int, ...], affine: np.ndarray, spacing: float) -> Grid:
    """A grid of cubic voxels, `spacing` millimetres wide, that covers a volume."""
    corners = _corners(shape, affine)
    columns, rows, slices = np.ceil(np.ptp(corners, axis=0) / spacing).astype(int)
    return Grid.centred(
        (int(rows), int(columns)),
        int(slices),
        spacing=(spacing,) * 3,
        centre=tuple(corners.mean(axis=0)),
    )
