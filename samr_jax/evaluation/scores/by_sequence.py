"""Scores that have one number a sequence, and what real images reach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from samr_jax.evaluation.scores.score import Column


def by_sequence(
    sequences: Sequence[str],
    values: Sequence[float] | np.ndarray,
    floor: Sequence[float] | np.ndarray | None,
) -> dict:
    """The summary of such a score.

    Args:
      sequences: S names.
      values: ``(S,)`` of the synthesized images.
      floor: ``(S,)`` of real held-out images; None if it is not known.

    Returns:
      JSON-ready: ``sequences``, name -> value; ``value``, their mean; and the same of
      real images, ``floor_sequences`` and ``floor``. What is not finite is None.
    """
    out = _named(sequences, values, "value", "sequences")
    if floor is not None:
        out |= _named(sequences, floor, "floor", "floor_sequences")
    return out


def column(heading: str, pattern: str) -> Column:
    """The column of such a score: its mean over sequences."""
    return Column(heading, pattern, _value, _floor)


def _named(
    names: Sequence[str], values: Sequence[float] | np.ndarray, mean: str, each: str
) -> dict[str, float | dict[str, float | None] | None]:
    known = [float(v) if np.isfinite(v) else None for v in values]
    finite = [v for v in known if v is not None]
    return {
        mean: float(np.mean(finite)) if finite else None,
        each: dict(zip(names, known, strict=True)),
    }


def _value(summary: Mapping) -> float | None:
    return summary["value"]


def _floor(summary: Mapping) -> float | None:
    return summary.get("floor")
