"""WM, GM and CSF probabilities by a prior-driven segmentation (for SPM12's).

The template's tissue maps are carried to the subject and Atropos refines them by the
subject's own intensities (Avants 2011).
"""

from __future__ import annotations

import tempfile

import numpy as np

from samr_jax.data.subject import Grid
from samr_jax.prepare.ants_bridge import atropos, load_ants, to_ants
from samr_jax.prepare.reference_brain import reference_brain

ITERATIONS = 5
"""Atropos hardly moves after these."""

PRIOR_WEIGHT = 0.5
SMOOTHNESS = 0.1
"""Of the Markov field over neighbouring voxels."""


def tissue_maps(
    images: np.ndarray, brain: np.ndarray, lesion: np.ndarray, grid: Grid
) -> np.ndarray:
    """Segments the healthy tissue of one subject.

    Args:
      images: ``(Z, H, W, N)``: T1-weighted first, then others that help; 0 outside.
      brain: boolean ``(Z, H, W)``.
      lesion: boolean, the same shape: not segmented, but given the anatomy that the
        template has there.
      grid: where the arrays lie, isotropic and of about 2 mm.

    Returns:
      ``(Z, H, W, 3)`` float32 of WM, GM, CSF: their sum is 1 in the brain, 0 outside.
    """
    priors = _carried_priors(images[..., 0], brain & ~lesion, grid)
    priors = normalised(priors, brain)
    healthy = brain & ~lesion
    found = atropos(
        [_image(images[..., i], grid) for i in range(images.shape[-1])],
        mask=_image(healthy, grid),
        priors=[_image(priors[..., i], grid) for i in range(3)],
        prior_weight=PRIOR_WEIGHT,
        smoothness=SMOOTHNESS,
        iterations=ITERATIONS,
    )
    maps = np.stack([np.transpose(m, (2, 1, 0)) for m in found], axis=-1)
    return normalised(np.where(healthy[..., None], maps, priors), brain)


def _carried_priors(t1: np.ndarray, healthy: np.ndarray, grid: Grid) -> np.ndarray:
    """The template's maps in the subject's shape ``(Z, H, W, 3)``."""
    ants, template = load_ants(), reference_brain()
    fixed = _image(t1, grid)
    with tempfile.TemporaryDirectory() as scratch:
        result = ants.registration(
            fixed,
            _image(template.t1, template.grid),
            "SyN",
            mask=_image(healthy, grid),
            outprefix=f"{scratch}/",
        )
        maps = [
            ants.apply_transforms(
                fixed,
                _image(template.tissue[..., i], template.grid),
                result["fwdtransforms"],
            ).numpy()
            for i in range(3)
        ]
    return np.stack([np.transpose(m, (2, 1, 0)) for m in maps], axis=-1)


def normalised(maps: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """Makes maps ``(..., 3)`` shares that sum to 1 in the brain, and 0 outside.

    Where all are 0, at the brain's rim, it is CSF.
    """
    maps = np.clip(maps, 0, 1)
    total = maps.sum(axis=-1, keepdims=True)
    shares = np.where(total > 0.05, maps / np.maximum(total, 0.05), (0, 0, 1))
    return (shares * brain[..., None]).astype(np.float32)


def _image(data: np.ndarray, grid: Grid):
    return to_ants(np.transpose(data, (2, 1, 0)), grid.affine)
