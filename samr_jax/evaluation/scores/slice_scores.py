"""Scores of one slice and sequence, averaged over a split: the paper's metrics.

Totals and weights are kept, so that a percentage of a split is a percentage of its
pixels and not a mean of the slices' percentages.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from samr_jax.evaluation.scores.intensity import (
    DATA_RANGE,
    TOLERANCE,
    to_metric_range,
)
from samr_jax.evaluation.scores.score import ScoredSlices
from samr_jax.runtime.errors import InputError

Measured = Mapping[str, tuple[np.ndarray, float]]
"""Name of a score -> its total over a slice ``(S,)``, by sequence, and its weight."""


@dataclasses.dataclass(frozen=True)
class SliceColumn:
    """How a table prints a score of slices.

    Attributes:
      heading: title of the column.
      pattern: format of a number.
      in_paper: whether the paper's Tables I and III have this column.
    """

    heading: str
    pattern: str
    in_paper: bool = True


@dataclasses.dataclass(frozen=True)
class SliceMeasure:
    """Scores that are measured together on a slice.

    Attributes:
      measure: synthesized and real slice ``(H, W, S)`` in 0..255 and label map
        ``(H, W)`` to `Measured`. A split's score is the sum of the totals over the sum
        of the weights.
      columns: name of a score -> how a table prints it, None if no table does.
    """

    measure: Callable[[np.ndarray, np.ndarray, np.ndarray], Measured]
    columns: Mapping[str, SliceColumn | None]


class SliceScores:
    """Accumulates scores of slices over a split, patient by patient."""

    def __init__(self, sequences: Sequence[str], measures: Sequence[SliceMeasure]):
        self._sequences = tuple(sequences)
        self._measures = tuple(measures)
        self._names = [name for m in measures for name in m.columns]
        self._subjects: dict[str, _Sums] = {}

    def add(self, slices: ScoredSlices) -> None:
        """Adds slices.

        Raises:
          InputError: a synthesized value is not finite.
        """
        bad = np.count_nonzero(~np.isfinite(slices.synthesized))
        if bad:
            raise InputError(
                f"synthesized images: {bad} values are not finite, expected [-1, 1]"
            )
        synthesized = to_metric_range(slices.synthesized)
        real = to_metric_range(slices.real)
        for fake, true, labels, name in zip(
            synthesized, real, slices.labels, slices.subjects, strict=True
        ):
            sums = self._subjects.setdefault(name, self._nothing())
            for measure in self._measures:
                sums.add(measure.measure(fake, true, labels))
            sums.slices += 1

    def summary(self) -> dict:
        """JSON-ready scores.

        Returns:
          ``sequences`` has the scores of each sequence (None where no slice has the
          region), ``average`` their mean over sequences, ``subjects`` the averages of
          each patient, and ``weights`` how much each patient counts in the split's
          score: the pixels of the region, or the slices.

        Raises:
          InputError: no slice was added.
        """
        if not self._subjects:
            raise InputError("no slices to score, expected at least one")
        patients = sorted(self._subjects.items())
        total = sum((sums for _, sums in patients), self._nothing())
        return {
            "data_range": DATA_RANGE,
            "region": "whole slice",
            "tolerance": TOLERANCE,
            "slices": total.slices,
            "sequences": dict(zip(self._sequences, total.scores(), strict=True)),
            "average": average(total.scores()),
            "subjects": {name: average(sums.scores()) for name, sums in patients},
            "weights": {name: dict(sums.weights) for name, sums in patients},
        }

    def _nothing(self) -> _Sums:
        return _Sums(self._names, len(self._sequences))


class _Sums:
    """Totals by sequence and weights of every score."""

    def __init__(self, names: Sequence[str], sequences: int):
        self.slices = 0
        self.totals = {name: np.zeros(sequences) for name in names}
        self.weights: dict[str, float] = dict.fromkeys(names, 0)

    def add(self, measured: Measured) -> None:
        for name, (total, weight) in measured.items():
            self.totals[name] = self.totals[name] + total
            self.weights[name] += weight

    def __add__(self, other: _Sums) -> _Sums:
        out = _Sums(list(self.totals), 0)
        out.slices = self.slices + other.slices
        for name in self.totals:
            out.totals[name] = self.totals[name] + other.totals[name]
            out.weights[name] = self.weights[name] + other.weights[name]
        return out

    def scores(self) -> list[dict[str, float | None]]:
        """One dictionary a sequence."""
        sequences = len(next(iter(self.totals.values())))
        return [
            {
                name: float(total[channel] / weight)
                if (weight := self.weights[name])
                else None
                for name, total in self.totals.items()
            }
            for channel in range(sequences)
        ]


def average(scores: Sequence[Mapping[str, float | None]]) -> dict[str, float | None]:
    """The mean of each score over several dictionaries; None where none has it."""
    out = {}
    for name in scores[0]:
        found = (item[name] for item in scores)
        values = [value for value in found if value is not None]
        out[name] = float(np.mean(values)) if values else None
    return out
