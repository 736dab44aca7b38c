"""Large veins, which enhance on Gd-T1w and are flow voids on T2w."""

import numpy as np

from samr_jax.data.phantom.field import Field
from samr_jax.data.phantom.geometry import Axes

_CALIBRE = 0.09
"""Half width of a vein in units of its fields; about 1 mm at their scale."""


class Veins:
    """Veins of one subject: curves on which two smooth random fields both vanish."""

    def __init__(self, rng: np.random.Generator, scale: float = 11.0):
        self.fields = Field.draw(rng, scale), Field.draw(rng, scale)

    def fractions(
        self, points: np.ndarray, depth: np.ndarray, fluid: np.ndarray, axes: Axes
    ) -> np.ndarray:
        """Volume fraction of venous blood ``(Z, Y, X)``.

        Args:
          points: ``(3, Z, Y, X)`` template positions.
          depth: millimetres to the brain's surface.
          fluid: probability of CSF; cortical veins run in the sulci.
          axes: the subject's positions.
        """
        first, second = (field.on(axes) for field in self.fields)
        distance = (first**2 + second**2) / (2 * _CALIBRE**2)
        superficial = np.clip(1 - depth / 25, 0, 1) * np.clip(0.2 + 2 * fluid, 0, 1)
        cortical = np.exp(-distance) * superficial
        x = np.abs(points[2])
        sagittal = np.exp(-((x / 3.0) ** 2) - (depth / 4.0) ** 2)
        falx = 0.6 * np.exp(-((x / 1.2) ** 2)) * fluid * (depth < 22)
        return np.clip(np.maximum(np.maximum(cortical, sagittal), falx), 0, 1)
