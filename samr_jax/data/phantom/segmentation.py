"""Tissue maps as a segmentation tool finds them: the true anatomy with errors."""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import ndimage

from samr_jax.data.phantom.geometry import Axes
from samr_jax.data.phantom.lesion import soft_step
from samr_jax.data.phantom.random_field import Field

SHIFT = 0.7
"""Standard deviation of the error of the log odds between two tissues.

At the phantom's borders it moves the border by about half a millimetre.
"""

CONFUSED = 2.2
"""White and grey matter are confused where a standard normal field is above this value,
which is the case in 1 to 2 % of the brain."""

BLUR = 0.7
"""Standard deviation in mm of the smoothing in plane."""


@dataclasses.dataclass(frozen=True)
class SegmentationErrors:
    """One subject's errors, drawn once and evaluated at any axes.

    Attributes:
      white: error of the log odds of white matter.
      fluid: error of the log odds of CSF.
      confusion: field that is high where white and grey matter are confused.
    """

    white: Field
    fluid: Field
    confusion: Field

    @staticmethod
    def draw(rng: np.random.Generator) -> SegmentationErrors:
        """Draws the three fields."""
        return SegmentationErrors(
            *(Field.draw(rng, scale) for scale in (6.0, 6.0, 4.0))
        )

    def on(self, tissue: np.ndarray, axes: Axes) -> np.ndarray:
        """The maps with shifted borders and confused spots.

        Args:
          tissue: ``(3, Z, Y, X)`` true probabilities of WM, GM and CSF.
          axes: their positions.

        Returns:
          ``(3, Z, Y, X)`` probabilities that sum to 1.
        """
        white = tissue[0] * np.exp(SHIFT * self.white.on(axes))
        fluid = tissue[2] * np.exp(SHIFT * self.fluid.on(axes))
        exchanged = soft_step(self.confusion.on(axes) - CONFUSED, 0.3)
        exchanged = exchanged * (tissue[1] - white)
        found = np.stack([white + exchanged, tissue[1] - exchanged, fluid])
        return found / found.sum(0)


def smoothed(tissue: np.ndarray, spacing: tuple[float, float]) -> np.ndarray:
    """Smooths maps ``(3, Z, Y, X)`` in plane by `BLUR`.

    Args:
      tissue: the maps.
      spacing: signed sizes of the voxels along y and x in mm.
    """
    widths = [BLUR / abs(size) for size in spacing]
    return ndimage.gaussian_filter(tissue, (0, 0, *widths), mode="nearest")
