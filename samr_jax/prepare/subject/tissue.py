"""WM, GM and CSF probabilities by a prior-driven segmentation (for SPM12's).

The template's tissue maps are carried to the subject and Atropos refines them by the
subject's own intensities (Avants 2011).
"""

from __future__ import annotations

import tempfile

import numpy as np

from samr_jax.data.subject import Grid
from samr_jax.prepare.subject.ants_bridge import (
    atropos,
    grid_from_ants,
    grid_to_ants,
    load_ants,
)
from samr_jax.prepare.subject.reference_brain import reference_brain

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
        [grid_to_ants(images[..., i], grid) for i in range(images.shape[-1])],
        mask=grid_to_ants(healthy, grid),
        priors=[grid_to_ants(priors[..., i], grid) for i in range(3)],
        prior_weight=PRIOR_WEIGHT,
        smoothness=SMOOTHNESS,
        iterations=ITERATIONS,
    )
    maps = np.stack([grid_from_ants(posterior) for posterior in found], axis=-1)
    return normalised(np.where(healthy[..., None], maps, priors), brain)


def _carried_priors(t1: np.ndarray, healthy: np.ndarray, grid: Grid) -> np.ndarray:
    """The template's maps in the subject's shape ``(Z, H, W, 3)``."""
    ants, template = load_ants(), reference_brain()
    fixed = grid_to_ants(t1, grid)
    with tempfile.TemporaryDirectory() as scratch:
        result = ants.registration(
            fixed,
            grid_to_ants(template.t1, template.grid),
            "SyN",
            mask=grid_to_ants(healthy, grid),
            outprefix=f"{scratch}/",
        )
        maps = [
            ants.apply_transforms(
                fixed,
                grid_to_ants(template.tissue[..., i], template.grid),
                result["fwdtransforms"],
            )
            for i in range(3)
        ]
    return np.stack([grid_from_ants(carried) for carried in maps], axis=-1)


def normalised(maps: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """Makes maps ``(..., 3)`` shares that sum to 1 in the brain, and 0 outside.

    Where all are 0, at the brain's rim, it is CSF.
    """
    maps = np.clip(maps, 0, 1)
    total = maps.sum(axis=-1, keepdims=True)
    shares = np.where(total > 0.05, maps / np.maximum(total, 0.05), (0, 0, 1))
    return (shares * brain[..., None]).astype(np.float32)
