"""What the scanner adds: slice profile, coil bias, texture and noise."""

import numpy as np

from samr_jax.data.phantom.field import Field
from samr_jax.data.phantom.geometry import Axes
from samr_jax.labels import is_percent

NOISE = 5.0
"""Standard deviation of each channel of the complex signal, scanner units."""


def average(values: np.ndarray, parts: tuple[int, int, int]) -> np.ndarray:
    """Means over blocks of `parts` along the last three axes: the voxel's volume."""
    *lead, z, y, x = values.shape
    a, b, c = parts
    blocks = values.reshape(*lead, z // a, a, y // b, b, x // c, c)
    return blocks.mean(axis=(-5, -3, -1), dtype=np.float32)


def coil_bias(rng: np.random.Generator, axes: Axes) -> np.ndarray:
    """Smooth multiplicative field ``(Z, Y, X)`` within 0.9..1.1."""
    return 1 + 0.1 * np.tanh(0.8 * Field.draw(rng, 70.0).on(axes))


def acquire(
    signal: np.ndarray, sequence: str, rng: np.random.Generator, axes: Axes
) -> np.ndarray:
    """One sequence's image from its noise-free signal.

    Args:
      signal: ``(Z, Y, X)`` scanner units, or percent of APTw.
      sequence: its name.
      rng: the noise's own generator, so that sequences do not depend on each other.
      axes: the voxels' positions.

    Returns:
      ``(Z, Y, X)`` float32. Rician with bias; APTw, a ratio, has no bias but a slowly
      varying error of 0.25 % and Gaussian noise of 0.2 %.
    """
    if is_percent(sequence):
        drift = 0.25 * Field.draw(rng, 5.0).on(axes)
        return signal + drift + rng.normal(0, 0.2, signal.shape).astype(np.float32)
    biased = signal * coil_bias(rng, axes)
    real, imaginary = rng.normal(0, NOISE, (2, *signal.shape)).astype(np.float32)
    return np.hypot(biased + real, imaginary)
