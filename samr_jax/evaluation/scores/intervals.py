"""How far scores would move with other patients: bootstrap intervals.

Patients are drawn, not slices or pixels, since those of one patient are alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np


def bootstrap_interval(
    values: Sequence[float | None],
    *,
    seed: int,
    level: float = 0.95,
    weights: Sequence[float] | None = None,
    draws: int = 2000,
) -> tuple[float, float] | None:
    """Percentile interval of the mean over patients, who are drawn with replacement.

    Args:
      values: one a patient; None where the patient has no such score.
      seed: of the draws.
      level: of the interval.
      weights: one a patient, for a weighted mean; equal by default. A patient without
        weight is not drawn.
      draws: how many.

    Returns:
      The interval, or None with fewer than two patients to draw from.
    """
    weights = np.ones(len(values)) if weights is None else np.asarray(weights, float)
    values = np.array(values, np.float64)  # None becomes NaN
    known = np.isfinite(values) & (weights > 0)
    if known.sum() < 2:
        return None
    values, weights = values[known], weights[known]
    rows = np.random.default_rng(seed).choice(len(values), (draws, len(values)))
    means = (values * weights)[rows].sum(axis=1) / weights[rows].sum(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def average_intervals(
    summary: Mapping, *, seed: int, level: float = 0.95
) -> dict[str, tuple[float, float] | None]:
    """Interval over patients of each score in a summary's ``average``."""
    subjects, weights = summary["subjects"], summary["weights"]
    return {
        score: bootstrap_interval(
            [subjects[name][score] for name in subjects],
            weights=[weights[name][score] for name in subjects],
            seed=seed,
            level=level,
        )
        for score in summary["average"]
    }


def dice_intervals(
    summary: Mapping, *, seed: int, level: float = 0.95
) -> dict[str, tuple[float, float] | None]:
    """Interval over patients of each label's Dice in a `DiceCounts.summary`."""
    subjects = summary["subjects"]
    return {
        label: bootstrap_interval(
            [subjects[name][label] for name in subjects], seed=seed, level=level
        )
        for label in summary["dice"]
    }


def difference_intervals(
    summary: Mapping, baseline: Mapping, *, seed: int, level: float = 0.95
) -> dict[str, tuple[float, float] | None]:
    """Interval of each label's gain in Dice over a baseline, patient by patient.

    Args:
      summary, baseline: of `DiceCounts.summary`, over the same patients.
    """
    ours, theirs = summary["subjects"], baseline["subjects"]

    def gain(name: str, label: str) -> float | None:
        pair = ours[name][label], theirs[name][label]
        return None if None in pair else pair[0] - pair[1]

    return {
        label: bootstrap_interval(
            [gain(name, label) for name in ours], seed=seed, level=level
        )
        for label in summary["dice"]
    }
