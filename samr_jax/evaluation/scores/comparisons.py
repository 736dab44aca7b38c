"""Do two rows of a table differ? Paired differences over patients, with p-values.

All comparisons of a table are looked at together. If each of them were tested by itself
at 5 %, one in twenty would show a difference where there is none, so that the p-values
are corrected for the number of comparisons (Holm 1979).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from scipy import stats

from samr_jax.evaluation.scores.intervals import Interval, mean_interval

Key = TypeVar("Key", bound=Hashable)


class Difference(NamedTuple):
    """The difference of two rows of a table, over the patients that both have.

    Attributes:
      mean: the mean difference.
      interval: its 95 % interval.
      p: two-sided p-value of the paired t-test that the mean is 0.
      patients: how many.
    """

    mean: float
    interval: Interval
    p: float
    patients: int


def difference(
    ours: Sequence[float | None], theirs: Sequence[float | None]
) -> Difference | None:
    """The paired difference of two rows, patient by patient.

    Args:
      ours, theirs: one value a patient, in the same order; None where there is none.

    Returns:
      The difference ``ours - theirs``, or None if fewer than `MIN_PATIENTS` patients
      have both.
    """
    gains = np.subtract(np.array(ours, np.float64), np.array(theirs, np.float64))
    gains = gains[np.isfinite(gains)]
    interval = mean_interval(gains)
    if interval is None:
        return None
    mean = float(gains.mean())
    if np.ptp(gains) > 0:
        p = float(stats.ttest_1samp(gains, 0).pvalue)
    else:
        p = float(mean == 0)
    return Difference(mean, interval, p, len(gains))


def subject_differences(
    ours: Mapping[str, Mapping[str, float | None]],
    theirs: Mapping[str, Mapping[str, float | None]],
    scores: Sequence[str],
) -> dict[str, Difference | None]:
    """The paired difference of each of several scores.

    Args:
      ours, theirs: patient -> score -> value, such as ``subjects`` of an evaluation;
        both of the same patients.
      scores: which scores to compare.
    """
    return {
        score: difference(
            [ours[name][score] for name in ours],
            [theirs[name][score] for name in ours],
        )
        for score in scores
    }


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values.

    Claims where the adjusted p-value is at most .05 are all true in at least 95 % of
    tables.

    Args:
      p_values: of all comparisons that are looked at together.

    Returns:
      In the same order: the k-th smallest of m p-values times ``m - k + 1``, at least
      the adjusted value of the one before and at most 1.
    """
    order = np.argsort(p_values, kind="stable")
    count = len(p_values)
    adjusted = np.empty(count)
    scaled = np.asarray(p_values, float)[order] * np.arange(count, 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1)
    return adjusted.tolist()


def corrected(
    differences: Mapping[Key, Difference | None],
) -> dict[Key, dict | None]:
    """All differences of a table, with p-values corrected for their number.

    Returns:
      JSON-ready: key -> the fields of `Difference`, ``p_holm`` and ``comparisons``, the
      number of differences that are known; None where a difference is None.
    """
    known = {key: value.p for key, value in differences.items() if value is not None}
    adjusted = dict(zip(known, holm(list(known.values())), strict=True))
    return {
        key: None
        if value is None
        else {
            **value._asdict(),
            "p_holm": adjusted[key],
            "comparisons": len(known),
        }
        for key, value in differences.items()
    }
