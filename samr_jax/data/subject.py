"""One subject on the dataset's grid, and the grid: the output of every data source."""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Grid:
    """The common grid of a dataset's slices.

    Arrays are indexed ``[slice, row, column]``: slices go up (superior), rows go from
    anterior to posterior, columns from the patient's right to the left, which is the
    radiological display of an axial slice.

    Attributes:
      size: rows and columns ``(H, W)``.
      slices: number of slices ``Z``.
      affine: 4 x 4, from ``(column, row, slice)`` to RAS+ millimetres, as in NIfTI.
    """

    size: tuple[int, int]
    slices: int
    affine: np.ndarray

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Millimetres between neighbouring columns, rows and slices."""
        return tuple(np.linalg.norm(self.affine[:3, :3], axis=0).tolist())

    @property
    def span(self) -> tuple[float, float]:
        """Heights of the first and the last slice's centre in millimetres."""
        first, last = (self.affine[2] @ (0, 0, k, 1) for k in (0, self.slices - 1))
        return float(first), float(last)

    @staticmethod
    def centred(
        size: tuple[int, int],
        slices: int,
        *,
        spacing: tuple[float, float, float],
        centre: tuple[float, float, float] = (0.0, 0.0, 0.0),
    ) -> Grid:
        """Axis-aligned grid whose middle lies at `centre` (RAS+ millimetres)."""
        dx, dy, dz = spacing
        affine = np.diag([-dx, -dy, dz, 1.0])
        middle = (np.array([size[1], size[0], slices]) - 1) / 2
        affine[:3, 3] = np.asarray(centre) - affine[:3, :3] @ middle
        return Grid((size[0], size[1]), slices, affine)


@dataclasses.dataclass(frozen=True)
class Subject:
    """A prepared subject.

    Attributes:
      name: identifier, unique in the dataset; never a patient's name.
      images: ``(Z, H, W, S)`` float32 in the sequences' own units, 0 outside the brain.
      labels: ``(Z, H, W)`` uint8 of our codes.
      tissue: ``(Z, H, W, 3)`` float32 probabilities of WM, GM, CSF, or None.
      patient: identifier of the patient, where one patient has several time points.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray
    tissue: np.ndarray | None = None
    patient: str | None = None
