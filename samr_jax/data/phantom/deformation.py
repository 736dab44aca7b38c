"""One subject's shape: where in the template each point of the subject comes from."""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy.spatial.transform import Rotation

from samr_jax.data.phantom.anatomy import template
from samr_jax.data.phantom.field import Field, resample
from samr_jax.data.phantom.geometry import CENTRE, COARSE, Axes

_BENDS = ((60.0, 3.0), (28.0, 2.0), (12.0, 1.5), (7.0, 0.7))
"""Blob size and standard deviation in mm: lobes, gyri, folds. They break the mirror."""


@dataclasses.dataclass(frozen=True)
class Shape:
    """A subject's healthy shape, drawn once.

    Attributes:
      matrix: ``(3, 3)`` size, proportions and pose, z y x, subject to template.
      bends: per direction, the displacement fields with their amplitudes in mm.
      ventricles: millimetres by which the ventricles' walls lie further out.
      sulci: field of the log odds of CSF, with its mean and spread.
    """

    matrix: np.ndarray
    bends: tuple[tuple[tuple[Field, float], ...], ...]
    ventricles: float
    sulci: Field
    atrophy: float

    @staticmethod
    def draw(rng: np.random.Generator) -> Shape:
        """Draws size (4 %), pose (2.5 degrees), folding, ventricles and atrophy."""
        pose = Rotation.from_euler("zyx", rng.normal(0, 2.5, 3), degrees=True)
        matrix = pose.as_matrix() @ np.diag(rng.normal(1.0, 0.04, 3).clip(0.93, 1.08))
        bends = tuple(
            tuple((Field.draw(rng, scale), amplitude) for scale, amplitude in _BENDS)
            for _ in range(3)
        )
        ventricles = np.clip(rng.normal(0.6, 1.5), -1.5, 4.0)
        return Shape(
            matrix.astype(np.float32),
            bends,
            float(ventricles),
            Field.draw(rng, 9.0),
            float(rng.normal(0.9, 0.35)),
        )

    def to_template(self, axes: Axes) -> np.ndarray:
        """Template positions ``(3, Z, Y, X)`` of the axes' points, without ventricles."""
        z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
        centred = [a - c for a, c in zip((z, y, x), CENTRE[::-1], strict=True)]
        points = np.empty((3, *(len(a) for a in axes)), np.float32)
        for i in range(3):
            affine = sum(self.matrix[i, j] * centred[j] for j in range(3))
            points[i] = affine + CENTRE[::-1][i]
            for field, amplitude in self.bends[i]:
                points[i] += np.float32(amplitude) * field.on(axes)
        return points

    def log_odds_of_fluid(self, axes: Axes) -> np.ndarray:
        """How much wider than the template's the subject's sulci are (Z, Y, X)."""
        return np.float32(self.atrophy) + np.float32(0.7) * self.sulci.on(axes)

    def ventricle_shift(self, axes: Axes) -> np.ndarray:
        """Displacement ``(3, Z, Y, X)`` that moves the ventricles' walls outwards."""
        distance = template().sample("ventricle", self.to_template(axes))
        outwards = np.stack(np.gradient(distance, COARSE))
        return -self.ventricles * np.exp(-np.abs(distance) / 8) * outwards


def displaced(points: np.ndarray, shift: np.ndarray, coarse: Axes, axes: Axes):
    """Adds a displacement known on the coarse axes to points on the fine ones."""
    for i in range(3):
        points[i] += resample(shift[i], coarse, axes)
    return points
