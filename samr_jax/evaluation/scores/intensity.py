"""The intensity scale of the paper's metrics.

``[-1, 1]`` maps affinely to ``0..255``. "Within 16 of the ground truth" is on that
scale, and SSIM and PSNR have a data range of 255.
"""

from __future__ import annotations

import numpy as np

DATA_RANGE = 255.0
TOLERANCE = 16.0
"""A pixel is right if it is within this of the real intensity, on 0..255."""


def to_metric_range(images: np.ndarray) -> np.ndarray:
    """[-1, 1] to 0..255."""
    return (np.asarray(images, np.float64) + 1) * (DATA_RANGE / 2)
