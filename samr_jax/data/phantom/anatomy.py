"""Healthy anatomy: the MNI152 template that nilearn ships, and tissue maps from it."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
from scipy import ndimage

SHARPENING = 2.2
"""Exponent on the tissue probabilities: an average brain is blurrier than a brain."""

_NUCLEI = (  # centre and half extents (z, y, x) in MNI mm; mirrored over x
    ((2, 3, 25), (13, 20, 9)),  # putamen and pallidum
    ((9, -18, 12), (10, 13, 10)),  # thalamus
    ((12, 12, 13), (12, 14, 7)),  # caudate head
)
"""Deep grey nuclei, which hold iron and myelin; Talairach-like boxes, our choice."""


@dataclasses.dataclass(frozen=True)
class Template:
    """MNI152 maps ``[z, y, x]`` at 1 mm, float32.

    Attributes:
      origin: millimetres of voxel (0, 0, 0), in z, y, x.
      white: probability of white matter.
      grey: probability of grey matter.
      brain: 1 inside the brain.
      depth: millimetres to the outside of the brain, 0 outside.
      ventricle: signed millimetres to the surface of the ventricles, negative inside.
    """

    origin: np.ndarray
    white: np.ndarray
    grey: np.ndarray
    brain: np.ndarray
    depth: np.ndarray
    ventricle: np.ndarray

    def sample(self, name: str, points: np.ndarray) -> np.ndarray:
        """Linear interpolation of one map at points ``(3, ...)`` in z, y, x mm."""
        voxels = points - self.origin.reshape((3,) + (1,) * (points.ndim - 1))
        mode = "nearest" if name == "ventricle" else "constant"
        return ndimage.map_coordinates(
            getattr(self, name), voxels, order=1, mode=mode, output=np.float32
        )


@functools.lru_cache(maxsize=1)
def template() -> Template:
    """Loads the packaged MNI152 maps; no download, once per process."""
    from nilearn import datasets  # 3 s to import: only those who simulate pay

    brain = datasets.load_mni152_brain_mask(resolution=1)
    white, grey, inside = (
        np.ascontiguousarray(image.get_fdata(dtype=np.float32).T)
        for image in (
            datasets.load_mni152_wm_template(resolution=1),
            datasets.load_mni152_gm_template(resolution=1),
            brain,
        )
    )
    depth = ndimage.distance_transform_edt(inside > 0.5).astype(np.float32)
    fluid = (inside - white - grey > 0.5) & (depth > 20)
    ventricle = _signed_distance(ndimage.binary_opening(fluid, iterations=2))
    origin = brain.affine[:3, 3][::-1].astype(np.float32)
    return Template(origin, white, grey, inside, depth, ventricle)


def _signed_distance(mask: np.ndarray) -> np.ndarray:
    outside = ndimage.distance_transform_edt(~mask)
    inside = ndimage.distance_transform_edt(mask)
    return ndimage.gaussian_filter((outside - inside).astype(np.float32), 1.0)


def tissue_probabilities(points: np.ndarray, sulci: np.ndarray) -> np.ndarray:
    """White matter, grey matter and CSF at template positions.

    Args:
      points: ``(3, Z, Y, X)`` positions z, y, x in MNI mm.
      sulci: ``(Z, Y, X)`` log odds added to CSF: above 0 widens sulci, below closes
        them. The subjects' cortex differs by it.

    Returns:
      ``(3, Z, Y, X)`` float32 probabilities that sum to 1 everywhere.
    """
    maps = template()
    white, grey = maps.sample("white", points), maps.sample("grey", points)
    fluid = np.clip(1 - white - grey, 0, 1)
    fluid *= np.exp(sulci)
    stacked = np.stack([white, grey, fluid]) ** SHARPENING
    return stacked / np.maximum(stacked.sum(0), 1e-6)


def deep_grey(points: np.ndarray) -> np.ndarray:
    """How far positions belong to the deep grey nuclei, 0..1."""
    z, y, x = points[0], points[1], np.abs(points[2])
    radius = np.full(z.shape, np.inf, np.float32)
    for centre, extent in _NUCLEI:
        q = sum(
            ((p - c) / e) ** 2
            for p, c, e in zip((z, y, x), centre, extent, strict=True)
        )
        radius = np.minimum(radius, q)
    return np.clip(3 - 2 * radius, 0, 1)
