"""The standard intensity scale of a cohort (Nyúl 2000), fitted on training subjects."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from samr_jax.prepare.subject.landmarks import piecewise_linear
from samr_jax.sequences import MRSequence

SCALE = (1.0, 100.0)
"""Standard values of the first and the last landmark."""

MIN_SUBJECTS = 5
"""A scale fitted to fewer training subjects would not suit other subjects."""

MIN_SPREAD = 0.05
"""Standardisation pays off when the subjects' median intensities vary by more."""


@dataclasses.dataclass(frozen=True)
class Standard:
    """The standard scale of every sequence.

    Attributes:
      scales: sequence -> standard values of the landmarks ``(11,)``. A quantitative
        map, which keeps its unit, has no entry.
    """

    scales: Mapping[str, tuple[float, ...]]

    def apply(self, sequence: str, image: np.ndarray, marks: np.ndarray) -> np.ndarray:
        """Maps intensities to the standard scale, never below 0.

        Args:
          sequence: its name.
          image: any shape, in the scan's own unit; 0 means outside the brain and
            stays 0.
          marks: the scan's own landmarks, from
            `samr_jax.prepare.subject.landmarks.landmarks`.
        """
        if sequence not in self.scales:
            return image
        return piecewise_linear(image, marks, np.array(self.scales[sequence]))


def fit_standard(
    sequences: Sequence[str], healthy: Mapping[str, Iterable[np.ndarray]]
) -> Standard:
    """Fits the standard scale.

    Args:
      sequences: names; quantitative maps get no scale.
      healthy: sequence -> the healthy brain's intensities of each training subject.
    """
    from intensity_normalization import NyulNormalizer, create_image

    low, high = SCALE
    scales = {}
    for name in (name for name in sequences if MRSequence.named(name).anatomic):
        nyul = NyulNormalizer(output_min_value=low, output_max_value=high)
        nyul.fit_population([create_image(values + 0.0) for values in healthy[name]])
        scale = nyul.standard_scale  # None before it is fitted
        scales[name] = tuple(float(v) for v in scale)  # type: ignore[union-attr]
    return Standard(scales)


def spread(medians: Sequence[float]) -> float:
    """Coefficient of variation of the subjects' median intensities."""
    return float(np.std(medians) / max(abs(float(np.mean(medians))), 1e-6))
