"""Are tissues as bright as they should be? The mean intensity of every label."""

from __future__ import annotations

import numpy as np

from samr_jax.evaluation.scores.by_sequence import by_sequence, column
from samr_jax.evaluation.scores.score import ScoredSlices, ScoreKind, Setting
from samr_jax.labels import BACKGROUND, LABELS

BRAIN_LABELS = tuple(code for code in range(len(LABELS)) if code != BACKGROUND)


def label_sums(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums ``(L, S)`` of the intensities of every label of the brain, and pixels."""
    masks = [labels == code for code in BRAIN_LABELS]
    sums = np.stack([images[mask].sum(axis=0, dtype=np.float64) for mask in masks])
    return sums, np.array([np.count_nonzero(mask) for mask in masks])


class IntensityError:
    """Accumulates the mean intensity of every label of the brain."""

    def __init__(self, setting: Setting):
        self._sequences = setting.dataset.sequences
        shape = (len(BRAIN_LABELS), len(self._sequences))
        self._fake = self._real = np.zeros(shape)
        self._pixels = np.zeros(len(BRAIN_LABELS))
        self._training = None
        if (training := setting.training) is not None:
            self._training = _means(*label_sums(training.images, training.labels))

    def add(self, slices: ScoredSlices) -> None:
        fake, pixels = label_sums(slices.synthesized, slices.labels)
        real, _ = label_sums(slices.real, slices.labels)
        self._fake, self._real = self._fake + fake, self._real + real
        self._pixels = self._pixels + pixels

    def summary(self) -> dict | None:
        """See `by_sequence`: the mean over labels of the absolute difference of mean
        intensities, in percent of the range; and ``labels``, each label's signed
        difference by sequence."""
        if not self._pixels.any():
            return None
        real = _means(self._real, self._pixels)
        error = 50 * (_means(self._fake, self._pixels) - real)
        floor = None
        if self._training is not None:
            floor = _mean_over_labels(50 * (real - self._training))
        out = by_sequence(self._sequences, _mean_over_labels(error), floor)
        out["labels"] = {
            LABELS[code]: {
                name: float(value) if np.isfinite(value) else None
                for name, value in zip(self._sequences, row, strict=True)
            }
            for code, row in zip(BRAIN_LABELS, error, strict=True)
        }
        return out


def _means(sums: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """NaN for a label without pixels."""
    with np.errstate(invalid="ignore"):
        return sums / pixels[:, None]


def _mean_over_labels(errors: np.ndarray) -> np.ndarray:
    """``(L, S)`` signed to ``(S,)`` absolute, over the labels that have pixels."""
    known = np.isfinite(errors)
    total = np.where(known, np.abs(errors), 0).sum(axis=0)
    with np.errstate(invalid="ignore"):
        return total / known.sum(axis=0)


INTENSITY_ERROR = ScoreKind(
    name="intensity_error",
    make=IntensityError,
    columns=(column("Intensity error, %", "{:.2f}"),),
    note="Intensity error: absolute difference of a label's mean intensity in "
    "synthesized and real images, in percent of the range, mean over labels and "
    "sequences.",
)
