"""Skull stripping without learned weights: the template's brain, then intensities.

The template's brain mask is placed in the head twice, first by the width and the depth
of the head, then by an affine registration. Each time the brain is found around it as
the largest piece of brain-like intensity that remains after an erosion, which separates
brain and scalp. A deformable registration of template and head alone is not enough: on
real heads it takes the scalp for the rim of the brain.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_otsu

from samr_jax.data.nifti import Volume
from samr_jax.data.resample import resample, resample_like
from samr_jax.data.subject import Grid
from samr_jax.prepare.grids import isotropic_over
from samr_jax.prepare.subject.reference_brain import reference_brain
from samr_jax.prepare.subject.to_template import fit_affine
from samr_jax.runtime.errors import InputError

SPACING_MM = 2.0

BRAIN_IN_HEAD = 0.84
"""Width and depth of a brain, as a share of the head's."""

SCALP_AND_SKULL_MM = 7.0
"""Distance of the top of the brain from the top of the head."""

WIDEST_MM = (30.0, 70.0)
"""Depth under the top at which a head is measured: above ears and face."""

BRAIN_LIKE_T1 = (0.55, 1.5)
BRAIN_LIKE_OTHER = (0.6, 1.6)
"""Intensities of brain as multiples of the median inside. Fluid is left out here, and
sulci are filled in later. An annotated lesion may be brighter. Wider limits in FLAIR
and T2w take in eyes, muscles and scalp."""

ERODE_MM = 6.0
"""Bridges between brain and scalp, such as nerves and vessels, are thinner than twice
this."""

CLOSE_MM = 8.0
"""Sulci and vessels narrower than twice this belong to the brain."""

FIRST_REACH_MM, SECOND_REACH_MM = 12.0, 6.0
"""Distance from the placed template mask in which the brain is looked for."""


def template_mask(
    head: Volume, *, t1: bool, lesion: np.ndarray | None = None
) -> np.ndarray:
    """Finds the brain of a head.

    Args:
      head: a scan with skull, best T1-weighted.
      t1: whether it is T1-weighted, with or without contrast agent.
      lesion: boolean ``(X, Y, Z)``, counts as brain whatever its intensity.

    Returns:
      Boolean ``(X, Y, Z)`` on the voxels of the scan.

    Raises:
      InputError: nothing in the scan is like a brain.
    """
    grid = isotropic_over(head.data.shape, head.affine, SPACING_MM)
    image = resample(head.data, head.affine, grid)
    limits = BRAIN_LIKE_T1 if t1 else BRAIN_LIKE_OTHER
    known = np.zeros(image.shape, bool)
    if lesion is not None:
        known = resample(lesion, head.affine, grid) > 0.5
    placed = _place(_from_head_size(image, grid), grid)
    brain = _brain_around(image, known, placed, FIRST_REACH_MM, limits)
    if not brain.any():
        raise InputError(f"{head.source}: no brain was found, expected a head")
    voxels = np.transpose(np.where(brain, image, 0), (2, 1, 0))
    affine = fit_affine(Volume(voxels, grid.affine, head.source))
    placed = _place(affine, grid)
    brain = _brain_around(image, known, placed, SECOND_REACH_MM, limits)
    mask = np.transpose(brain, (2, 1, 0)).astype(np.float32)
    return resample_like(mask, grid.affine, head.data.shape, head.affine) > 0.5


def largest_piece(mask: np.ndarray) -> np.ndarray:
    """The largest connected piece of a boolean mask; all False if it is empty."""
    labelled, count = ndimage.label(mask)
    if count == 0:
        return mask
    return labelled == np.argmax(np.bincount(labelled.ravel())[1:]) + 1


def _place(affine: np.ndarray, grid: Grid) -> np.ndarray:
    """The template's brain mask on a grid; `affine` maps the template to the head."""
    template = reference_brain()
    mask = np.transpose(template.brain, (2, 1, 0))
    to_template = np.linalg.inv(affine)
    return resample(mask, template.grid.affine, grid, transform=to_template) > 0.5


def _from_head_size(image: np.ndarray, grid: Grid) -> np.ndarray:
    """Scale and shift, 4 x 4, that put the template's brain into the head."""
    bright = image > 0.6 * threshold_otsu(np.minimum(image, np.percentile(image, 98)))
    head = largest_piece(ndimage.binary_opening(bright, iterations=2))
    brain = reference_brain()
    low, high = _upper_box(head, grid)
    low_brain, high_brain = _upper_box(brain.brain > 0.5, brain.grid)
    plane = BRAIN_IN_HEAD * (high - low)[:2] / (high_brain - low_brain)[:2]
    scale = np.array([*plane, plane.mean()])
    affine = np.diag([*scale, 1.0])
    # Middle of the upper part, at the height of its top.
    target = np.array([*(low + high)[:2] / 2, high[2] - SCALP_AND_SKULL_MM])
    start = np.array([*(low_brain + high_brain)[:2] / 2, high_brain[2]])
    affine[:3, 3] = target - scale * start
    return affine


def _upper_box(mask: np.ndarray, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Two corners in millimetres around the widest part of a head or a brain.

    The upper corner has the height of the top.
    """
    areas = mask.sum(axis=(1, 2))
    top = int(np.flatnonzero(areas > 0.02 * areas.max())[-1])
    deep, shallow = (round(mm / SPACING_MM) for mm in WIDEST_MM[::-1])
    part = np.any(mask[max(top - deep, 0) : max(top - shallow, 1)], axis=0)
    rows = np.flatnonzero(np.any(part, axis=1))
    columns = np.flatnonzero(np.any(part, axis=0))
    ends = np.array([[columns[i], rows[i], top] for i in (0, -1)])
    corners = ends @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    return corners.min(axis=0), corners.max(axis=0)


def _brain_around(
    image: np.ndarray,
    known: np.ndarray,
    placed: np.ndarray,
    reach: float,
    limits: tuple[float, float],
) -> np.ndarray:
    """The brain within `reach` millimetres of a placed mask; arrays ``(Z, H, W)``.

    Voxels of `known` are brain whatever their intensity. `limits` are multiples of the
    median intensity inside the mask.
    """
    core = ndimage.binary_erosion(placed, iterations=round(12 / SPACING_MM))
    if not core.any():
        return core
    low, high = np.multiply(limits, np.median(image[core]))
    zone = ndimage.distance_transform_edt(~placed, sampling=SPACING_MM) <= reach
    candidates = ((image > low) & (image < high) | known) & zone
    ball = _ball(ERODE_MM)
    core = largest_piece(ndimage.binary_erosion(candidates, ball))
    brain = ndimage.binary_dilation(core, ball) & candidates
    margin = round(CLOSE_MM / SPACING_MM) + 1
    padded = ndimage.binary_closing(np.pad(brain, margin), _ball(CLOSE_MM))
    brain = padded[(slice(margin, -margin),) * 3]
    return np.stack([ndimage.binary_fill_holes(plane) for plane in brain])


def _ball(radius_mm: float) -> np.ndarray:
    radius = round(radius_mm / SPACING_MM)
    return np.linalg.norm(np.indices((2 * radius + 1,) * 3) - radius, axis=0) <= radius
