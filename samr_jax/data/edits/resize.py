"""Edits of size: scaling labels to a target, and removing them."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping

import numpy as np
from scipy import ndimage

from samr_jax.data.edits.constraints import (
    PARTS,
    Scene,
    check_range,
    healthy,
    paint_parts,
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

CARRIED = "carried"
"""Value of `Scale.edema` with which the edema moves with the border of the core."""

_NORMAL_BRAIN_COST = 3.0
"""Growth prefers edema: a millimetre of normal brain counts as three millimetres."""


@dataclasses.dataclass(frozen=True)
class Scale:
    """Scales labels to factors of their size, such as 2 for +100 % (Fig. 7 c, d).

    The size of a label is its number of voxels, which is met exactly. The factor of
    `lesion` applies to every label of the lesion that has no factor of its own. Labels
    affect each other:

    * A growing tumor takes edema first, then normal brain, never cavity. A shrinking
      tumor recedes from the outside, stays at its cavity and leaves edema behind.
    * Around a growing or shrinking cavity the tumor moves and keeps its size.
    * Edema without a factor is the remainder of the lesion: a growing tumor uses it up.
      With ``edema="carried"`` (``scale:tumor=2.0,edema=carried``) the edema is carried
      outwards where the border of tumor and cavity moves outwards.
    """

    lesion: float | None = None
    edema: float | str | None = None
    cavity: float | None = None
    tumor: float | None = None

    def __post_init__(self) -> None:
        if not self.factors:
            raise InputError("no label, expected such as scale:tumor=2.0")
        for name, factor in self.factors.items():
            check_range(name, factor, 0.01, 100)

    @property
    def factors(self) -> dict[str, float]:
        """Factor by part; `CARRIED` is none."""
        named = dataclasses.asdict(self).items()
        return {part: factor for part, factor in named if factor not in (None, CARRIED)}

    def apply(
        self, labels: np.ndarray, scene: Scene, rng: np.random.Generator
    ) -> np.ndarray:
        targets = {}
        for part, factor in self.factors.items():  # the lesion comes first
            part_of(labels, part)
            for code in PARTS[part]:
                if count := np.count_nonzero(labels == code):
                    targets[code] = max(1, round(factor * count))
        carried = self.edema == CARRIED
        if carried:
            targets.pop(EDEMA, None)
        out = labels.copy()
        brain = (labels != BACKGROUND).astype(np.uint8)
        around = ndimage.find_objects(brain)[0]  # for speed: nothing else changes
        out[around] = resize(labels[around], targets, spacing=scene.spacing)
        if carried:
            out[around] = carry_edema(
                labels[around], out[around], spacing=scene.spacing
            )
        return out


@dataclasses.dataclass(frozen=True)
class Remove:
    """Removes a part of the lesion, by default all of it.

    Lesion and edema become normal brain. A tumor becomes edema, which is the remainder
    of the lesion. A cavity becomes the label of its nearest wall, tumor or edema.
    """

    part: str = "lesion"

    def __post_init__(self) -> None:
        if not isinstance(self.part, str) or self.part not in PARTS:
            raise InputError(f"part={self.part}, expected one of {', '.join(PARTS)}")

    def apply(
        self, labels: np.ndarray, scene: Scene, rng: np.random.Generator
    ) -> np.ndarray:
        region = part_of(labels, self.part)
        if self.part == "lesion":
            return healthy(labels)
        left: np.ndarray | int = NORMAL if self.part == "edema" else EDEMA
        if self.part == "cavity":
            lined = _lined_by_tumor(
                region, labels == TUMOR, labels != BACKGROUND, scene.spacing
            )
            left = np.where(lined, TUMOR, EDEMA)
        return np.where(region, left, labels).astype(np.uint8)


def resize(
    labels: np.ndarray, targets: Mapping[int, int], *, spacing: tuple[float, ...]
) -> np.ndarray:
    """Labels with exactly ``targets[code]`` voxels of each named code; see `Scale`.

    Raises:
      InputError: the brain is too small.
    """
    brain, lesion = labels != BACKGROUND, np.isin(labels, LESION_LABELS)
    cavity, tumor = labels == CAVITY, labels == TUMOR
    to_size = functools.partial(resized, spacing=spacing, cost=growth_cost(lesion))
    if CAVITY in targets:
        count, front = targets[CAVITY], brain & ~cavity
        new = to_size(cavity, count, allowed=brain, front=front)
        if tumor.any():
            lined = _lined_by_tumor(cavity, tumor, brain, spacing)
            # Where the cavity recedes, the label of its wall follows: tumor or edema.
            moved = (tumor & ~new) | (cavity & ~new & lined)
            tumor = to_size(
                moved if moved.any() else tumor,
                int(np.count_nonzero(tumor)),
                allowed=brain & ~new,
                front=brain & ~new & ~moved,
            )
        cavity = new
    if TUMOR in targets:
        allowed, front = brain & ~cavity, brain & ~cavity & ~tumor
        tumor = to_size(tumor, targets[TUMOR], allowed=allowed, front=front)
    lesion = lesion | cavity | tumor
    if EDEMA in targets:
        core = cavity | tumor
        edema = lesion & ~core
        seed = edema if edema.any() else lesion
        front = brain & ~lesion
        edema = to_size(seed, targets[EDEMA], allowed=brain & ~core, front=front)
        lesion = edema | core
    return paint_parts(brain, lesion, cavity, tumor)


def carry_edema(
    before: np.ndarray, after: np.ndarray, *, spacing: tuple[float, ...]
) -> np.ndarray:
    """Adds the edema that moves outwards with the border of tumor and cavity.

    Tissue outside the new core is assumed to have moved as the nearest voxel of the
    core's border has. Normal brain becomes edema where this tissue was edema before.

    Args:
      before: labels before the core changed.
      after: labels after the change; no edema is removed.
      spacing: millimetres between voxels along each axis.

    Returns:
      Labels as `after`, with more edema.
    """
    old, new = (np.isin(labels, (CAVITY, TUMOR)) for labels in (before, after))
    if not (old.any() and new.any()):
        return after
    to_old, to_new = (
        ndimage.distance_transform_edt(
            ~core, sampling=spacing, return_distances=False, return_indices=True
        )
        for core in (old, new)
    )
    moved = to_new - to_old[:, *to_new]  # by so much has each point's border moved
    source = np.indices(after.shape) - moved
    inside = np.all(
        [(s >= 0) & (s < n) for s, n in zip(source, after.shape, strict=True)], axis=0
    )
    source = [np.where(inside, s, 0) for s in source]
    was_edema = inside & (before[tuple(source)] == EDEMA)
    return np.where((after == NORMAL) & was_edema, EDEMA, after).astype(np.uint8)


def growth_cost(lesion: np.ndarray) -> np.ndarray:
    """Factor on the distance of growth, per voxel: growth prefers the lesion."""
    return np.where(lesion, 1.0, _NORMAL_BRAIN_COST)


def _lined_by_tumor(
    cavity: np.ndarray, tumor: np.ndarray, brain: np.ndarray, spacing: tuple[float, ...]
) -> np.ndarray:
    """Boolean mask of the voxels whose nearest wall of the cavity is tumor."""
    others = brain & ~cavity & ~tumor
    return distance_to(tumor, spacing) < distance_to(others, spacing)
