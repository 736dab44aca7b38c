"""One subject's healthy shape: where in the template each of its points comes from."""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy.spatial.transform import Rotation

from samr_jax.data.phantom.anatomy import template
from samr_jax.data.phantom.geometry import CENTRE, COARSE, Axes, offsets
from samr_jax.data.phantom.random_field import Field

_LOBES = ((60.0, 3.0), (25.0, 1.5))
_FOLDS = ((12.0, 1.4), (7.0, 0.9))
"""Blob size and standard deviation of the displacements in mm. The template is
mirror-symmetric; these are not."""


@dataclasses.dataclass(frozen=True)
class Shape:
    """A subject's shape, drawn once and evaluated at any axes.

    Attributes:
      matrix: ``(3, 3)`` size, proportions and pose in z, y, x, subject to template.
      lobes: per direction, the displacements that move the skull as well.
      folds: per direction, the displacements of gyri and sulci inside it.
      ventricles: millimetres by which the ventricles' walls lie further out.
      atrophy: mean log odds of CSF.
      sulci: field by which the log odds vary from sulcus to sulcus.
    """

    matrix: np.ndarray
    lobes: tuple[tuple[Field, ...], ...]
    folds: tuple[tuple[Field, ...], ...]
    ventricles: float
    atrophy: float
    sulci: Field

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
        )

    def skull(self, axes: Axes) -> np.ndarray:
        """Template positions ``(3, Z, Y, X)`` by the smooth part of the shape alone."""
        offset = offsets(axes, CENTRE)
        points = np.empty((3, *(len(axis) for axis in axes)), np.float32)
        for i, row in enumerate(self.matrix):
            points[i] = CENTRE[i] + sum(a * o for a, o in zip(row, offset, strict=True))
        return _displaced(points, self.lobes, _LOBES, axes)

    def brain(self, axes: Axes) -> np.ndarray:
        """Template positions ``(3, Z, Y, X)`` of the axes' points."""
        return _displaced(self.skull(axes), self.folds, _FOLDS, axes)

    def log_odds_of_fluid(self, axes: Axes) -> np.ndarray:
        """How much wider the subject's sulci are than the template's ``(Z, Y, X)``."""
        return self.atrophy + 0.8 * self.sulci.on(axes)

    def ventricle_shift(self, coarse: Axes) -> np.ndarray:
        """Displacement ``(3, Z, Y, X)`` in mm that moves the ventricles' walls out."""
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
