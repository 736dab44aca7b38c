"""Does a method repeat its training images?

A slice is compared with all training slices. If synthesized ones lie much closer to
their nearest than real test slices do, the method repeats what it has seen. A ratio
near 1 does not prove the reverse: smooth images lie close to everything.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from samr_jax.data.window import unpack
from samr_jax.evaluation.scores.score import Column, ScoredSlices, ScoreKind, Setting

SIDE = 64
"""Slices are averaged over blocks until neither side has twice as many pixels."""


def features(images: np.ndarray) -> np.ndarray:
    """Images ``(N, H, W, S)`` as rows of block means, float32."""
    n, height, width, channels = images.shape
    rows, columns = max(1, height // SIDE), max(1, width // SIDE)
    height, width = height - height % rows, width - width % columns
    blocks = images[:, :height, :width].reshape(
        n, height // rows, rows, width // columns, columns, channels
    )
    return blocks.mean((2, 4), dtype=np.float32).reshape(n, -1)


def nearest_distance(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Root mean square difference of each row to the nearest of `others`."""
    # |a - b|^2 without |a|^2, which is the same for all b, finds the nearest by one
    # matrix product; the distance itself is taken again, for its lost digits.
    closeness = np.square(others).sum(axis=1) - 2 * rows @ others.T
    nearest = others[closeness.argmin(axis=1)]
    return np.sqrt(np.square(rows - nearest).mean(axis=1, dtype=np.float64))


class NearestTraining:
    """Accumulates each slice's distance to the nearest training slice."""

    def __init__(self, training: Iterable[np.ndarray]):
        """Args:
        training: images ``(H, W, S)`` in [-1, 1], one a slice.
        """
        self._training = np.concatenate([features(image[None]) for image in training])
        self._distances: dict[str, list[np.ndarray]] = {"synthesized": [], "real": []}

    def add(self, slices: ScoredSlices) -> None:
        """Adds synthesized slices and the real slices of their masks."""
        pair = {"synthesized": slices.synthesized, "real": slices.real}
        for name, images in pair.items():
            distance = nearest_distance(features(images), self._training)
            self._distances[name].append(distance)

    def summary(self) -> dict:
        """JSON-ready: ``ratio``, the median over slices of a synthesized slice's
        distance over that of its real slice (None if every real slice is a training
        slice); ``lowest``, the smallest such ratio; and the mean distances of
        ``synthesized`` and ``real`` slices in network intensity."""
        ours = np.concatenate(self._distances["synthesized"])
        real = np.concatenate(self._distances["real"])
        ratios = ours[real > 0] / real[real > 0]
        return {
            "ratio": float(np.median(ratios)) if ratios.size else None,
            "lowest": float(ratios.min()) if ratios.size else None,
            "synthesized": float(ours.mean()),
            "real": float(real.mean()),
            "training_slices": len(self._training),
        }


def _make(setting: Setting) -> NearestTraining | None:
    """None for the training split itself, and without training slices."""
    training = setting.dataset.split("train")
    if setting.split == "train" or not len(training):
        return None
    return NearestTraining(unpack(item["images"]) for item in training)


MEMORISATION = ScoreKind(
    name="memorisation",
    make=_make,
    columns=(
        Column(
            heading="Nearest ratio",
            pattern="{:.3f}",
            value=lambda summary: summary["ratio"],
            real=lambda summary: 1.0,
        ),
    ),
    note="Nearest ratio: distance of a synthesized slice to the nearest training slice "
    "over the distance of the real slice, median; far below 1 means repeated training "
    "images.",
)
