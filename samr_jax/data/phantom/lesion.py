"""Gliomas: where they sit, how they push, and what they replace.

After Prastawa et al. 2009: a core of irregular shape displaces the tissue around it,
and edema spreads from it through white matter. Everything is a signed distance in mm,
turned into volume fractions with soft and ragged edges.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from scipy.spatial.transform import Rotation

from samr_jax.data.phantom.field import Field
from samr_jax.data.phantom.geometry import Axes

LESION_TISSUES = ("edema", "enhancing", "infiltrated", "necrosis", "resection")

_PATTERNS = ("ring", "solid", "surgical")
_PATTERN_SHARES = (0.5, 0.15, 0.35)


@dataclasses.dataclass(frozen=True)
class Focus:
    """One tumor focus.

    Attributes:
      pattern: ``ring`` (necrotic core in an enhancing rim), ``solid`` (patchy, few
        cysts) or ``surgical`` (resection cavity with residual tumor at its wall).
      centre: z, y, x in mm.
      radius: millimetres, of the sphere of the same volume.
      frame: ``(3, 3)`` rotation and proportions, mm to mm of a sphere.
      rim: thickness of the solid wall in mm.
      cover: share of the wall that holds tumor, as a quantile of a normal field.
      enhancement: share of the solid tumor that takes up gadolinium, likewise.
      push: millimetres by which the tissue at the core's edge has moved outwards.
    """

    pattern: str
    centre: np.ndarray
    radius: float
    frame: np.ndarray
    rim: float
    cover: float
    enhancement: float
    push: float

    def distance(self, axes: Axes) -> np.ndarray:
        """Millimetres ``(Z, Y, X)`` to the smooth core's surface, negative inside."""
        z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
        offset = [a - c for a, c in zip((z, y, x), self.centre, strict=True)]
        squared = sum(
            sum(self.frame[i, j] * offset[j] for j in range(3)) ** 2 for i in range(3)
        )
        return np.sqrt(squared).astype(np.float32) - np.float32(self.radius)


def draw_focus(rng: np.random.Generator, centre: np.ndarray, largest: float) -> Focus:
    """Draws a focus at a place; `largest` bounds its radius in mm."""
    pattern = str(rng.choice(_PATTERNS, p=_PATTERN_SHARES))
    radius = float(np.clip(rng.lognormal(np.log(15.0), 0.4), 5.0, min(27.0, largest)))
    proportions = np.exp(rng.normal(0, 0.22, 3))
    proportions /= np.cbrt(proportions.prod())
    frame = proportions[:, None] * Rotation.random(random_state=rng).as_matrix()
    rim, cover, enhancement, push = {
        "ring": (rng.uniform(2.0, 5.0), 3.0, rng.uniform(0.8, 2.5), 0.32),
        "solid": (rng.uniform(0.6, 1.2) * radius, 3.0, rng.uniform(-1, 0.8), 0.28),
        "surgical": (rng.uniform(2.0, 5.0), rng.uniform(-0.6, 0.7), 1.0, 0.05),
    }[pattern]
    return Focus(
        pattern,
        np.asarray(centre, np.float32),
        radius,
        frame.astype(np.float32),
        float(rim),
        float(cover),
        float(enhancement),
        float(push * radius * rng.uniform(0.6, 1.3)),
    )


def mass_effect(foci: Sequence[Focus], depth: np.ndarray, axes: Axes) -> np.ndarray:
    """Where displaced tissue came from: offsets ``(3, Z, Y, X)`` in mm.

    The push grows from the centre to the core's edge, fades over 20 mm, and vanishes at
    the skull, which does not move.
    """
    z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
    shift = np.zeros((3, *depth.shape), np.float32)
    held = np.clip(depth / 12, 0, 1)
    for focus in foci:
        distance = focus.distance(axes)
        profile = np.minimum(1 + distance / focus.radius, np.exp(-distance / 20))
        offset = [a - c for a, c in zip((z, y, x), focus.centre, strict=True)]
        length = np.sqrt(sum(o**2 for o in offset)) + 1e-3
        for i in range(3):
            shift[i] -= focus.push * profile * held * offset[i] / length
    return shift


@dataclasses.dataclass(frozen=True)
class Growth:
    """The irregularity all foci of a subject share, and how far edema reaches.

    Attributes:
      fields: noise by name.
      reach: millimetres that edema travels in white matter.
    """

    fields: dict[str, Field]
    reach: float

    @staticmethod
    def draw(rng: np.random.Generator) -> Growth:
        """Draws the noise fields and the extent of edema (4 to 28 mm)."""
        scales = {"lobes": 14.0, "bumps": 6.0, "grain": 2.5, "wall": 9.0, "patch": 4.5}
        fields = {name: Field.draw(rng, scale) for name, scale in scales.items()}
        return Growth(fields, float(np.clip(rng.gamma(4.0, 3.5), 4, 28)))

    def ragged(self, focus: Focus, noise: dict[str, np.ndarray], axes: Axes):
        """Signed distance in mm to the irregular core's surface ``(Z, Y, X)``."""
        rough = 0.35 if focus.pattern == "surgical" else 1.0
        size = np.float32(min(1.0, focus.radius / 14))
        wobble = 3.2 * noise["lobes"] + rough * (1.8 * noise["bumps"])
        return focus.distance(axes) + size * wobble + rough * 0.6 * noise["grain"]

    def noise(self, axes: Axes) -> dict[str, np.ndarray]:
        """The fields' values at the axes, each ``(Z, Y, X)``."""
        return {name: field.on(axes) for name, field in self.fields.items()}


def soft_step(distance: np.ndarray, width: float) -> np.ndarray:
    """0 below, 1 above, linear over `width` mm around 0: a partial volume."""
    return np.clip(distance / width + 0.5, 0, 1)


def core_fractions(
    foci: Sequence[Focus], growth: Growth, noise: dict[str, np.ndarray], axes: Axes
) -> dict[str, np.ndarray]:
    """Volume fractions of the lesion's tissues but edema, each ``(Z, Y, X)``."""
    empty = np.zeros(tuple(len(a) for a in axes), np.float32)
    core = {name: empty.copy() for name in LESION_TISSUES if name != "edema"}
    for focus in foci:
        distance = growth.ragged(focus, noise, axes)
        wall = focus.rim * np.exp(0.45 * noise["wall"]) + 1.3 * noise["patch"]
        inner = soft_step(-distance - np.maximum(wall, 0.3), 1.2)
        solid = soft_step(-distance, 1.6) * (1 - inner)
        solid *= soft_step(noise["wall"] + focus.cover, 0.5)
        taking_up = soft_step(noise["patch"] + focus.enhancement, 1.5)
        fluid = "resection" if focus.pattern == "surgical" else "necrosis"
        free = 1 - sum(core.values())
        core[fluid] += free * inner
        core["enhancing"] += free * solid * taking_up
        core["infiltrated"] += free * solid * (1 - taking_up)
    return core
