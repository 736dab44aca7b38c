"""Edits of size: scaling labels to a target, and removing them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from scipy import ndimage

from samr_jax.data.edits.constraints import (
    PARTS,
    Scene,
    check_range,
    healthy,
    paint,
    part_of,
)
from samr_jax.data.edits.growth import distance_to, resized
from samr_jax.labels import (
    BACKGROUND,
    CAVITY,
    EDEMA,
    LESION_LABELS,
    NORMAL,
    TUMOR,
)
from samr_jax.runtime.errors import InputError

_NORMAL_BRAIN_COST = 3.0
"""Growth prefers edema: a millimetre of normal brain counts as three."""


@dataclasses.dataclass(frozen=True)
class Scale:
    """Scales labels to factors of their size, such as 2 for +100 % (Fig. 7 c, d).

    Sizes are areas of a slice, volumes of a volume, and are hit to the cell. `lesion`
    stands for all labels that it has, unless one is named beside it. The others:

    * A growing tumor takes edema first, then normal brain, never cavity. A shrinking
      one recedes from the outside, keeps to its cavity and leaves edema.
    * Around a growing or shrinking cavity the tumor moves and keeps its size.
    * Edema that is not named is the remainder of the lesion.
    """

    lesion: float | None = None
    edema: float | None = None
    cavity: float | None = None
    tumor: float | None = None

    def __post_init__(self) -> None:
        if not self.factors:
            raise InputError("no label, expected such as scale:tumor=2.0")
        for name, factor in self.factors.items():
            check_range(name, factor, 0.01, 100)

    @property
    def factors(self) -> dict[str, float]:
        """Factor by part."""
        named = dataclasses.asdict(self).items()
        return {part: factor for part, factor in named if factor is not None}

    def apply(
        self, labels: np.ndarray, scene: Scene, rng: np.random.Generator
    ) -> np.ndarray:
        targets = {}
        for part, factor in self.factors.items():  # the lesion comes first
            part_of(labels, part)
            for code in PARTS[part]:
                if count := np.count_nonzero(labels == code):
                    targets[code] = max(1, round(factor * count))
        out = labels.copy()
        brain = (labels != BACKGROUND).astype(np.uint8)
        around = ndimage.find_objects(brain)[0]  # for speed: nothing else changes
        out[around] = resize(labels[around], targets, spacing=scene.spacing)
        return out


@dataclasses.dataclass(frozen=True)
class Remove:
    """Removes a part, by default the lesion, which leaves normal brain.

    So does edema. A tumor leaves edema, being within the lesion, of which the remainder
    is edema; a cavity leaves what lined it, tumor or edema.
    """

    part: str = "lesion"

    def __post_init__(self) -> None:
        if self.part not in PARTS:
            raise InputError(f"part={self.part}, expected one of {', '.join(PARTS)}")

    def apply(
        self, labels: np.ndarray, scene: Scene, rng: np.random.Generator
    ) -> np.ndarray:
        region = part_of(labels, self.part)
        if self.part == "lesion":
            return healthy(labels)
        left = NORMAL if self.part == "edema" else EDEMA
        if self.part == "cavity":
            lined = _lined(region, labels == TUMOR, labels != BACKGROUND, scene.spacing)
            left = np.where(lined, TUMOR, EDEMA)
        return np.where(region, left, labels).astype(np.uint8)


def resize(
    labels: np.ndarray, targets: Mapping[int, int], *, spacing: tuple[float, ...]
) -> np.ndarray:
    """Labels with exactly ``targets[code]`` cells of each named code; see `Scale`.

    Raises:
      InputError: the brain is too small.
    """
    brain, lesion = labels != BACKGROUND, np.isin(labels, LESION_LABELS)
    cavity, tumor = labels == CAVITY, labels == TUMOR
    grid = {"spacing": spacing, "cost": growth_cost(lesion)}
    if CAVITY in targets:
        count, front = targets[CAVITY], brain & ~cavity
        new = resized(cavity, count, allowed=brain, front=front, **grid)
        tumor = _around(tumor, cavity, new, brain=brain, grid=grid)
        cavity = new
    if TUMOR in targets:
        allowed, front = brain & ~cavity, brain & ~cavity & ~tumor
        tumor = resized(tumor, targets[TUMOR], allowed=allowed, front=front, **grid)
    lesion = lesion | cavity | tumor
    if EDEMA in targets:
        core = cavity | tumor
        edema = lesion & ~core
        seed = edema if edema.any() else lesion
        front = brain & ~lesion
        edema = resized(
            seed, targets[EDEMA], allowed=brain & ~core, front=front, **grid
        )
        lesion = edema | core
    return paint(brain, lesion, cavity, tumor)


def growth_cost(lesion: np.ndarray) -> np.ndarray:
    """Factor on the distance that a growing label goes, by cell."""
    return np.where(lesion, 1.0, _NORMAL_BRAIN_COST)


def _around(
    tumor: np.ndarray,
    old: np.ndarray,
    new: np.ndarray,
    *,
    brain: np.ndarray,
    grid: Mapping[str, object],
) -> np.ndarray:
    """The tumor, of the same size, when its cavity goes from `old` to `new`."""
    if not tumor.any():
        return tumor
    # The tumor follows where it lined the cavity; elsewhere edema does.
    lined = _lined(old, tumor, brain, grid["spacing"])
    moved = (tumor & ~new) | (old & ~new & lined)
    return resized(
        moved if moved.any() else tumor,
        np.count_nonzero(tumor),
        allowed=brain & ~new,
        front=brain & ~new & ~moved,
        **grid,
    )


def _lined(
    cavity: np.ndarray, tumor: np.ndarray, brain: np.ndarray, spacing: tuple[float, ...]
) -> np.ndarray:
    """Where tumor is nearer than any other wall of the cavity."""
    others = brain & ~cavity & ~tumor
    return distance_to(tumor, spacing) < distance_to(others, spacing)
