"""The two trivial rows of Table I, scored in the same way as the methods."""

from __future__ import annotations

import functools
from collections.abc import Callable

from samr_jax.data.dataset import Dataset
from samr_jax.evaluation.evaluate import description, filled_split
from samr_jax.evaluation.scores.edits import edit_scores
from samr_jax.evaluation.scores.intervals import average_intervals
from samr_jax.evaluation.scores.registry import split_scores
from samr_jax.evaluation.scores.score import Setting
from samr_jax.evaluation.scores.trivial import (
    ATLAS,
    PAINTED,
    atlas_slices,
    label_means,
    painted_atlas,
)
from samr_jax.evaluation.scoring import batched, judge_of, score_syntheses
from samr_jax.models.generator import Synthesis
from samr_jax.runs.model import Model


def evaluate_trivial(
    dataset: Dataset,
    split: str,
    *,
    batch_size: int,
    segmenter: Model | None = None,
) -> dict[str, dict]:
    """Evaluates two syntheses that need no network: the atlas, plain and painted.

    Args:
      dataset: whose atlas and training patients are used.
      split: which of its splits is scored.
      batch_size: slices that are scored at a time.
      segmenter: trained on real images; see `samr_jax.evaluation.evaluate.evaluate`.

    Returns:
      Name of the row -> an evaluation of the same form as a method's.
    """
    slices = filled_split(dataset, split)
    means = label_means(dataset.split("train"))
    trivial: dict[str, Callable] = {
        ATLAS: atlas_slices,
        PAINTED: functools.partial(painted_atlas, means=means),
    }
    judge = None
    if segmenter is not None:
        judge = judge_of(segmenter, batch_size=batch_size)
    results = {}
    for name, synthesize in trivial.items():
        pairs = (
            (instances, Synthesis(synthesize(instances), None, None))
            for instances in batched(slices, batch_size)
        )
        scores = split_scores(Setting(dataset, split, judge=judge))
        result = score_syntheses(pairs, dataset.sequences, scores)
        result["intervals"] = average_intervals(result)
        if (edits := edit_scores(slices, synthesize)) is not None:
            result["edits"] = edits
        results[name] = description(name, "atlas", dataset, split) | result
    return results
