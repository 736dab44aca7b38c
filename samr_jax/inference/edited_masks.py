"""Random edits of the masks of training patients."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from samr_jax.data.dataset import Dataset
from samr_jax.data.edits import Recipe, random_edit
from samr_jax.data.stacks import Stacks
from samr_jax.runtime.errors import InputError


@dataclasses.dataclass(frozen=True)
class EditedMask:
    """The mask of a training patient with an edited lesion.

    Attributes:
      patient: name of the patient, whose brain the mask has.
      recipe: the edit of the lesion.
      labels: ``(Z, H, W)`` uint8.
    """

    patient: str
    recipe: Recipe
    labels: np.ndarray


def draw_masks(
    dataset: Dataset,
    *,
    count: int,
    seed: int,
    jitter: bool = False,
    lesions: Mapping[str, np.ndarray] | None = None,
) -> list[EditedMask]:
    """Randomly manipulated masks of training patients (section IV-C).

    Every patient is taken once before any is taken again. Lesions of the other patients
    serve as donors. A mask that no edit can be applied to is passed over.

    Args:
      dataset: only its training split is used.
      count: how many masks.
      seed: of the order and of the edits. With the same seed, a smaller count gives the
        first masks of a larger one.
      jitter: see `samr_jax.data.edits.draw_recipe`.
      lesions: labels ``(Z, H, W)`` by name. Every patient's lesion is replaced by one
        of these lesions, and there are no other edits.

    Raises:
      InputError: no training mask can be edited.
    """
    masks = {stack.subject: stack.labels for stack in Stacks(dataset, "train")}
    spacing = dataset.grid.spacing[::-1]
    rng = np.random.default_rng(seed)
    drawn: list[EditedMask] = []
    while len(drawn) < count:
        before = len(drawn)
        for patient in rng.permutation(sorted(masks)).tolist():
            donors = lesions or {n: m for n, m in masks.items() if n != patient}
            try:
                recipe, labels = random_edit(
                    masks[patient],
                    rng,
                    spacing=spacing,
                    donors=donors,
                    jitter=jitter,
                    transplanted=lesions is not None,
                )
            except InputError as error:
                refusal = error
            else:
                drawn.append(EditedMask(patient, recipe, labels))
        if len(drawn) == before:
            raise InputError(f"{dataset.directory}: no mask can be edited: {refusal}")
    return drawn[:count]
