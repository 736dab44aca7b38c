"""One focus of a glioma: its kind, position, size and mass effect."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from scipy.spatial.transform import Rotation

from samr_jax.data.phantom.geometry import Axes, offsets

CONTENTS = {"tumor and cavity": 0.49, "tumor": 0.41, "cavity": 0.10}
"""Share of subjects with each content: 90 % have tumor and 59 % a cavity.

These are the shares of patients after treatment. A cavity is necrosis or resection.
"""

PATTERNS = {
    "tumor and cavity": {"ring": 0.6, "surgical": 0.4},
    "tumor": {"solid": 1.0},
    "cavity": {"resected": 1.0},
}
"""Probability of each pattern of a focus, by the subject's content."""

_GOLDEN = (5**0.5 - 1) / 2
"""Multiples of the golden ratio fill the interval from 0 to 1 evenly."""


def content_of(index: int) -> str:
    """Content of a subject's lesion, a key of `CONTENTS`.

    The subjects take turns, so that the shares of a few subjects in a row are close to
    `CONTENTS`. The first subject of a cohort has tumor and cavity.
    """
    bounds = np.cumsum(list(CONTENTS.values()))[:-1]
    turn = index * _GOLDEN % 1
    return list(CONTENTS)[int(np.searchsorted(bounds, turn, side="right"))]


@dataclasses.dataclass(frozen=True)
class Focus:
    """One tumor focus.

    Attributes:
      pattern: ``ring`` (necrotic core in an enhancing rim), ``solid`` (patchy tumor
        without a cavity), ``surgical`` (resection cavity with residual tumor at its
        wall) or ``resected`` (resection cavity without tumor).
      centre: z, y, x in mm.
      radius: radius in mm of a sphere of the same volume.
      frame: ``(3, 3)`` rotation and proportions that map the ellipsoid to that sphere.
      rim: thickness of the solid wall in mm; infinite if there is no cavity.
      cover: the wall has tumor where a standard normal field is above ``-cover``.
      enhancement: tumor takes up contrast agent where a standard normal field is above
        ``-enhancement``.
      push: displacement in mm of tissue at the core's edge, outwards.
    """

    pattern: str
    centre: np.ndarray
    radius: float
    frame: np.ndarray
    rim: float
    cover: float
    enhancement: float
    push: float

    @staticmethod
    def draw(
        rng: np.random.Generator, centre: np.ndarray, *, content: str, largest: float
    ) -> Focus:
        """Draws a focus at `centre` with a radius of at most `largest` mm."""
        patterns = PATTERNS[content]
        pattern = str(rng.choice(list(patterns), p=list(patterns.values())))
        radius = float(np.clip(rng.lognormal(np.log(17.0), 0.4), 5.0, largest))
        proportions = np.exp(rng.normal(0, 0.28, 3))
        proportions /= np.cbrt(proportions.prod())
        frame = proportions[:, None] * Rotation.random(random_state=rng).as_matrix()
        rim, cover, enhancement, push = {
            "ring": (rng.uniform(2, 5), 3.0, rng.uniform(0.8, 2.5), 0.32),
            "solid": (np.inf, rng.uniform(0.4, 2.8), rng.uniform(-0.6, 1.2), 0.28),
            "surgical": (rng.uniform(2, 5), rng.uniform(-0.6, 0.7), 1.0, 0.05),
            "resected": (rng.uniform(0.5, 2), -np.inf, 1.0, 0.05),
        }[pattern]
        push *= radius * rng.uniform(0.6, 1.3)
        frame = frame.astype(np.float32)
        return Focus(
            pattern, centre, radius, frame, rim, cover, enhancement, float(push)
        )

    @property
    def roughness(self) -> float:
        """Factor on the irregularity of outlines, which are smoother after surgery."""
        return 0.6 if self.pattern in ("surgical", "resected") else 1.0

    def distance(self, axes: Axes) -> np.ndarray:
        """Millimetres ``(Z, Y, X)`` to the smooth core's surface, negative inside."""
        offset = offsets(axes, self.centre)
        squared = sum(
            sum(a * o for a, o in zip(row, offset, strict=True)) ** 2
            for row in self.frame
        )
        return np.sqrt(squared) - self.radius


def mass_effect(foci: Sequence[Focus], depth: np.ndarray, axes: Axes) -> np.ndarray:
    """Offsets to the positions from which tissue was displaced by the foci.

    The displacement is radial, after Prastawa et al. 2009. It grows from the centre to
    the core's edge, decays over 20 mm, and is 0 at the skull.

    Args:
      foci: the subject's foci.
      depth: ``(Z, Y, X)`` millimetres to the brain's surface.
      axes: positions.

    Returns:
      ``(3, Z, Y, X)`` offsets in mm.
    """
    shift = np.zeros((3, *depth.shape), np.float32)
    held = np.clip(depth / 12, 0, 1)
    for focus in foci:
        distance = focus.distance(axes)
        profile = np.minimum(1 + distance / focus.radius, np.exp(-distance / 20))
        offset = offsets(axes, focus.centre)
        length = np.sqrt(sum(o**2 for o in offset)) + 1e-3
        for i in range(3):
            shift[i] -= focus.push * profile * held * offset[i] / length
    return shift
