"""Does the confidence map predict the error (equation 1)?

``c·e − λ·log c`` is, up to the factor λ and a constant, the negative log-likelihood of
a Laplace distribution of scale ``λ / c``. So ``λ_cm / c`` is a prediction of the local
absolute error of the intermediate synthesis, and can be held against it: bin by bin
(reliability) and by order (rank correlation, sparsification). As c ≤ 1, no prediction
is below λ_cm. Where the error is smaller, as outside the brain, the prediction is too
large by construction, so that no number can be read without the region.

Errors are in network intensity, whose range [-1, 1] is 2 wide.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from scipy import stats

from samr_jax.evaluation.scores.score import Column, ScoredSlices, ScoreKind, Setting
from samr_jax.labels import BACKGROUND
from samr_jax.runtime.errors import InputError

CURVE_FRACTIONS = np.linspace(0, 0.95, 20)
"""Removed fractions at which a curve is kept; beyond them, few pixels are left."""


def expected_error(confidence: np.ndarray, *, lambda_cm: float) -> np.ndarray:
    """The absolute error that a confidence in (0, 1] stands for: λ_cm / c."""
    return lambda_cm / np.asarray(confidence, np.float64)


def half_scale_error(intermediate: np.ndarray, real: np.ndarray) -> np.ndarray:
    """``|ŷ − y↓|`` of equation (1).

    Args:
      intermediate: ``(N, H/2, W/2, S)`` the intermediate synthesis, in [-1, 1].
      real: ``(N, H, W, S)`` in [-1, 1]; y↓ is its mean over 2 x 2 pixels.

    Returns:
      ``(N, H/2, W/2, S)``.
    """
    n, h, w, s = intermediate.shape
    if real.shape != (n, 2 * h, 2 * w, s):
        raise ValueError(
            f"real images have shape {real.shape}, expected {(n, 2 * h, 2 * w, s)}"
        )
    half = np.asarray(real, np.float64).reshape(n, h, 2, w, 2, s).mean((2, 4))
    return np.abs(intermediate - half)


def confidence_calibration(
    confidence: np.ndarray,
    errors: np.ndarray,
    *,
    sequences: Sequence[str],
    lambda_cm: float,
    region: np.ndarray | None = None,
    bins: int = 10,
) -> dict:
    """Calibration of the confidence maps of each sequence.

    Args:
      confidence: ``(N, h, w, S)`` in (0, 1].
      errors: ``(N, h, w, S)`` from `half_scale_error`.
      sequences: names of the S channels.
      lambda_cm: the weight that training ended with.
      region: ``(N, h, w)`` boolean, the pixels that count; all by default.
      bins: of the reliability curve.

    Returns:
      JSON-ready; ``sequences`` has the result of `calibration` for each sequence.
    """
    if region is None:
        region = np.ones(confidence.shape[:-1], bool)
    predicted = expected_error(confidence[region], lambda_cm=lambda_cm)
    observed = errors[region]
    return {
        "lambda_cm": float(lambda_cm),
        "unit": "network intensity",
        "sequences": {
            name: calibration(predicted[:, channel], observed[:, channel], bins=bins)
            for channel, name in enumerate(sequences)
        },
    }


def calibration(predicted: np.ndarray, observed: np.ndarray, *, bins: int) -> dict:
    """Compares predicted with observed absolute errors.

    Args:
      predicted: positive, any shape.
      observed: absolute errors, same shape.
      bins: number of quantile bins of the reliability curve; equal predictions share a
        bin, so that there may be fewer.

    Returns:
      JSON-ready: ``reliability`` (see `reliability`), ``calibration_error`` (the mean
      over pixels of |predicted − observed| of their bins), ``spearman`` (None if either
      is constant), ``sparsification`` (see `sparsification`), ``mean_predicted``,
      ``mean_observed``, ``pixels``.

    Raises:
      InputError: there are no pixels, or values that are not finite.
    """
    predicted, observed = np.ravel(predicted), np.ravel(observed)
    if predicted.size == 0 or not np.isfinite([predicted, observed]).all():
        raise InputError(
            f"calibration: {predicted.size} pixels, expected at least one, all finite"
        )
    curve = reliability(predicted, observed, bins=bins)
    gaps = np.abs(np.subtract(curve["predicted"], curve["observed"]))
    constant = np.ptp(predicted) == 0 or np.ptp(observed) == 0
    return {
        "pixels": int(predicted.size),
        "mean_predicted": float(predicted.mean()),
        "mean_observed": float(observed.mean()),
        "calibration_error": float(np.average(gaps, weights=curve["pixels"])),
        "spearman": None
        if constant
        else float(stats.spearmanr(predicted, observed).statistic),
        "reliability": curve,
        "sparsification": sparsification(predicted, observed),
    }


def reliability(predicted: np.ndarray, observed: np.ndarray, *, bins: int) -> dict:
    """Mean predicted and mean observed error of quantile bins of the prediction.

    Equal predictions share a bin, so that no order of pixels can matter.
    """
    inner = np.quantile(predicted, np.linspace(0, 1, bins + 1)[1:-1])
    place = np.searchsorted(np.unique(inner), predicted, side="right")
    pixels = np.bincount(place)
    filled = pixels > 0
    count = pixels[filled]
    return {
        "predicted": (np.bincount(place, predicted)[filled] / count).tolist(),
        "observed": (np.bincount(place, observed)[filled] / count).tolist(),
        "pixels": count.tolist(),
    }


def sparsification(predicted: np.ndarray, observed: np.ndarray) -> dict:
    """Mean error of the remaining pixels when the least certain are removed first.

    Curves are over the removed fraction and divided by the mean error of all pixels.
    The oracle removes the largest errors first. In a random order the curve stays at 1.

    An order by the right scales is not the oracle's: an error of scale b is random, and
    often smaller than another of a smaller scale. ``ause_calibrated`` is the area that
    the predictions would have if every error had the Laplace distribution of its
    predicted scale.

    Returns:
      JSON-ready: ``ause``, the area between prediction and oracle (0 for the oracle's
      own order), ``ause_random``, the same of a random order, ``ause_calibrated``,
      ``gain`` (see `_gain`), and ``fraction``, ``remaining``, ``oracle`` for a chart.
    """
    if not observed.any():
        ours = oracle = np.ones(observed.size)
    else:
        ours = _remaining(predicted, observed)
        oracle = _remaining(observed, observed)
    shown = (CURVE_FRACTIONS * observed.size).astype(int)
    drawn = predicted * np.random.default_rng(0).exponential(size=predicted.size)
    calibrated = np.array([_remaining(order, drawn) for order in (predicted, drawn)])
    areas = {
        "ause": float(np.mean(ours - oracle)),
        "ause_random": float(np.mean(1 - oracle)),
        "ause_calibrated": float(np.mean(calibrated[0] - calibrated[1])),
    }
    return {
        **areas,
        "gain": _gain(
            areas["ause"] / areas["ause_random"] if areas["ause_random"] else 1.0,
            areas["ause_calibrated"] / float(np.mean(1 - calibrated[1])),
        ),
        "fraction": (shown / observed.size).tolist(),
        "remaining": ours[shown].tolist(),
        "oracle": oracle[shown].tolist(),
    }


def _gain(ause: float, calibrated: float) -> float | None:
    """How far an order of pixels is on the way from a random one to a calibrated one.

    Args:
      ause: area of the predictions, as a share of the area of a random order.
      calibrated: the same, if the errors had the predicted scales.

    Returns:
      0 for an order that is no better than random, 1 for one as good as calibrated
      predictions; None if all predictions are equal, which no order can follow from.
    """
    possible = 1 - calibrated
    return (1 - ause) / possible if possible > 1e-6 else None


def _remaining(order: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Relative mean error after removing 0, 1, ... n - 1 pixels of largest `order`.

    Pixels of equal order each count as their mean: the expectation over all ways to
    break the tie.
    """
    _, tie, sizes = np.unique(order, return_inverse=True, return_counts=True)
    kept = np.repeat(np.bincount(tie, errors) / sizes, sizes)
    means = np.cumsum(kept) / np.arange(1, errors.size + 1)
    return means[::-1] / errors.mean()


