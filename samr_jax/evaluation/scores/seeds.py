"""Several runs that differ in their seed, as one evaluation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from samr_jax.evaluation.scores.intervals import average_intervals, dice_intervals


def over_seeds(results: Sequence[Mapping]) -> dict:
    """The mean of evaluations, in the form of one.

    Args:
      results: of the same method on the same split, one a seed; whole ones, or the
        ``segmentation`` of each.

    Returns:
      Every number is the mean over seeds (None where no seed has one); the runs' own
      ``provenance`` is left out. Added are ``seeds``, how many they are; ``spread``,
      the same tree with standard deviations (0 of a single seed); and intervals over
      patients of the patients' means.
    """
    results = [{k: v for k, v in r.items() if k != "provenance"} for r in results]
    mean = _combine(results, _mean)
    mean["spread"] = _combine(results, lambda values: float(np.std(values, ddof=1)))
    mean["seeds"] = len(results)
    if "average" in mean:
        mean["intervals"] = average_intervals(mean, seed=0)
    if "dice" in mean:
        mean["intervals"] = dice_intervals(mean, seed=0)
    return mean


def _combine(values: Sequence[Any], combine: Callable[[list], float]) -> Any:
    """The same tree; leaves that are no numbers (names, curves) are the first's."""
    first = values[0]
    if isinstance(first, Mapping):
        return {
            key: _combine([value[key] for value in values], combine) for key in first
        }
    if isinstance(first, bool | str | list | tuple):
        return first
    known = [value for value in values if value is not None]
    if not known:
        return None
    return combine(known) if len(known) > 1 else combine([known[0]] * 2)


def _mean(values: list) -> float:
    """Counts that all seeds share stay whole."""
    return values[0] if len(set(values)) == 1 else float(np.mean(values))
