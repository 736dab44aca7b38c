"""The folds of a cross-validation as one evaluation, over all their patients."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from samr_jax.evaluation.scores.intervals import average_intervals, dice_intervals
from samr_jax.evaluation.scores.seeds import mean_tree
from samr_jax.evaluation.scores.slice_scores import average
from samr_jax.runtime.errors import InputError

_BY_PATIENT = (
    "provenance",
    "slices",
    "sequences",
    "average",
    "subjects",
    "weights",
    "intervals",
    "segmentation",
    "mask_follow",
)
"""Fields of an evaluation that are pooled over patients, or left out."""


def pool_folds(evaluations: Sequence[Mapping]) -> dict:
    """Pools evaluations of one method, each on the test patients of another fold.

    Args:
      evaluations: of the same method, in the order of the folds.

    Returns:
      An evaluation of all patients. Scores of slices and Dice are those of all patients
      together. Other scores of a whole split, such as the calibration, are means over
      the folds. ``dataset_hash`` stands for the datasets of all folds, and ``folds`` is
      their number. One evaluation alone is returned as it is.

    Raises:
      InputError: a patient was tested in two folds, or the folds have other scores.
    """
    if len(evaluations) == 1:
        return dict(evaluations[0])
    _check_same_scores(evaluations)
    pooled = mean_tree([_without(e, _BY_PATIENT) for e in evaluations])
    if "average" in evaluations[0]:
        pooled |= _slice_scores(evaluations)
        pooled["intervals"] = average_intervals(pooled)
    if "segmentation" in evaluations[0]:
        pooled["segmentation"] = _dice([e["segmentation"] for e in evaluations])
    if "mask_follow" in evaluations[0]:
        follow = [e["mask_follow"] for e in evaluations]
        pooled["mask_follow"] = follow[0] | {
            name: _dice([one[name] for one in follow])
            for name in ("synthesized", "real")
        }
    hashes = "".join(e["dataset_hash"] for e in evaluations)
    pooled["dataset_hash"] = hashlib.sha256(hashes.encode()).hexdigest()
    pooled["folds"] = len(evaluations)
    return pooled


def _check_same_scores(evaluations: Sequence[Mapping]) -> None:
    """All folds have the scores, and the scores of the sequences, of the first fold."""
    first = evaluations[0]
    for fold, evaluation in enumerate(evaluations):
        for part in ("average", "sequences"):
            if evaluation.get(part, {}).keys() != first.get(part, {}).keys():
                raise InputError(
                    f"fold {fold}: {part} has other names than in fold 0, expected the "
                    "same"
                )
        for part in ("segmentation", "mask_follow"):
            if (part in evaluation) != (part in first):
                raise InputError(
                    f"fold {fold}: {part} is in one of the folds 0 and {fold} alone, "
                    "expected it in both"
                )


def _slice_scores(evaluations: Sequence[Mapping]) -> dict:
    """The fields of `SliceScores.summary`, over all folds' slices."""
    masses = [_masses(evaluation["weights"]) for evaluation in evaluations]
    sequences = {
        name: {
            score: _weighted_mean(
                [evaluation["sequences"][name][score] for evaluation in evaluations],
                [mass[score] for mass in masses],
            )
            for score in scores
        }
        for name, scores in evaluations[0]["sequences"].items()
    }
    return {
        "slices": sum(evaluation["slices"] for evaluation in evaluations),
        "sequences": sequences,
        "average": average(list(sequences.values())),
        "subjects": _joined([e["subjects"] for e in evaluations]),
        "weights": _joined([e["weights"] for e in evaluations]),
    }


def _dice(summaries: Sequence[Mapping]) -> dict:
    """A `DiceScores.summary` of all folds' patients."""
    pooled = dict(summaries[0])
    for count in ("missed", "deleted", "invented", "slices"):
        pooled[count] = {
            label: sum(summary[count][label] for summary in summaries)
            for label in summaries[0][count]
        }
    for scores in ("subjects", "hausdorff_subjects"):
        pooled[scores] = _joined([summary[scores] for summary in summaries])
    pooled["dice"] = average(list(pooled["subjects"].values()))
    pooled["hausdorff_95"] = average(list(pooled["hausdorff_subjects"].values()))
    false = [summary["false_positives"] for summary in summaries]
    pooled["false_positives"] = {
        label: {
            "patients": sum(one[label]["patients"] for one in false),
            "found_in": sum(one[label]["found_in"] for one in false),
            "mean_ml": _weighted_mean(
                [one[label]["mean_ml"] for one in false],
                [one[label]["patients"] for one in false],
            ),
        }
        for label in false[0]
    }
    if "intervals" in pooled:
        pooled["intervals"] = dice_intervals(pooled)
    return pooled


def _joined(parts: Sequence[Mapping[str, Mapping]]) -> dict[str, Mapping]:
    """Patients of all folds."""
    out: dict[str, Mapping] = {}
    for part in parts:
        if twice := sorted(out.keys() & part.keys()):
            raise InputError(
                f"patient {twice[0]}: tested in two folds, expected one fold"
            )
        out |= part
    return dict(sorted(out.items()))


def _masses(weights: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """The weight of each score, summed over patients."""
    names = next(iter(weights.values()))
    return {name: sum(own[name] for own in weights.values()) for name in names}


def _weighted_mean(
    values: Sequence[float | None], weights: Sequence[float]
) -> float | None:
    known = [(v, w) for v, w in zip(values, weights, strict=True) if v is not None]
    total = sum(weight for _, weight in known)
    return sum(v * w for v, w in known) / total if total else None


def _without(evaluation: Mapping, fields: Sequence[str]) -> dict:
    return {k: v for k, v in evaluation.items() if k not in fields}
