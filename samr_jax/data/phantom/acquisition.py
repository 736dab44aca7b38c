"""Deviations from the ideal signal: coil bias, texture of the tissue, and noise."""

import numpy as np

from samr_jax.data.phantom.geometry import Axes
from samr_jax.data.phantom.random_field import Field
from samr_jax.sequences import MRSequence

NOISE = 6.0
"""Standard deviation of each channel of the complex signal, scanner units."""

BIAS = 0.1
"""Half of the coil's 20 % intensity variation."""

TEXTURE = {"T1w": -0.035, "Gd-T1w": -0.035, "T2w": 0.06, "FLAIR": 0.07}
"""Standard deviation of the tissue's texture, as a share of the signal.

Where tissue has more water, T2w and FLAIR are brighter and T1w is darker.
"""

APTW_DRIFT, APTW_NOISE = 0.25, 0.2
"""Error of APTw in percent: smooth, from the correction of B0, and white noise."""


def coil_bias(rng: np.random.Generator, axes: Axes) -> np.ndarray:
    """Smooth multiplicative field ``(Z, Y, X)`` within 0.9..1.1."""
    return 1 + BIAS * np.tanh(0.8 * Field.draw(rng, 70.0).on(axes))


def texture(rng: np.random.Generator, axes: Axes) -> np.ndarray:
    """Unevenness of the tissue's water ``(Z, Y, X)``: mean 0, standard deviation 1."""
    parts = ((30.0, 0.75), (2.0, 0.65))  # mm, share
    return np.add(*(share * Field.draw(rng, scale).on(axes) for scale, share in parts))


def acquire(
    signal: np.ndarray, sequence: str, rng: np.random.Generator, axes: Axes
) -> np.ndarray:
    """One sequence's image of a noise-free signal.

    Args:
      signal: ``(Z, Y, X)`` in scanner units, or in percent for APTw.
      sequence: name of the sequence.
      rng: generator for this sequence only, so that sequences do not affect each other.
      axes: positions of the voxels.

    Returns:
      ``(Z, Y, X)`` float32, with bias and Rician noise. APTw is a ratio of signals, in
      which the bias cancels; its error is normally distributed.
    """
    if not MRSequence.named(sequence).anatomic:
        drift = APTW_DRIFT * Field.draw(rng, 5.0).on(axes)
        noise = rng.standard_normal(signal.shape, dtype=np.float32)
        return signal + drift + APTW_NOISE * noise
    biased = signal * coil_bias(rng, axes)
    real, imaginary = rng.standard_normal((2, *signal.shape), dtype=np.float32)
    return np.hypot(biased + NOISE * real, NOISE * imaginary)
