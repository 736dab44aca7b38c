"""Random edits of training masks, for the augmentation experiment (Table II).

The paper's manipulations are: the tumor grows by 100 % or shrinks to 50 %, another
patient's lesion replaces the lesion, or parts of several lesions are combined.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from samr_jax.data.edits.constraints import PARTS
from samr_jax.data.edits.geometry import Deform, Mirror, Move, Rotate
from samr_jax.data.edits.recipe import Edit, Recipe, apply
from samr_jax.data.edits.resize import CARRIED, Scale
from samr_jax.data.edits.transplant import Insert, Recombine, Replace
from samr_jax.runtime.errors import InputError

FACTORS = (0.5, 2.0)
"""Range of the tumor's size, drawn evenly on a logarithmic scale."""

MAX_TRIES = 20


def random_edit(
    labels: np.ndarray,
    rng: np.random.Generator,
    *,
    spacing: tuple[float, ...],
    donors: Mapping[str, np.ndarray] | None = None,
    jitter: bool = False,
    transplanted: bool = False,
) -> tuple[Recipe, np.ndarray]:
    """Draws recipes until one can be applied.

    Args:
      labels: ``[H, W]`` or ``[Z, H, W]`` of our codes.
      rng: the only source of randomness.
      spacing: millimetres between cells along each array axis.
      donors: labels of other patients on the same grid, by name; donors
        without a lesion are not used.
      jitter: see `draw_recipe`.
      transplanted: see `draw_recipe`.

    Returns:
      The recipe, and the edited labels.

    Raises:
      InputError: neither the labels nor a donor have a lesion, or no recipe could be
        applied in `MAX_TRIES` tries.
    """
    for _ in range(MAX_TRIES):
        recipe = draw_recipe(
            labels, rng, donors=donors, jitter=jitter, transplanted=transplanted
        )
        try:
            return recipe, apply(recipe, labels, spacing=spacing, donors=donors)
        except InputError as error:
            refusal = error
    raise InputError(f"no random edit in {MAX_TRIES} tries; the last: {refusal}")


def draw_recipe(
    labels: np.ndarray,
    rng: np.random.Generator,
    *,
    donors: Mapping[str, np.ndarray] | None = None,
    jitter: bool = False,
    transplanted: bool = False,
) -> Recipe:
    """Draws one of the paper's manipulations, each with equal probability.

    Where the tumor grows, its edema is carried outwards, so that it is not used up.
    Without donors that have a lesion only the size is changed. A healthy brain gets a
    donor's lesion. With `jitter`, which the paper does not have, the lesion is also
    mirrored (with probability 0.5), moved (up to 5 mm), rotated (up to 15 degrees) and
    deformed (2 mm). With `transplanted`, a donor's lesion always takes the place of the
    lesion.
    """
    having = {
        part: [name for name, donor in (donors or {}).items() if _has(donor, part)]
        for part in PARTS
    }
    draws = [_draw_scale, _draw_replace, _draw_recombine]
    if not _has(labels, "lesion"):
        if not having["lesion"]:
            raise InputError("labels: no lesion and no donor's, expected some to edit")
        edit = Insert(_choice(rng, having["lesion"]))
    else:
        if transplanted:
            draws = [_draw_replace]
        elif not having["lesion"]:
            draws = [_draw_scale]
        draw = _choice(rng, draws)
        edit = draw(labels, rng, having)
    more = _draw_jitter(rng) if jitter else ()
    return Recipe((edit, *more), seed=int(rng.integers(2**31)))


Donors = Mapping[str, list[str]]
"""Names of the donors that have each part."""


def _draw_scale(labels: np.ndarray, rng: np.random.Generator, having: Donors) -> Scale:
    factor = round(float(np.exp(rng.uniform(*np.log(FACTORS)))), 3)
    if _has(labels, "tumor"):
        return Scale(tumor=factor, edema=CARRIED)
    return Scale(lesion=factor)


def _draw_replace(
    labels: np.ndarray, rng: np.random.Generator, having: Donors
) -> Replace:
    return Replace(_choice(rng, having["lesion"]))


def _draw_recombine(
    labels: np.ndarray, rng: np.random.Generator, having: Donors
) -> Recombine:
    """Takes one to three parts from donors and keeps the others."""
    parts = [p for p in ("edema", "cavity", "tumor") if having[p]]
    count = int(rng.integers(1, len(parts) + 1))
    taken = sorted(rng.permutation(len(parts))[:count])
    return Recombine(**{parts[i]: _choice(rng, having[parts[i]]) for i in taken})


def _draw_jitter(rng: np.random.Generator) -> tuple[Edit, ...]:
    mirrored = (Mirror(),) if rng.random() < 0.5 else ()
    dx, dy = rng.uniform(-5, 5, 2).round(1).tolist()
    degrees = round(float(rng.uniform(-15, 15)), 1)
    return (*mirrored, Move(dx, dy), Rotate(degrees), Deform(2.0))


def _has(labels: np.ndarray, part: str) -> bool:
    return bool(np.isin(labels, PARTS[part]).any())


def _choice(rng: np.random.Generator, items: list):
    return items[int(rng.integers(len(items)))]
