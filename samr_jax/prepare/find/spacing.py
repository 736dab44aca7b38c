"""Voxel sizes that a header has lost, as after a conversion through PNG pictures."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from samr_jax.data.nifti import VOXEL_RANGE_MM, Volume
from samr_jax.runtime.errors import InputError

MAX_SHAPE_RATIO = 3.0
"""Rows over slices beyond which voxels of 1 x 1 x 1 mm cannot show a head. A head is at
most 1.5 times as deep as it is high."""


def parse_spacing(text: Sequence[str] | None) -> tuple[float, float, float] | None:
    """The value of ``--spacing_of``: three voxel sizes in millimetres, or None.

    Raises:
      InputError: there are not three sizes, or one is not possible.
    """
    if text is None:
        return None
    low, high = VOXEL_RANGE_MM
    try:
        sizes = tuple(float(size) for size in text)
    except ValueError:
        sizes = ()
    if len(sizes) != 3 or not all(low <= size <= high for size in sizes):
        raise InputError(
            f"spacing_of {','.join(map(str, text))}, expected three voxel sizes from "
            f"{low:g} to {high:g} mm, such as 0.86,0.86,5"
        )
    return sizes


def stated_affine(
    shape: Sequence[int],
    affine: np.ndarray,
    spacing: tuple[float, float, float] | None,
    *,
    source: str,
) -> np.ndarray:
    """The affine of a file, with the voxel size that the user states if it was lost.

    Only headers with voxels of exactly 1 x 1 x 1 mm are changed. Orientation and origin
    stay as they are.

    Args:
      shape: number of voxels along each axis.
      affine: 4 x 4, the header's own.
      spacing: the stated voxel size along each axis in millimetres, or None.
      source: the file, for messages.

    Raises:
      InputError: the header's voxel size cannot be right, and none is stated.
    """
    own = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.allclose(own, 1, atol=1e-4):
        return affine
    if spacing is not None:
        return affine @ np.diag([*spacing, 1.0])
    if max(shape) > MAX_SHAPE_RATIO * min(shape):
        voxels = " x ".join(map(str, shape))
        raise InputError(
            f"{source}: the header states {voxels} voxels of 1 x 1 x 1 mm, which "
            "cannot show a head, expected the true voxel size: state it by "
            "--spacing_of, such as --spacing_of=0.86,0.86,5"
        )
    return affine


def with_stated_spacing(
    volume: Volume, spacing: tuple[float, float, float] | None
) -> Volume:
    """A volume with the affine of `stated_affine`."""
    affine = stated_affine(
        volume.data.shape, volume.affine, spacing, source=volume.source
    )
    return dataclasses.replace(volume, affine=affine)
