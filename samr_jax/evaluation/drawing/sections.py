"""Axial, coronal and sagittal sections of a volume, in radiological orientation."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from samr_jax.data.lesion_slices import largest_first
from samr_jax.labels import LESION_LABELS, NORMAL

DIRECTIONS = ("axial", "coronal", "sagittal")
"""Sections of one slice, of one row of all slices, and of one column."""


@dataclasses.dataclass(frozen=True)
class Section:
    """A plane through a volume ``(Z, H, W)`` of axial slices.

    Attributes:
      axis: 0 for an axial section, 1 for a coronal one, 2 for a sagittal one.
      index: the slice, row or column that is shown.
      tall: height of a pixel of the section, as a multiple of its width.
    """

    axis: int
    index: int
    tall: float

    @property
    def name(self) -> str:
        return DIRECTIONS[self.axis]

    @property
    def sides(self) -> tuple[str, str]:
        """What the left and the right edge are: right, left; anterior, posterior."""
        return ("A", "P") if self.axis == 2 else ("R", "L")

    def of(self, volume: np.ndarray) -> np.ndarray:
        """The section through a volume ``(Z, H, W, ...)``.

        The upper edge is superior in coronal and sagittal sections, and anterior in
        axial ones.
        """
        section = volume.take(self.index, axis=self.axis)
        return section if self.axis == 0 else section[::-1]


def sections(labels: np.ndarray, spacing: Sequence[float]) -> tuple[Section, ...]:
    """One section of each direction, where it shows most of the lesion.

    Without a lesion, the sections are where they show most of the brain.

    Args:
      labels: axial slices ``(Z, H, W)``, ordered by height.
      spacing: millimetres between slices, rows and columns.
    """
    dz, dy, dx = spacing
    lesion = np.isin(labels, LESION_LABELS).any()
    codes = LESION_LABELS if lesion else (NORMAL,)
    places = [largest_first(np.moveaxis(labels, i, 0), codes)[0] for i in range(3)]
    tall = (dy / dx, dz / dx, dz / dy)
    return tuple(Section(i, places[i], tall[i]) for i in range(3))
