"""Whether a mask lies where the atlas has its brain, and which of it gets an image."""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import ndimage

from samr_jax.data.dataset import open_dataset
from samr_jax.data.further_slices import atlas_for
from samr_jax.data.nifti import Volume
from samr_jax.data.planes import Planes
from samr_jax.data.subject import Grid
from samr_jax.labels import BACKGROUND, LESION_LABELS, NORMAL, mark_normal_brain
from samr_jax.pretrained.load import PACKAGE
from samr_jax.runs.model import DATASET_COPY
from samr_jax.runtime.errors import InputError

MIN_LESION_INSIDE = 0.8
"""Share of the lesion's voxels that must lie where the atlas has brain."""

MIN_BRAIN_OVERLAP = 0.7
"""Smallest Dice coefficient of a mask's brain and the atlas's. Individual brains in
their place reach 0.9, and a brain that is moved by 40 mm falls below 0.7."""

MARGIN_MM = 5.0
"""How far an individual brain may reach beyond the atlas's brain."""


@dataclasses.dataclass(frozen=True)
class LesionCount:
    """How much of a mask's lesion has an image.

    Attributes:
      voxels: number of the lesion's voxels.
      without_image: number of them that lie outside the slices of the atlas or outside
        the patient's scan. The images are 0 there.
    """

    voxels: int
    without_image: int

    @property
    def warning(self) -> str:
        """A line for the user; empty if the whole lesion has an image."""
        if not self.without_image:
            return ""
        percent = 100 * self.without_image / self.voxels
        return (
            f"{percent:.2g} % of the lesion ({self.without_image} of {self.voxels} "
            "voxels) lies outside the images' field of view and is black"
        )


def with_normal_brain(
    codes: np.ndarray, planes: Planes, brain: np.ndarray, *, source: str
) -> np.ndarray:
    """The mask with normal brain: its own, or the atlas's where it has none.

    Args:
      codes: ``(X, Y, Z)`` label map of our codes.
      planes: of the mask on the grid of the atlas.
      brain: boolean ``(Z, H, W)``, where the atlas has brain.
      source: name of the mask, for messages.

    Raises:
      InputError: the mask is empty, or it does not lie in the space of the atlas.
    """
    in_atlas, lesion = _on_mask(brain, planes), np.isin(codes, LESION_LABELS)
    if not np.any(codes == NORMAL):
        return with_brain(codes, in_atlas, source=source, hint=_where(lesion, planes))
    covered = planes.covered
    _check_brain((codes != BACKGROUND) & covered, in_atlas, source)
    if lesion.any():
        # The brain has shown the place, so that the lesion may leave the slices.
        near = _on_mask(_widened(brain, planes.grid), planes)
        check_lesion(lesion & covered, near, source, _where(lesion, planes))
    return codes


def with_brain(
    codes: np.ndarray,
    brain: np.ndarray,
    *,
    source: str,
    hint: str = "is the mask in the atlas's space?",
) -> np.ndarray:
    """A mask of a lesion alone with normal brain around the lesion.

    Args:
      codes: label map of any shape, without normal brain.
      brain: boolean, the same shape: where the brain is.
      source: name of the mask, for messages.
      hint: the end of the message about a lesion outside the brain.

    Raises:
      InputError: the mask is empty, or the lesion does not lie in the brain.
    """
    if not codes.any():
        raise InputError(f"{source}: every label is background, expected a lesion")
    check_lesion(np.isin(codes, LESION_LABELS), brain, source, hint)
    return mark_normal_brain(codes, brain)


def mark_packaged_brain(mask: Volume) -> Volume:
    """A mask in MNI space with the normal brain of the packaged atlas.

    Raises:
      InputError: the mask is empty, or its lesion does not lie in that brain.
    """
    atlas = atlas_for(mask, open_dataset(PACKAGE / DATASET_COPY))
    planes = Planes.through(mask.affine, mask.data.shape, atlas.grid)
    codes = with_normal_brain(mask.data, planes, atlas.brain, source=mask.source)
    return dataclasses.replace(mask, data=codes)


def in_view(codes: np.ndarray, covered: np.ndarray) -> tuple[np.ndarray, LesionCount]:
    """Makes the labels outside the field of view background, and counts the lesion.

    Args:
      codes: label map of any shape.
      covered: boolean, the same shape: where there are images.
    """
    lesion = np.isin(codes, LESION_LABELS)
    count = LesionCount(
        int(np.count_nonzero(lesion)), int(np.count_nonzero(lesion & ~covered))
    )
    return np.where(covered, codes, BACKGROUND).astype(np.uint8), count


def check_lesion(lesion: np.ndarray, brain: np.ndarray, source: str, hint: str) -> None:
    """Raises `InputError` if a lesion does not lie in a brain.

    Args:
      lesion: boolean.
      brain: boolean, the same shape.
      source: name of the mask, for the message.
      hint: the end of the message.
    """
    inside = np.count_nonzero(lesion & brain) / max(int(np.count_nonzero(lesion)), 1)
    if inside < MIN_LESION_INSIDE:
        raise InputError(
            f"{source}: {100 * inside:.0f} % of the lesion lies in the atlas's brain, "
            f"expected at least {100 * MIN_LESION_INSIDE:.0f} %; {hint}"
        )


def _on_mask(brain: np.ndarray, planes: Planes) -> np.ndarray:
    """A region of the atlas at the mask's voxels."""
    in_planes = planes.interpolate(brain.astype(np.float32))
    return planes.to_mask(in_planes[..., None])[..., 0] >= 0.5


def _widened(brain: np.ndarray, grid: Grid) -> np.ndarray:
    """Everything within `MARGIN_MM` of a region ``(Z, H, W)``."""
    if not brain.any():
        return brain
    distance = ndimage.distance_transform_edt(~brain, sampling=grid.spacing[::-1])
    return distance <= MARGIN_MM


def heights(grid: Grid) -> str:
    """Where the slices of an atlas are, for a message."""
    low, high = grid.span
    return f"the atlas's slices lie at z = {low:.1f} to {high:.1f} mm"


def _where(lesion: np.ndarray, planes: Planes) -> str:
    """Where the atlas's slices are, where a lesion is, and what a user can do."""
    grid = planes.grid
    slices = np.argwhere(lesion) @ planes.to_atlas[2, :3] + planes.to_atlas[2, 3]
    outside = (slices > grid.slices - 0.5, slices < -0.5)
    above, below = (np.count_nonzero(o) / max(len(slices), 1) for o in outside)
    return (
        f"{heights(grid)}, and "
        f"{100 * above:.0f} % of the lesion lies above them, {100 * below:.0f} % "
        "below; a mask that was drawn on a scan needs --reference=SCAN"
    )


def _check_brain(own: np.ndarray, atlas: np.ndarray, source: str) -> None:
    """Compares the mask's brain and the atlas's where both have slices."""
    sizes = int(np.count_nonzero(own) + np.count_nonzero(atlas))
    dice = 2 * np.count_nonzero(own & atlas) / max(sizes, 1)
    if dice < MIN_BRAIN_OVERLAP:
        raise InputError(
            f"{source}: the mask's brain and the atlas's have a Dice coefficient of "
            f"{dice:.2f}, expected at least {MIN_BRAIN_OVERLAP}; is the mask in the "
            "atlas's space, and are its codes the ones that --labels says?"
        )
