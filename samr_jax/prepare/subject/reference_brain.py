"""The reference brain: the MNI152 template, as the library nilearn ships it."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from samr_jax.data.resample import resample
from samr_jax.data.subject import Grid
from samr_jax.prepare.grids import Target

WORKING_SPACING_MM = 2.0
"""Voxel size for registration, tissue maps and the template. At 1 mm they take eight
times as long, and slices 4.4 mm apart gain nothing."""

BOX_MM = (176.0, 216.0, 184.0)
"""Width, depth and height of a box in MNI space that holds every adult brain."""

CENTRE_MM = (0.0, -18.0, 8.0)
"""Middle of the MNI152 brain."""


@dataclasses.dataclass(frozen=True)
class ReferenceBrain:
    """MNI152 on the working grid, arrays ``(Z, H, W)`` float32.

    Attributes:
      grid: the working grid.
      t1: the skull-stripped T1-weighted average.
      brain: 1 inside the brain, 0 outside.
      tissue: ``(Z, H, W, 3)`` probabilities of WM, GM and CSF, whose sum is `brain`.
    """

    grid: Grid
    t1: np.ndarray
    brain: np.ndarray
    tissue: np.ndarray


def working_grid() -> Grid:
    """The isotropic grid, in MNI space, on which costly steps are computed."""
    x, y, z = (round(length / WORKING_SPACING_MM) for length in BOX_MM)
    return Grid.centred((y, x), z, spacing=(WORKING_SPACING_MM,) * 3, centre=CENTRE_MM)


def grid_over_template(target: Target) -> Grid:
    """The dataset's grid for subjects that are aligned with the template."""
    width = target.spacing or max(BOX_MM) / target.size
    return Grid.centred(
        (target.size, target.size),
        max(1, int(BOX_MM[2] / target.slice_spacing)),
        spacing=(width, width, target.slice_spacing),
        centre=CENTRE_MM,
    )


@functools.cache
def reference_brain() -> ReferenceBrain:
    """Loads the packaged maps; nothing is downloaded."""
    from nilearn import datasets  # The import takes 3 s.

    grid = working_grid()
    t1, mask, white, grey = (
        resample(np.asarray(image.dataobj), image.affine, grid)
        for image in (
            datasets.load_mni152_template(resolution=1),
            datasets.load_mni152_brain_mask(resolution=1),
            datasets.load_mni152_wm_template(resolution=1),
            datasets.load_mni152_gm_template(resolution=1),
        )
    )
    brain = (mask > 0.5).astype(np.float32)
    # nilearn ships no CSF map. CSF fills the brain where WM and GM do not.
    tissue = np.stack([white, grey, np.clip(1 - white - grey, 0, 1)], axis=-1)
    tissue *= (brain / np.maximum(tissue.sum(axis=-1), 1e-6))[..., None]
    return ReferenceBrain(grid, t1, brain, tissue)
