"""WM, GM and CSF probabilities by a segmentation with priors, as SPM12's is.

The template's tissue maps are carried to the subject and Atropos refines them by the
subject's own intensities (Avants 2011).
"""

from __future__ import annotations

import tempfile

import numpy as np

from samr_jax.data.subject import Grid
from samr_jax.labels import TISSUES
from samr_jax.prepare.subject.ants_bridge import (
    atropos,
    grid_from_ants,
    grid_to_ants,
    load_ants,
)
from samr_jax.prepare.subject.box import box_around, crop_grid
from samr_jax.prepare.subject.reference_brain import reference_brain

ITERATIONS = 5
"""Number of Atropos iterations, after which the maps hardly change."""

PRIOR_WEIGHT = 0.5
SMOOTHNESS = 0.1
"""Weight of the Markov random field over neighbouring voxels."""

_MARGIN = 4
"""Voxels around the brain that the registration and Atropos see. The result depends on
them as little as on any empty space in the scan: 1 to 2 % of the voxels change."""


def tissue_maps(
    images: np.ndarray, brain: np.ndarray, lesion: np.ndarray, grid: Grid
) -> np.ndarray:
    """Segments the healthy tissue of one subject.

    Args:
      images: ``(Z, H, W, N)``: the T1-weighted image, then others that help; 0 outside
        the brain.
      brain: boolean ``(Z, H, W)``.
      lesion: boolean ``(Z, H, W)``: it is not segmented, but takes the template's
        tissue at this place.
      grid: the grid of the arrays, isotropic and of about 2 mm.

    Returns:
      ``(Z, H, W, 3)`` float32 of WM, GM, CSF: their sum is 1 in the brain, 0 outside.
    """
    maps = np.zeros((*brain.shape, len(TISSUES)), np.float32)
    box = box_around(brain, _MARGIN)
    maps[box] = _maps_in_box(images[box], brain[box], lesion[box], crop_grid(grid, box))
    return maps


def _maps_in_box(
    images: np.ndarray, brain: np.ndarray, lesion: np.ndarray, grid: Grid
) -> np.ndarray:
    """As `tissue_maps`; each voxel, also outside the brain, costs time here."""
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
    """Scales maps ``(..., 3)`` so that their sum is 1 in the brain and 0 outside.

    Where all three are 0, at the brain's rim, the tissue is CSF.
    """
    maps = np.clip(maps, 0, 1)
    total = maps.sum(axis=-1, keepdims=True)
    shares = np.where(total > 0.05, maps / np.maximum(total, 0.05), (0, 0, 1))
    return (shares * brain[..., None]).astype(np.float32)
