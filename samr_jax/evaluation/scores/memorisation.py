"""Does a method repeat its training images?

A slice is compared with all training slices. If synthesized ones lie much closer to
their nearest than real test slices do, the method repeats what it has seen. A ratio
near 1 does not prove the reverse: smooth images lie close to everything.

A training image that is mirrored or slightly shifted is a repetition, too. Therefore
the slice is mirrored and shifted, and the smallest of all distances counts.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from samr_jax.data.window import unpack
from samr_jax.evaluation.scores.score import Column, ScoredSlices, ScoreKind, Setting

SIDE = 32
"""Slices are averaged over blocks until neither side has twice as many pixels."""

REACH = 2
"""Largest shift along rows and columns, in pixels of the averaged slices."""


def reduced(images: np.ndarray) -> np.ndarray:
    """Means ``(N, h, w, S)`` over blocks of images ``(N, H, W, S)``, float32."""
    n, height, width, channels = images.shape
    rows, columns = max(1, height // SIDE), max(1, width // SIDE)
    height, width = height - height % rows, width - width % columns
    blocks = images[:, :height, :width].reshape(
        n, height // rows, rows, width // columns, columns, channels
    )
    return blocks.mean((2, 4), dtype=np.float32)


def middle(small: np.ndarray, down: int = 0, right: int = 0) -> np.ndarray:
    """Averaged slices without their outer `REACH` pixels, as rows ``(N, D)``.

    Args:
      small: ``(N, h, w, S)``.
      down, right: how far the part that is taken lies from the middle, at most `REACH`.
    """
    top, left = REACH + down, REACH + right
    height, width = (size - 2 * REACH for size in small.shape[1:3])
    part = small[:, top : top + height, left : left + width]
    return part.reshape(len(small), -1)


def variants(images: np.ndarray) -> np.ndarray:
    """Slices and their mirror images in all shifts, as rows ``(50, N, D)``.

    Args:
      images: ``(N, H, W, S)``; a mirror image has its columns reversed.
    """
    shifts = range(-REACH, REACH + 1)
    both = reduced(images), reduced(images[:, :, ::-1])
    return np.stack([middle(s, y, x) for s in both for y in shifts for x in shifts])


def nearest_distance(images: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Distance of each slice to the nearest training slice, ``(N,)``.

    The distance is the root mean square difference, and the smallest one over the 50
    `variants` of the slice. The cost is one matrix product with about 40,000
    multiplications for each pair of slices and each sequence: 5 ms of one core for a
    slice, 1,000 training slices and four sequences.

    Args:
      images: ``(N, H, W, S)``.
      others: `middle` of the training slices.
    """
    changed = variants(images)
    rows = changed.reshape(-1, changed.shape[-1])
    # |a - b|^2 without |a|^2, which is the same for all b, finds the nearest by one
    # matrix product; the distance itself is taken again, for its lost digits.
    closeness = np.square(others).sum(axis=1) - 2 * rows @ others.T
    nearest = others[closeness.argmin(axis=1)]
    squares = np.square(rows - nearest).mean(axis=1, dtype=np.float64)
    return np.sqrt(squares.reshape(changed.shape[:2]).min(axis=0))


class NearestTraining:
    """Accumulates each slice's distance to the nearest training slice."""

    def __init__(self, training: Iterable[np.ndarray]):
        """Args:
        training: images ``(H, W, S)`` in [-1, 1], one a slice.
        """
        self._training = np.concatenate(
            [middle(reduced(image[None])) for image in training]
        )
        self._distances: dict[str, list[np.ndarray]] = {"synthesized": [], "real": []}

    def add(self, slices: ScoredSlices) -> None:
        """Adds synthesized slices and the real slices of their masks."""
        pair = {"synthesized": slices.synthesized, "real": slices.real}
        for name, images in pair.items():
            distance = nearest_distance(images, self._training)
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
    "over the distance of the real slice, median. The smallest distance over mirror "
    "images and small shifts counts. Far below 1 means repeated training images.",
)
