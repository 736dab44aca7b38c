"""SSIM and PSNR of whole slices, background included, as in the paper."""

from __future__ import annotations

import numpy as np
from skimage.metrics import structural_similarity

from samr_jax.evaluation.scores.intensity import DATA_RANGE
from samr_jax.evaluation.scores.slice_scores import (
    Measured,
    SliceColumn,
    SliceMeasure,
)
from samr_jax.runtime.errors import InputError

SSIM_WINDOW = 11


def ssim(synthesized: np.ndarray, real: np.ndarray) -> float:
    """SSIM of one channel ``(H, W)`` in 0..255 (Wang 2004: 11 x 11, sigma 1.5).

    Raises:
      InputError: the slice is smaller than the window.
    """
    return ssim_map(synthesized, real)[0]


def ssim_map(synthesized: np.ndarray, real: np.ndarray) -> tuple[float, np.ndarray]:
    """`ssim`, and its value at every pixel ``(H, W)``."""
    if min(real.shape) < SSIM_WINDOW:
        raise InputError(
            f"slices of {real.shape[0]} x {real.shape[1]}, expected at least "
            f"{SSIM_WINDOW} x {SSIM_WINDOW} for SSIM"
        )
    mean, values = structural_similarity(
        real,
        synthesized,
        win_size=SSIM_WINDOW,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=DATA_RANGE,
        full=True,
    )
    return float(mean), values


def psnr(synthesized: np.ndarray, real: np.ndarray) -> float:
    """PSNR in dB of images in 0..255.

    The squared error is not taken below that of 8-bit rounding (58.9 dB), so that an
    identical image does not make a mean infinite.
    """
    error = max(np.mean(np.square(synthesized - real)), 1 / 12)
    return float(10 * np.log10(DATA_RANGE**2 / error))


def measure(synthesized: np.ndarray, real: np.ndarray, labels: np.ndarray) -> Measured:
    """SSIM and PSNR of a slice, by sequence."""
    channels = [(synthesized[..., i], real[..., i]) for i in range(real.shape[-1])]
    return {
        "ssim": (np.array([ssim(*pair) for pair in channels]), 1),
        "psnr": (np.array([psnr(*pair) for pair in channels]), 1),
    }


SIMILARITY = SliceMeasure(
    measure,
    {"ssim": SliceColumn("SSIM", "{:.3f}"), "psnr": SliceColumn("PSNR", "{:.1f}")},
)
