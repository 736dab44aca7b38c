"""Do synthesized images look like real ones to a network? KID, density and coverage.

The features are those of a segmenter that was trained on real images: its innermost
layer, averaged over the slice. Equal numbers of slices are compared, since distances
depend on the number. Every feature is divided by its standard deviation over the real
slices, so that a score does not depend on the scale of a network's features.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy.spatial import distance

from samr_jax.evaluation.scores.score import Column, ScoredSlices, ScoreKind, Setting

NEIGHBOURS = 5
"""Of a real slice, whose distance is the radius of its neighbourhood."""


def kid(one: np.ndarray, other: np.ndarray) -> float:
    """Kernel inception distance of two sets of features (Binkowski 2018).

    It is the unbiased estimate of the squared maximum mean discrepancy with the kernel
    ``(x·y / D + 1)³``: 0 on average if both sets are drawn alike, so that it may be
    below 0.

    Args:
      one, other: ``(N, D)`` and ``(M, D)``, of two rows at least.
    """

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (a @ b.T / a.shape[1] + 1) ** 3

    def within(a: np.ndarray) -> float:
        values = kernel(a, a)
        return (values.sum() - np.trace(values)) / (len(a) * (len(a) - 1))

    one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
    return float(within(one) + within(other) - 2 * kernel(one, other).mean())


def density_coverage(
    real: np.ndarray, fake: np.ndarray, *, neighbours: int = NEIGHBOURS
) -> tuple[float, float]:
    """Density and coverage of synthesized features (Naeem 2020).

    Every real row has a ball that reaches to its k-th nearest real neighbour.

    Args:
      real: ``(N, D)``, of more than `neighbours` rows.
      fake: ``(M, D)``.
      neighbours: k.

    Returns:
      Density, the number of balls around a synthesized row divided by k, on average:
      about 1 for real ones, less if they are unlike. Coverage, the share of real rows
      whose ball holds a synthesized row: 1 is best.
    """
    among = np.sort(distance.cdist(real, real), axis=1)
    radius = among[:, neighbours]  # the first is the row itself
    inside = distance.cdist(real, fake) <= radius[:, None]
    return float(inside.sum() / neighbours / len(fake)), float(
        inside.any(axis=1).mean()
    )


class FeatureDistance:
    """Accumulates features of synthesized, real and training slices."""

    def __init__(self, setting: Setting):
        judge: Any = setting.judge
        self._features: Callable = judge.features
        self._fake: list[np.ndarray] = []
        self._real: list[np.ndarray] = []
        self._training: np.ndarray | None = None
        if setting.training is not None:
            self._training = self._features(setting.training.images)

    def add(self, slices: ScoredSlices) -> None:
        self._fake.append(self._features(slices.synthesized))
        self._real.append(self._features(slices.real))

    def summary(self) -> dict | None:
        """``synthesized``: ``kid``, ``density``, ``coverage`` of synthesized slices;
        ``real``: those of training slices, compared with the same real slices; and the
        number of ``slices``. None with too few slices."""
        fake, real = np.concatenate(self._fake), np.concatenate(self._real)
        if len(real) <= NEIGHBOURS:
            return None
        out = {"synthesized": compared(real, fake), "slices": len(real)}
        if self._training is not None:
            count = min(len(real), len(self._training))
            if count > NEIGHBOURS:
                pair = (_evenly(x, count) for x in (real, self._training))
                out["real"] = compared(*pair)
        return out


def compared(real: np.ndarray, other: np.ndarray) -> dict[str, float | None]:
    """All three scores of a set of features against those of real slices."""
    scale = real.std(axis=0)
    varied = scale > 0
    real, other = (x[:, varied] / scale[varied] for x in (real, other))
    if not varied.any():
        return dict.fromkeys(("kid", "density", "coverage"))
    density, coverage = density_coverage(real, other)
    return {"kid": kid(real, other), "density": density, "coverage": coverage}


def _evenly(rows: np.ndarray, count: int) -> np.ndarray:
    return rows[np.linspace(0, len(rows) - 1, count).round().astype(int)]


def _make(setting: Setting) -> FeatureDistance | None:
    if setting.judge is None or setting.judge.features is None:
        return None
    return FeatureDistance(setting)


def _column(heading: str, name: str) -> Column:
    def number(summary: Mapping, images: str) -> float | None:
        return summary.get(images, {}).get(name)

    return Column(
        heading,
        "{:.3f}",
        lambda summary: number(summary, "synthesized"),
        lambda summary: number(summary, "real"),
    )


FEATURE_DISTANCE = ScoreKind(
    name="feature_distance",
    make=_make,
    columns=(
        _column("KID", "kid"),
        _column("Density", "density"),
        _column("Coverage", "coverage"),
    ),
    note="KID, density and coverage: of synthesized against real slices, in the "
    "features of the innermost layer of a U-Net trained on real images; KID 0 and "
    "coverage 1 are best.",
    judged=True,
)
