"""Turning volumes of any orientation into axial slices, and back.

A NIfTI array may point anywhere along the body's axes. Axial slices are indexed
``[slice, row, column]``: up (superior), to the back (posterior) and to the patient's
left, as radiologists look at them.
"""

from __future__ import annotations

import nibabel as nib
import numpy as np


def axial(values: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Axial slices of a volume.

    Args:
      values: ``(X, Y, Z, ...)`` in a file's own voxel order.
      affine: its voxel indices to RAS+ millimetres.

    Returns:
      ``(slice, row, column, ...)``.
    """
    turned = nib.orientations.apply_orientation(values, _turn(affine))
    return np.swapaxes(turned, 0, 2)


def from_axial(slices: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """The inverse of `axial`: ``(slice, row, column, ...)`` to ``(X, Y, Z, ...)``.

    Args:
      slices: axial slices.
      affine: affine of the volume that is wanted, as `axial` was given it.
    """
    back = nib.orientations.ornt_transform(
        nib.orientations.axcodes2ornt("LPS"), nib.orientations.io_orientation(affine)
    )
    turned = nib.orientations.apply_orientation(np.swapaxes(slices, 0, 2), back)
    return np.ascontiguousarray(turned)


def axial_affine(affine: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The affine from ``(column, row, slice)`` of a volume's axial slices.

    Args:
      affine: the volume's own.
      shape: the volume's own, ``(X, Y, Z, ...)``.
    """
    return affine @ nib.orientations.inv_ornt_aff(_turn(affine), shape[:3])


def _turn(affine: np.ndarray) -> np.ndarray:
    """nibabel's transform of array axes to left, posterior, superior."""
    return nib.orientations.ornt_transform(
        nib.orientations.io_orientation(affine), nib.orientations.axcodes2ornt("LPS")
    )