class Calibration:
    """Accumulates confidence maps and errors inside the brain."""

    def __init__(self, sequences: Sequence[str], lambda_cm: float):
        self._sequences, self._lambda_cm = sequences, lambda_cm
        self._confidence: list[np.ndarray] = []
        self._errors: list[np.ndarray] = []
        self._brain: list[np.ndarray] = []

    def add(self, slices: ScoredSlices) -> None:
        """Adds slices; those without confidence maps are passed over."""
        if slices.confidence is None:
            return
        self._confidence.append(slices.confidence)
        intermediate = np.asarray(slices.intermediate)
        self._errors.append(half_scale_error(intermediate, slices.real))
        self._brain.append(slices.labels[:, ::2, ::2] != BACKGROUND)

    def summary(self) -> dict | None:
        """See `confidence_calibration`; None without confidence maps."""
        if not self._confidence:
            return None
        return confidence_calibration(
            np.concatenate(self._confidence),
            np.concatenate(self._errors),
            sequences=self._sequences,
            lambda_cm=self._lambda_cm,
            region=np.concatenate(self._brain),
        )


def _make(setting: Setting) -> Calibration | None:
    if setting.lambda_cm is None:
        return None
    return Calibration(setting.dataset.sequences, setting.lambda_cm)


def over_sequences(
    number: Callable[[Mapping], float | None],
) -> Callable[[Mapping], float | None]:
    """The mean over sequences of a number of `calibration`; None if one has none."""

    def mean(summary: Mapping) -> float | None:
        found = [number(scores) for scores in summary["sequences"].values()]
        known = [value for value in found if value is not None]
        return float(np.mean(known)) if len(known) == len(found) else None

    return mean


CALIBRATION = ScoreKind(
    name="calibration",
    make=_make,
    columns=(
        Column(
            heading="Confidence order",
            pattern="{:.2f}",
            value=over_sequences(lambda scores: scores["sparsification"].get("gain")),
        ),
        Column(
            heading="Calibration error",
            pattern="{:.3f}",
            value=over_sequences(lambda scores: scores["calibration_error"]),
        ),
    ),
    note="Confidence order: how well λ_cm / c sorts pixels by absolute error (area "
    "of the sparsification error), 0 for a random order and 1 for the order of "
    "calibrated predictions. Calibration error: mean distance of λ_cm / c from the "
    "absolute error, 0 for calibrated predictions. Means over sequences.",
)
