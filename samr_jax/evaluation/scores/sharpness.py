"""Are synthesized images as sharp as real ones? The variance of the Laplacian."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from samr_jax.evaluation.scores.by_sequence import by_sequence, column
from samr_jax.evaluation.scores.score import ScoredSlices, ScoreKind, Setting
from samr_jax.labels import BACKGROUND


def laplacian_squares(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, int]:
    """Sum of squared Laplacians inside the brain.

    Their mean is the variance, since the mean of a Laplacian is next to 0.

    Args:
      images: ``(N, H, W, S)``.
      labels: ``(N, H, W)``.

    Returns:
      The sum by sequence ``(S,)``, and the number of pixels whose four neighbours lie
      in the brain, too.
    """
    total, pixels = np.zeros(images.shape[-1]), 0
    for image, brain in zip(images, labels != BACKGROUND, strict=True):
        inner = ndimage.binary_erosion(brain)
        pixels += int(np.count_nonzero(inner))
        for channel in range(images.shape[-1]):
            curved = ndimage.laplace(image[..., channel].astype(np.float64))
            total[channel] += np.square(curved[inner]).sum()
    return total, pixels


class Sharpness:
    """Accumulates the variance of the Laplacian."""

    def __init__(self, setting: Setting):
        self._sequences = setting.dataset.sequences
        self._fake = self._real = np.zeros(len(self._sequences))
        self._pixels, self._training = 0, None
        if setting.training is not None:
            total, pixels = laplacian_squares(
                setting.training.images, setting.training.labels
            )
            self._training = total / max(pixels, 1)

    def add(self, slices: ScoredSlices) -> None:
        fake, pixels = laplacian_squares(slices.synthesized, slices.labels)
        real, _ = laplacian_squares(slices.real, slices.labels)
        self._fake, self._real = self._fake + fake, self._real + real
        self._pixels += pixels

    def summary(self) -> dict | None:
        """See `by_sequence`: synthesized over real; real held-out over training."""
        if not self._pixels:
            return None
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = self._fake / self._real
            floor = None
            if self._training is not None:
                floor = self._real / self._pixels / self._training
        return by_sequence(self._sequences, ratio, floor)


SHARPNESS = ScoreKind(
    name="sharpness",
    make=Sharpness,
    columns=(column("Laplacian ratio", "{:.2f}"),),
    note="Laplacian ratio: variance of the Laplacian inside the brain, synthesized "
    "over real, mean over sequences; below 1 is too smooth, above 1 too grainy.",
)
