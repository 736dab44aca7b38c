"""Intensity standardisation by histogram landmarks (Nyúl 2000), and its inverse."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from samr_jax.data.subject import Subject
from samr_jax.labels import BACKGROUND, LESION_LABELS
from samr_jax.runtime.errors import InputError
from samr_jax.sequences import MRSequence

PERCENTILES = (1, 10, 20, 30, 40, 50, 60, 70, 80, 90, 99)
"""Landmarks, of the healthy brain: lesions differ from patient to patient."""

SCALE = (1.0, 100.0)
"""Where the first and the last landmark go."""

MIN_SUBJECTS = 5
"""A scale fitted to fewer training subjects is theirs and nobody else's."""

MIN_SPREAD = 0.05
"""Variation of the medians between subjects that calls for standardisation."""


@dataclasses.dataclass(frozen=True)
class Standard:
    """The standard scale of every sequence, fitted on training subjects.

    Attributes:
      scales: sequence -> where its landmarks go ``(11,)``; a quantitative map, which
        keeps its unit, has none.
    """

    scales: Mapping[str, tuple[float, ...]]

    def apply(self, sequence: str, image: np.ndarray, marks: np.ndarray) -> np.ndarray:
        """Maps intensities to the standard scale, never below 0.

        Args:
          sequence: its name.
          image: any shape, in the scan's own unit; 0, outside the brain, stays 0.
          marks: the scan's landmarks, see `landmarks`.
        """
        if sequence not in self.scales:
            return image
        return through(image, marks, np.array(self.scales[sequence]))


def healthy_values(subject: Subject, channel: int) -> np.ndarray:
    """One sequence's intensities in the brain outside the lesion."""
    lesion = np.isin(subject.labels, LESION_LABELS)
    image = subject.images[..., channel]
    return image[(subject.labels != BACKGROUND) & ~lesion & (image != 0)]


def landmarks(values: np.ndarray, *, source: str) -> np.ndarray:
    """The landmarks ``(11,)`` of a list of intensities.

    Raises:
      InputError: two of them coincide, so that no map through them can be undone.
    """
    marks = np.percentile(values, PERCENTILES) if values.size else np.zeros(2)
    if not (np.diff(marks) > 0).all():
        raise InputError(
            f"{source}: two of its intensity percentiles coincide, expected a scan of "
            "more than a few grey values"
        )
    return marks


def fit_standard(
    sequences: Sequence[str], healthy: Mapping[str, Iterable[np.ndarray]]
) -> Standard:
    """Fits the standard scale.

    Args:
      sequences: names; quantitative maps are left as they are.
      healthy: sequence -> the healthy brain's intensities of each training subject.
    """
    from intensity_normalization import NyulNormalizer, create_image

    low, high = SCALE
    scales = {}
    for name in (s for s in sequences if MRSequence.named(s).anatomic):
        nyul = NyulNormalizer(output_min_value=low, output_max_value=high)
        nyul.fit_population([create_image(values + 0.0) for values in healthy[name]])
        scales[name] = tuple(float(v) for v in nyul.standard_scale)
    return Standard(scales)


def spread(medians: Sequence[float]) -> float:
    """Variation of subjects' median intensities: their deviation over their mean."""
    return float(np.std(medians) / max(abs(np.mean(medians)), 1e-6))


def through(image: np.ndarray, start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """The piecewise linear map that takes `start` to `stop`, its end pieces continued.

    Args:
      image: any shape; 0, which is outside the brain, stays 0.
      start, stop: increasing values; exchanged, they give the inverse.

    Returns:
      float32, never below 0.
    """
    slopes = np.diff(stop) / np.diff(start)
    piece = np.clip(np.searchsorted(start, image) - 1, 0, len(slopes) - 1)
    mapped = stop[piece] + slopes[piece] * (image - start[piece])
    return np.where(image != 0, np.maximum(mapped, 0), 0).astype(np.float32)
