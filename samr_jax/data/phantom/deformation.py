"""The healthy shape of a subject: the template position of each of its points."""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy.spatial.transform import Rotation

from samr_jax.data.phantom.anatomy import template
from samr_jax.data.phantom.geometry import CENTRE, COARSE, Axes, offsets
from samr_jax.data.phantom.random_field import Field

_LOBES = ((60.0, 2.5), (25.0, 1.5))
_FOLDS = ((12.0, 1.4), (7.0, 0.9), (4.0, 0.35))
"""Blob size and standard deviation of random displacements in mm.

They also break the mirror symmetry of the template.
"""


@dataclasses.dataclass(frozen=True)
class Shape:
    """A subject's shape, drawn once and evaluated at any axes.

    Attributes:
      matrix: ``(3, 3)`` size, proportions and pose in z, y, x, subject to template.
      lobes: displacements of skull and brain, along each direction.
      folds: further displacements of gyri and sulci, along each direction.
      ventricles: millimetres by which the ventricles' walls are moved outwards.
      atrophy: mean of the log odds that are added to CSF.
      sulci: field of the variation of these log odds from sulcus to sulcus.
      crevices: field of their variation within a sulcus.
    """

    matrix: np.ndarray
    lobes: tuple[tuple[Field, ...], ...]
    folds: tuple[tuple[Field, ...], ...]
    ventricles: float
    atrophy: float
    sulci: Field
    crevices: Field

    @staticmethod
    def draw(rng: np.random.Generator) -> Shape:
        """Draws size (4 %), pose (2.5 degrees), folding, ventricles and atrophy."""
        pose = Rotation.from_euler("zyx", rng.normal(0, 2.5, 3), degrees=True)
        size = np.clip(rng.normal(1.0, 0.04, 3), 0.93, 1.08)
        lobes, folds = (
            tuple(
                tuple(Field.draw(rng, scale) for scale, _ in scales) for _ in range(3)
            )
            for scales in (_LOBES, _FOLDS)
        )
        return Shape(
            matrix=(pose.as_matrix() @ np.diag(size)).astype(np.float32),
            lobes=lobes,
            folds=folds,
            ventricles=float(np.clip(rng.normal(0.6, 1.5), -1.5, 4.0)),
            atrophy=float(rng.normal(0.9, 0.35)),
            sulci=Field.draw(rng, 7.0),
            crevices=Field.draw(rng, 3.0),
        )

    def skull(self, axes: Axes) -> np.ndarray:
        """Template positions ``(3, Z, Y, X)`` of the axes' points, by lobes only."""
        offset = offsets(axes, CENTRE)
        points = np.empty((3, *(len(axis) for axis in axes)), np.float32)
        for i, row in enumerate(self.matrix):
            points[i] = CENTRE[i] + sum(a * o for a, o in zip(row, offset, strict=True))
        return _displaced(points, self.lobes, _LOBES, axes)

    def brain(self, axes: Axes, skull: np.ndarray | None = None) -> np.ndarray:
        """Template positions ``(3, Z, Y, X)`` of the axes' points.

        Args:
          axes: the subject's positions.
          skull: the result of `skull` for these axes, if it is at hand.
        """
        points = self.skull(axes) if skull is None else skull.copy()
        return _displaced(points, self.folds, _FOLDS, axes)

    def log_odds_of_fluid(self, axes: Axes) -> np.ndarray:
        """Log odds ``(Z, Y, X)`` added to CSF: above 0 means wider sulci."""
        uneven = 0.8 * self.sulci.on(axes) + 0.3 * self.crevices.on(axes)
        return self.atrophy + uneven

    def ventricle_shift(self, coarse: Axes) -> np.ndarray:
        """Displacement ``(3, Z, Y, X)`` in mm that widens the ventricles."""
        distance = template().sample("ventricle", self.brain(coarse))
        outwards = np.stack(np.gradient(distance, COARSE))
        return -self.ventricles * np.exp(-np.abs(distance) / 8) * outwards


def _displaced(
    points: np.ndarray,
    fields: tuple[tuple[Field, ...], ...],
    scales: tuple[tuple[float, float], ...],
    axes: Axes,
) -> np.ndarray:
    for i, direction in enumerate(fields):
        for field, (_, amplitude) in zip(direction, scales, strict=True):
            points[i] += amplitude * field.on(axes)
    return points
