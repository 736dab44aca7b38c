"""SSIM inside the brain: the paper's SSIM counts the empty background, too."""

from __future__ import annotations

import numpy as np

from samr_jax.evaluation.scores.by_sequence import by_sequence, column
from samr_jax.evaluation.scores.intensity import to_metric_range
from samr_jax.evaluation.scores.score import (
    RealSlices,
    ScoredSlices,
    ScoreKind,
    Setting,
)
from samr_jax.evaluation.scores.similarity import ssim_map
from samr_jax.labels import BACKGROUND


def ssim_sum(one: np.ndarray, other: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """The sum of SSIM over the brain's pixels, by sequence ``(S,)``.

    Args:
      one, other: ``(H, W, S)`` in 0..255.
      brain: boolean ``(H, W)``.
    """
    channels = range(one.shape[-1])
    maps = [ssim_map(one[..., i], other[..., i])[1] for i in channels]
    return np.array([values[brain].sum() for values in maps])


class BrainSsim:
    """Accumulates SSIM over the brain's pixels.

    The floor is the SSIM of a real slice and the real slice of a training patient at
    the same height: what another brain would score.
    """

    def __init__(self, setting: Setting):
        self._sequences = setting.dataset.sequences
        self._others = _by_height(setting.training)
        self._total = self._floor = np.zeros(len(self._sequences))
        self._pixels = self._compared = 0

    def add(self, slices: ScoredSlices) -> None:
        fake, real = map(to_metric_range, (slices.synthesized, slices.real))
        brains = slices.labels != BACKGROUND
        for place, height in enumerate(slices.heights):
            brain, pixels = brains[place], int(np.count_nonzero(brains[place]))
            self._total = self._total + ssim_sum(fake[place], real[place], brain)
            self._pixels += pixels
            if height in self._others:
                other = to_metric_range(self._others[height])
                self._floor = self._floor + ssim_sum(other, real[place], brain)
                self._compared += pixels

    def summary(self) -> dict | None:
        """See `by_sequence`; None without brain."""
        if not self._pixels:
            return None
        floor = self._floor / self._compared if self._compared else None
        return by_sequence(self._sequences, self._total / self._pixels, floor)


def _by_height(training: RealSlices | None) -> dict[int, np.ndarray]:
    """A slice of a training patient for each height."""
    if training is None:
        return {}
    return dict(zip(training.heights, training.images, strict=True))


BRAIN_SSIM = ScoreKind(
    name="brain_ssim",
    make=BrainSsim,
    columns=(column("Brain SSIM", "{:.3f}"),),
    note="Brain SSIM: SSIM averaged over the brain's pixels and over sequences. (real "
    "images): of another patient's slice at the same height.",
)
