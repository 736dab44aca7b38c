"""Does an edit of the mask change the image only where the mask was edited?

The lesion of a slice is removed from its mask and then inserted again. Both masks are
synthesized and compared with the synthesis of the mask as it was. Nothing tells a
method to change the image outside the lesion, and inserting the same lesion again
should restore the image. (A real lesion also displaces the brain around it; an edit of
the mask does not.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from samr_jax.data.edits import apply
from samr_jax.data.lesion_slices import largest_first
from samr_jax.data.slices import Slices
from samr_jax.evaluation.scores.intensity import to_metric_range
from samr_jax.evaluation.scores.score import Column, TableScore
from samr_jax.labels import BACKGROUND, LESION_LABELS

Synthesize = Callable[[Sequence[dict]], np.ndarray]
"""Instances to their syntheses ``(N, H, W, S)`` in [-1, 1]."""


def edit_scores(slices: Slices, synthesize: Synthesize) -> dict | None:
    """How far a removed lesion changes the image, and whether this can be undone.

    One slice of each patient is edited: the slice with most lesion.

    Args:
      slices: a split.
      synthesize: the method that is scored. It is called three times, each time with
        one instance for each patient with a lesion.

    Returns:
      JSON-ready mean absolute differences from the synthesis of the mask as it was, on
      the scale of 0 to 255, over the pixels of all patients: ``inside`` the removed
      lesion; ``outside`` of it, in the brain (None if there is no such pixel);
      ``undone``, in the whole brain after the lesion was inserted again. Each is the
      mean over sequences, and ``sequences`` has the three numbers of every sequence.
      ``patients`` is their number. None if no patient has a lesion.
    """
    chosen = largest_lesions(slices)
    if not chosen:
        return None
    dx, dy, _ = slices.dataset.grid.spacing
    removed, restored = [], []
    for item in chosen:
        healthy = apply("remove", item["labels"], spacing=(dy, dx))
        own = {"own": item["labels"]}
        again = apply("insert:donor=own", healthy, spacing=(dy, dx), donors=own)
        removed.append({**item, "labels": healthy})
        restored.append({**item, "labels": again})
    before, without, after = (
        to_metric_range(synthesize(items)) for items in (chosen, removed, restored)
    )
    labels = np.stack([item["labels"] for item in chosen])
    lesion, brain = np.isin(labels, LESION_LABELS), labels != BACKGROUND
    around = brain & ~lesion
    numbers = {
        "inside": np.abs(without - before)[lesion].mean(axis=0),
        "outside": np.abs(without - before)[around].mean(axis=0)
        if around.any()
        else None,
        "undone": np.abs(after - before)[brain].mean(axis=0),
    }
    return _summary(numbers, slices.dataset.sequences) | {"patients": len(chosen)}


def largest_lesions(slices: Slices) -> list[dict]:
    """The slice with most lesion of each patient, if there is any, by patient."""
    found: dict[str, dict] = {}
    for row in largest_first(item["labels"] for item in slices):
        item = slices[row]
        if np.isin(item["labels"], LESION_LABELS).any():
            found.setdefault(item["subject"], item)
    return [found[name] for name in sorted(found)]


def _summary(
    numbers: Mapping[str, np.ndarray | None], sequences: Sequence[str]
) -> dict:
    """Means over sequences, and the numbers ``(S,)`` of each sequence."""
    means = {
        name: None if values is None else float(values.mean())
        for name, values in numbers.items()
    }
    by_sequence = {
        sequence: {
            name: None if values is None else float(values[channel])
            for name, values in numbers.items()
        }
        for channel, sequence in enumerate(sequences)
    }
    return {**means, "sequences": by_sequence}


EDITS = TableScore(
    name="edits",
    columns=(
        Column("Edit, inside", "{:.1f}", lambda summary: summary["inside"]),
        Column("Edit, outside", "{:.2f}", lambda summary: summary["outside"]),
        Column("Edit undone", "{:.2f}", lambda summary: summary["undone"]),
    ),
    note="Edit: the lesion is removed from the mask of one slice of each patient, and "
    "the synthesized image is compared with the image before: mean absolute difference "
    "on 0..255 inside the lesion, and outside of it in the brain (0 is best). Edit "
    "undone: the difference in the brain after the lesion is inserted again (0 is "
    "best).",
)
