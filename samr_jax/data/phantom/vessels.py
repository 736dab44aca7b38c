"""Large veins: bright after contrast agent, dark on T2w (flow voids)."""

from __future__ import annotations

import dataclasses

import numpy as np

from samr_jax.data.phantom.geometry import Axes
from samr_jax.data.phantom.random_field import Field

_CALIBRE = 0.16
"""Half width of a vein, in units of the fields' values; about 1.5 mm."""


@dataclasses.dataclass(frozen=True)
class Veins:
    """A subject's cortical veins: the curves on which two random fields are both 0."""

    first: Field
    second: Field

    @staticmethod
    def draw(rng: np.random.Generator) -> Veins:
        """Draws the two fields."""
        return Veins(Field.draw(rng, 11.0), Field.draw(rng, 11.0))

    def fraction(
        self, points: np.ndarray, depth: np.ndarray, fluid: np.ndarray, axes: Axes
    ) -> np.ndarray:
        """Volume fraction ``(Z, Y, X)`` of venous blood.

        Args:
          points: ``(3, Z, Y, X)`` template positions.
          depth: ``(Z, Y, X)`` millimetres to the brain's surface.
          fluid: ``(Z, Y, X)`` probability of CSF; cortical veins run in the sulci.
          axes: the subject's positions.
        """
        off_axis = self.first.on(axes) ** 2 + self.second.on(axes) ** 2
        near_surface = np.clip(1 - depth / 25, 0, 1) * np.clip(0.2 + 2 * fluid, 0, 1)
        cortical = np.exp(-off_axis / (2 * _CALIBRE**2)) * near_surface
        return np.maximum(cortical, _midline(points, depth, fluid))


def _midline(points: np.ndarray, depth: np.ndarray, fluid: np.ndarray) -> np.ndarray:
    """The sagittal sinus at the surface, and the enhancing falx below it."""
    z, y, x = points
    sinus = np.exp(-((x / 3) ** 2) - (depth / 4) ** 2)
    third_ventricle = ((z - 5) / 32) ** 2 + ((y + 12) / 45) ** 2  # no falx inside 1
    present = np.clip(3 * (third_ventricle - 1), 0, 1) * (depth < 22)
    falx = 0.6 * np.exp(-((x / 1.2) ** 2)) * fluid * present
    return np.maximum(sinus, falx)
