"""A subject that cannot be prepared: the step, the reason, pictures of the scans."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np

from samr_jax.data.nifti import Volume
from samr_jax.data.resample import resample
from samr_jax.prepare.grids import isotropic_over
from samr_jax.prepare.subject.grey import to_grey
from samr_jax.runtime.errors import InputError

GIVING_UP = (RuntimeError, ValueError, ArithmeticError, MemoryError, OSError)
"""Exceptions of libraries that concern one subject and not the others."""

VIEW_SPACING_MM = 1.5
"""Pixel size of the pictures."""


class WrongMask(InputError):
    """A brain mask was refused.

    Attributes:
      mask: the refused mask, boolean ``(X, Y, Z)`` on the voxels of the scan.
    """

    def __init__(self, message: str, mask: np.ndarray):
        super().__init__(message)
        self.mask = mask


@dataclasses.dataclass(frozen=True)
class View:
    """One picture of a scan.

    Attributes:
      title: sequence and plane.
      image: ``(H, W)`` uint8.
      outline: boolean ``(H, W)``: the brain mask that was refused, or None.
    """

    title: str
    image: np.ndarray
    outline: np.ndarray | None


class SubjectFailed(Exception):
    """A step of the preparation has failed for one subject.

    Attributes:
      step: name of the step.
      reason: one line: what was found and what was expected.
      views: pictures of the scans that the step had.
    """

    def __init__(self, step: str, reason: str, views: tuple[View, ...]):
        super().__init__(reason)
        self.step = step
        self.reason = reason
        self.views = views


@contextlib.contextmanager
def step(name: str, scans: Mapping[str, Volume]) -> Iterator[None]:
    """Turns an exception within the block into `SubjectFailed`.

    Args:
      name: what to call the step.
      scans: sequence -> scan, for the pictures; empty if nothing has been read yet.
    """
    try:
        yield
    except GIVING_UP as error:
        lines = str(error).strip().splitlines() or [""]
        known = isinstance(error, InputError)
        reason = lines[0] if known else f"{type(error).__name__}: {lines[0]}"
        mask = getattr(error, "mask", None)
        raise SubjectFailed(name, reason, _views(scans, mask)) from error


def _views(scans: Mapping[str, Volume], mask: np.ndarray | None) -> tuple[View, ...]:
    """The three middle planes of each scan; `mask` lies on the voxels of the first."""
    views = []
    for number, (sequence, volume) in enumerate(scans.items()):
        outlined = mask if number == 0 else None
        views += _planes(sequence, volume, outlined)
    return tuple(views)


def _planes(sequence: str, volume: Volume, mask: np.ndarray | None) -> list[View]:
    grid = isotropic_over(volume.data.shape, volume.affine, VIEW_SPACING_MM)
    image = resample(volume.data, volume.affine, grid)
    inside = None if mask is None else resample(mask, volume.affine, grid) > 0.5
    z, y, x = (length // 2 for length in image.shape)
    # Superior is up in every plane.
    cuts = {
        "axial": np.s_[z],
        "coronal": np.s_[::-1, y],
        "sagittal": np.s_[::-1, :, x],
    }
    return [
        View(
            f"{sequence}, {plane}",
            to_grey(image[cut]),
            None if inside is None else inside[cut],
        )
        for plane, cut in cuts.items()
    ]
