"""Several runs that differ in their seed, as one evaluation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from samr_jax.evaluation.scores.intervals import average_intervals, dice_intervals
from samr_jax.runtime.errors import InputError


def over_seeds(results: Sequence[Mapping]) -> dict:
    """The mean of evaluations, in the form of one.

    Args:
      results: evaluations of one method on one split, each of another seed; or the
        ``segmentation`` of each evaluation.

    Returns:
      Every number is the mean over seeds (None where no seed has one); ``provenance``,
      which each run has of its own, is left out. Three fields are added: ``seeds``, the
      number of seeds; ``spread``, the same tree with standard deviations over seeds (0
      for a single seed); and ``intervals`` over patients of the patients' means.
    """
    results = [{k: v for k, v in r.items() if k != "provenance"} for r in results]
    mean = mean_tree(results)
    mean["spread"] = _combine(results, lambda values: float(np.std(values, ddof=1)))
    mean["seeds"] = len(results)
    if "average" in mean:
        mean["intervals"] = average_intervals(mean)
    if "dice" in mean:
        mean["intervals"] = dice_intervals(mean)
    return mean


def mean_tree(values: Sequence[Mapping]) -> dict:
    """The mean of trees of numbers, leaf by leaf, over the trees that have a number.

    Names and curves are taken from the first tree.
    """
    return _combine(values, _mean)


def _combine(
    values: Sequence[Any], combine: Callable[[list], float], place: str = ""
) -> Any:
    """Combines trees leaf by leaf, over the trees that have the leaf.

    Names and curves are taken from the first of these trees.

    Raises:
      InputError: a place has a number in one tree and something else in another.
    """
    known = [value for value in values if value is not None]
    if not known:
        return None
    first = known[0]
    if len({_form(value) for value in known}) > 1:
        raise InputError(
            f"{place}: of another form in one evaluation than in another, expected the "
            "same in all evaluations of a method"
        )
    if isinstance(first, Mapping):
        keys = dict.fromkeys(key for value in known for key in value)
        return {
            key: _combine(
                [value.get(key) for value in known],
                combine,
                f"{place}.{key}" if place else str(key),
            )
            for key in keys
        }
    if isinstance(first, bool | str | list | tuple):
        return first
    return combine(known) if len(known) > 1 else combine([known[0]] * 2)


def _form(value: Any) -> str:
    """Whether a value is a tree, a name or curve, or a number."""
    if isinstance(value, Mapping):
        return "tree"
    return "name" if isinstance(value, bool | str | list | tuple) else "number"


def _mean(values: list) -> float:
    """The mean; a count that all seeds share stays a whole number."""
    return values[0] if len(set(values)) == 1 else float(np.mean(values))
