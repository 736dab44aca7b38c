"""Do synthesized images have the fine structure of real ones? Their power spectra.

SSIM hardly sees blur; a power spectrum does. The power of the brain's intensities is
averaged over directions, for each spatial frequency, and over slices. Between two sets
of images the score is the mean absolute difference of their spectra in dB, from .03 to
.35 cycles a pixel: below lies the brain's outline, above the noise of interpolation.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from samr_jax.evaluation.scores.by_sequence import by_sequence, column
from samr_jax.evaluation.scores.score import ScoredSlices, ScoreKind, Setting
from samr_jax.labels import BACKGROUND

LOWEST, HIGHEST = 0.03, 0.35
"""Cycles a pixel."""

MIN_BRAIN = 0.05
"""Slices with less brain than this share of their area are left out."""


def power_spectrum(image: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """Radially averaged power spectrum of a slice's brain.

    The mean over the brain is subtracted and what lies outside is 0. The power is
    divided by the number of the brain's pixels, so that brains of different sizes can
    be compared.

    Args:
      image: ``(H, W)``.
      brain: boolean ``(H, W)``, not empty.

    Returns:
      The mean power in rings of equal width from `LOWEST` to `HIGHEST`. The width is
      about the resolution of the slice.
    """
    inside = np.where(brain, image - image[brain].mean(), 0.0)
    power = np.square(np.abs(np.fft.fft2(inside))) / np.count_nonzero(brain)
    rows, columns = (np.fft.fftfreq(size) for size in image.shape)
    frequency = np.hypot(rows[:, None], columns)
    count = max(2, int((HIGHEST - LOWEST) * min(image.shape)))
    edges = np.linspace(LOWEST, HIGHEST, count + 1)
    ring = np.digitize(frequency, edges)
    total = np.bincount(ring.ravel(), power.ravel(), count + 2)
    pixels = np.bincount(ring.ravel(), minlength=count + 2)
    return (total / np.maximum(pixels, 1))[1:-1]


def decibels(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Mean absolute difference of spectra ``(S, R)`` in dB, ``(S,)``."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.abs(10 * np.log10(one / other)).mean(axis=-1)


class Spectrum:
    """Accumulates the spectra of synthesized, real and training slices."""

    def __init__(self, setting: Setting):
        self._sequences = setting.dataset.sequences
        self._fake, self._real = _Mean(), _Mean()
        self._training = None
        if setting.training is not None:
            self._training = _Mean()
            self._training.add(setting.training.images, setting.training.labels)

    def add(self, slices: ScoredSlices) -> None:
        self._fake.add(slices.synthesized, slices.labels)
        self._real.add(slices.real, slices.labels)

    def summary(self) -> dict | None:
        """See `by_sequence`; None if no slice has enough brain."""
        if not self._real.slices:
            return None
        floor = None
        if self._training is not None and self._training.slices:
            floor = decibels(self._real.spectra, self._training.spectra)
        values = decibels(self._fake.spectra, self._real.spectra)
        return by_sequence(self._sequences, values, floor)


class _Mean:
    """The mean spectrum of many slices, by sequence."""

    def __init__(self):
        self.slices = 0
        self._total: Any = 0.0

    @property
    def spectra(self) -> np.ndarray:
        """``(S, R)``."""
        return self._total / self.slices

    def add(self, images: np.ndarray, labels: np.ndarray) -> None:
        for image, brain in zip(images, labels != BACKGROUND, strict=True):
            if brain.mean() < MIN_BRAIN:
                continue
            channels = np.moveaxis(image.astype(np.float64), -1, 0)
            self._total = self._total + np.stack(
                [power_spectrum(channel, brain) for channel in channels]
            )
            self.slices += 1


SPECTRUM = ScoreKind(
    name="spectrum",
    make=Spectrum,
    columns=(column("Spectrum, dB", "{:.1f}"),),
    note="Spectrum: mean absolute difference of power spectra inside the brain, .03 "
    "to .35 cycles a pixel, mean over sequences; 0 is best. (real images): held-out "
    "against training patients, here and in the columns to the right.",
)
