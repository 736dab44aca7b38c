"""N4 correction of the coil's bias field (Tustison 2010)."""

from __future__ import annotations

import numpy as np

from samr_jax.data.resample import coarsened, resample_like
from samr_jax.prepare.subject.ants_bridge import load_ants, to_ants

FIELD_SPACING_MM = 4.0
"""The field is smooth, so it is estimated on voxels averaged to about this size."""

SPLINE_MM = 200.0
"""Distance between knots of the spline. Intensity that varies faster is anatomy."""


def bias_field(image: np.ndarray, brain: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Estimates the multiplicative bias of a scan.

    Slices are not averaged with one another if they are thick: N4's own reduction would
    leave four slices of 256 x 256 x 15 voxels, and the field found on these makes the
    image worse.

    Args:
      image: ``(X, Y, Z)`` of an anatomic sequence, positive inside the brain.
      brain: boolean ``(X, Y, Z)``: the voxels that count, best without lesions.
      affine: 4 x 4, voxel indices to RAS+ millimetres.

    Returns:
      ``(X, Y, Z)`` float32 with geometric mean 1 in the brain. The corrected image is
      the image divided by it.
    """
    ants = load_ants()
    share, coarse = coarsened(brain, affine, FIELD_SPACING_MM)
    total, _ = coarsened(np.where(brain, image, 0), affine, FIELD_SPACING_MM)
    inside = share > 0.5
    mean = np.where(inside, total / np.maximum(share, 0.5), 0)
    field = ants.n4_bias_field_correction(
        to_ants(mean, coarse),
        mask=to_ants(inside & (mean > 0), coarse),
        shrink_factor=1,
        spline_param=SPLINE_MM,
        # With a smaller tolerance the field follows the anatomy.
        convergence={"iters": [50] * 3, "tol": 1e-3},
        return_bias_field=True,
    ).numpy()
    log_field = np.log(np.maximum(field, 1e-3))
    log_field -= log_field[inside].mean()
    return np.exp(_spread(log_field, coarse, image.shape, affine))


def _spread(
    log_field: np.ndarray, coarse: np.ndarray, shape: tuple, affine: np.ndarray
) -> np.ndarray:
    """The field on the scan's own voxels; it is constant beyond the coarse volume."""
    padded = np.pad(log_field, 2, mode="edge")
    moved = coarse.copy()
    moved[:3, 3] -= coarse[:3, :3] @ np.full(3, 2.0)
    return resample_like(padded, moved, shape, affine)


def field_variation(field: np.ndarray, brain: np.ndarray) -> float:
    """Standard deviation of the log field in the brain; 0.05 means 5 %."""
    return float(np.log(field[brain]).std())
