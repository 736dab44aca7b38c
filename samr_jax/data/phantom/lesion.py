"""Volume fractions of tumor and cavity, with irregular and gradual edges."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from samr_jax.data.phantom.focus import Focus
from samr_jax.data.phantom.geometry import Axes
from samr_jax.data.phantom.random_field import Field

CORE = ("enhancing", "infiltrated", "loose", "necrosis", "resection")
"""Tissues of the core: the first three are tumor, the last two cavity."""

_SCALES = {"lobes": 14.0, "wall": 9.0, "bumps": 6.0, "patch": 4.5, "grain": 2.5}
"""Size in mm of the blobs of each random field."""


@dataclasses.dataclass(frozen=True)
class Irregularity:
    """Random fields that all outlines of a subject's lesion share, by name."""

    fields: Mapping[str, Field]

    @staticmethod
    def draw(rng: np.random.Generator) -> Irregularity:
        """Draws one field per scale, from lobes (14 mm) to grain (2.5 mm)."""
        return Irregularity({n: Field.draw(rng, scale) for n, scale in _SCALES.items()})

    def on(self, axes: Axes) -> dict[str, np.ndarray]:
        """The fields' values at the axes, each ``(Z, Y, X)``."""
        return {name: field.on(axes) for name, field in self.fields.items()}


def free_water(noise: Mapping[str, np.ndarray]) -> np.ndarray:
    """Share 0..1 of the tumor ``(Z, Y, X)`` that has much free water."""
    uneven = 0.5 * noise["wall"] + 0.6 * noise["patch"] + 0.6 * noise["grain"]
    return np.clip(0.45 + 0.4 * uneven, 0, 1)


def soft_step(distance: np.ndarray, width: float) -> np.ndarray:
    """Partial volume at an edge: from 0 to 1, linear over `width` mm around 0."""
    return np.clip(distance / width + 0.5, 0, 1)


def core_fractions(
    foci: Sequence[Focus], noise: Mapping[str, np.ndarray], axes: Axes
) -> dict[str, np.ndarray]:
    """Volume fractions of the `CORE` tissues, each ``(Z, Y, X)``; together at most 1.

    Args:
      foci: the subject's foci; where two overlap, the first one counts.
      noise: `Irregularity.on` the axes.
      axes: positions.
    """
    core = {name: np.zeros_like(noise["lobes"]) for name in CORE}
    for focus in foci:
        free = 1 - sum(core.values())
        for name, fraction in _focus_fractions(focus, noise, axes).items():
            core[name] += free * fraction
    return core


def _focus_fractions(
    focus: Focus, noise: Mapping[str, np.ndarray], axes: Axes
) -> dict[str, np.ndarray]:
    """Volume fractions of one focus: its cavity and the tissues of the wall."""
    distance = focus.distance(axes) + _wobble(focus, noise)
    wall = focus.rim * np.exp(0.45 * noise["wall"])
    wall += focus.roughness * (1.6 * noise["patch"] + noise["grain"])
    cavity = soft_step(-distance - np.maximum(wall, 0.6), 1.2)
    solid = soft_step(-distance, 1.6) * (1 - cavity)
    solid *= soft_step(noise["wall"] + focus.cover, 0.5)
    uptake = soft_step(noise["patch"] + focus.enhancement, 1.5)
    loose = 0.9 * free_water(noise)
    dense = solid * (1 - loose)
    fractions = {
        "enhancing": dense * uptake,
        "infiltrated": dense * (1 - uptake),
        "loose": solid * loose,
    }
    if focus.pattern in ("surgical", "resected"):
        return fractions | {"resection": cavity}
    debris = np.clip(0.15 + 0.18 * noise["bumps"] + 0.1 * noise["grain"], 0, 0.45)
    fractions["infiltrated"] += cavity * debris
    return fractions | {"necrosis": cavity * (1 - debris)}


def _wobble(focus: Focus, noise: Mapping[str, np.ndarray]) -> np.ndarray:
    """Millimetres ``(Z, Y, X)`` by which noise moves the core's surface inwards."""
    rough = focus.roughness * (2.0 * noise["bumps"] + noise["grain"])
    return min(1.0, focus.radius / 14) * (3.9 * noise["lobes"] + rough)
