"""The two trivial rows of Table I, scored as the methods beside them are."""

from __future__ import annotations

import functools

from samr_jax.data.dataset import Dataset
from samr_jax.evaluation.evaluate import filled_split, further_parts, header
from samr_jax.evaluation.scores.intervals import average_intervals
from samr_jax.evaluation.scores.trivial import (
    ATLAS,
    PAINTED,
    atlas_slices,
    label_means,
    painted_atlas,
)
from samr_jax.evaluation.scoring import Fidelity, accumulate, batched
from samr_jax.models.generator import Synthesis
from samr_jax.runs.model import Model


def evaluate_trivial(
    dataset: Dataset,
    split: str,
    *,
    batch_size: int,
    segmenter: Model | None = None,
) -> dict[str, dict]:
    """Evaluations of what needs no network: the atlas, plain and painted.

    Returns:
      Name -> an evaluation as of a method that synthesizes.
    """
    slices = filled_split(dataset, split)
    means = label_means(dataset.split("train"))
    trivial = {
        ATLAS: atlas_slices,
        PAINTED: functools.partial(painted_atlas, means=means),
    }
    results = {}
    for name, synthesize in trivial.items():
        parts = further_parts(
            dataset, split, segmenter=segmenter, batch_size=batch_size
        )
        parts.append(Fidelity(dataset.sequences))
        pairs = (
            (batch, Synthesis(synthesize(batch), None, None))
            for batch in batched(slices, batch_size)
        )
        scores = accumulate(pairs, parts)
        scores["intervals"] = average_intervals(scores, seed=0)
        results[name] = header(name, "atlas", dataset, split) | scores
    return results
