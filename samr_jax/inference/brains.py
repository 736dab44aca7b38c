"""The brains of a synthesized training set, drawn independently of the lesions.

This concerns methods that are told tissue maps. A mask keeps its outline of the brain,
and the maps of the brain that is drawn are fitted to it, slice by slice.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from samr_jax.data.phantom.healthy import draw_anatomy
from samr_jax.data.stacks import Stacks
from samr_jax.data.tissue import brain_of_tissue, fit_to_brain
from samr_jax.labels import BACKGROUND
from samr_jax.methods.base import Method
from samr_jax.runtime.errors import InputError

OWN, SUBJECTS, SIMULATED = BRAINS = ("own", "subjects", "simulated")
"""Brain of the mask's patient, of another training subject, or of the phantom."""

Brain = str | int
"""Name of a training subject, or seed of a simulated brain."""


def check_brains(brains: str, method: Method) -> None:
    """Refuses brains that a method cannot be told.

    Raises:
      InputError: `brains` is not one of `BRAINS`, or the method sees no tissue maps.
    """
    if brains not in BRAINS:
        raise InputError(f"brains {brains!r}, expected one of {', '.join(BRAINS)}")
    if brains != OWN and "tissue" not in method.fields:
        raise InputError(
            f"brains {brains}: {method.name} is told no individual's anatomy, expected "
            f"{OWN} or a run of configs/anatomy.py"
        )


def draw_brains(
    patients: Sequence[str], subjects: Sequence[str], *, brains: str, seed: int
) -> list[Brain]:
    """Draws the brain of each mask.

    Args:
      patients: for each mask, the training subject whose mask it is.
      subjects: all training subjects.
      brains: of `BRAINS`.
      seed: with the same seed, fewer masks have the first brains of more masks.

    Raises:
      InputError: there is no other training subject.
    """
    if brains == OWN:
        return list(patients)
    if brains == SUBJECTS and len(subjects) < 2:
        raise InputError(
            f"brains {SUBJECTS}: one training subject, expected two or more"
        )
    # The second number keeps the stream apart from the stream of the lesions.
    rng = np.random.default_rng([seed, 1])
    if brains == SIMULATED:
        return [int(rng.integers(2**31)) for _ in patients]
    others = [sorted(set(subjects) - {patient}) for patient in patients]
    return [names[rng.integers(len(names))] for names in others]


def brain_record(brain: Brain) -> dict[str, Brain]:
    """What the provenance of the set says of a brain."""
    return {"subject": brain} if isinstance(brain, str) else {"simulated_seed": brain}


def told_maps(
    brain: Brain, stacks: Stacks, patient: str, labels: np.ndarray
) -> np.ndarray | None:
    """The tissue maps that a method is told with a mask.

    Args:
      brain: the brain that was drawn.
      stacks: training subjects.
      patient: the training subject whose mask it is.
      labels: the mask ``(Z, H, W)``.

    Returns:
      The patient's own maps as stored, None if there are none; or another brain's
      ``(Z, H, W, 3)`` float32 in [0, 1], where slices in which that brain has no tissue
      have the patient's own maps.
    """
    own = stacks[patient].tissue
    if brain == patient or own is None:
        return own
    if isinstance(brain, str):
        other = np.asarray(stacks[brain].tissue, np.float32) / 255
    else:
        other = draw_anatomy(brain, grid=stacks.dataset.grid)
    empty = ~brain_of_tissue(other).any(axis=(1, 2))
    other[empty] = own[empty].astype(np.float32) / 255
    return fit_to_brain(other, labels != BACKGROUND)
