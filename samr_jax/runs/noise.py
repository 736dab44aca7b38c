"""Noise for generators that see some, drawn from a seed."""

from __future__ import annotations

import numpy as np


def noise_of_slices(
    seed: int, slices: int, size: tuple[int, int], channels: int, *, first: int = 0
) -> np.ndarray:
    """Gaussian noise of neighbouring slices; the same arguments give the same noise.

    Each value is N(0, 1), independent of the other values of its slice. The correlation
    with the next slice is 1 / sqrt(2), and with the slice after the next 1 / 4, so that
    whatever a network makes of the noise does not flicker from slice to slice.

    Args:
      seed: from 0.
      slices: number of slices N.
      size: rows and columns ``(H, W)``.
      channels: number of channels C.
      first: number of slices that come before these in the same volume.

    Returns:
      ``(N, H, W, C)`` float32.
    """
    shape = (*size, channels)
    white = np.stack(
        [
            np.random.default_rng((seed, index)).standard_normal(shape, np.float32)
            for index in range(first, first + slices + 2)
        ]
    )
    return 0.5 * (white[:-2] + np.float32(np.sqrt(2)) * white[1:-1] + white[2:])
