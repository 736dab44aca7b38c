"""Healthy anatomy: the MNI152 template of nilearn, and tissue maps from it."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
from scipy import ndimage

SHARPENING = 3.0
"""Exponent on the tissue probabilities, since an average of brains is blurred."""

_NUCLEI = (  # centre and half extents (z, y, |x|) in MNI mm
    ((2, 3, 25), (13, 20, 9)),  # putamen and pallidum
    ((9, -18, 12), (10, 13, 10)),  # thalamus
    ((12, 12, 13), (12, 14, 7)),  # caudate head
)
"""Deep grey nuclei as ellipsoids, placed by eye. Iron makes their T2 shorter."""


@dataclasses.dataclass(frozen=True)
class Template:
    """MNI152 maps ``[z, y, x]`` at 1 mm, float32, cropped to the brain.

    Attributes:
      origin: z, y, x of the first voxel in mm.
      white: probability of white matter.
      grey: probability of grey matter.
      depth: millimetres to the outside of the brain, 0 outside.
      ventricle: signed millimetres to the surface of the ventricles, negative inside.
    """

    origin: np.ndarray
    white: np.ndarray
    grey: np.ndarray
    depth: np.ndarray
    ventricle: np.ndarray

    def sample(self, name: str, points: np.ndarray) -> np.ndarray:
        """Linear interpolation of one map.

        Args:
          name: name of the map: ``white``, ``grey``, ``depth`` or ``ventricle``.
          points: ``(3, Z, Y, X)`` positions z, y, x in mm.

        Returns:
          ``(Z, Y, X)`` float32; outside a map, its edge values repeat.
        """
        voxels = points - self.origin[:, None, None, None]
        return ndimage.map_coordinates(
            getattr(self, name), voxels, order=1, mode="nearest", output=np.float32
        )


@functools.lru_cache(maxsize=1)
def template() -> Template:
    """Loads the MNI152 maps of nilearn, once per process and without a download."""
    from nilearn import datasets  # takes 3 s, and only simulation needs it

    images = (
        datasets.load_mni152_brain_mask(resolution=1),
        datasets.load_mni152_wm_template(resolution=1),
        datasets.load_mni152_gm_template(resolution=1),
    )
    brain = (np.asarray(images[0].dataobj).T > 0.5).astype(np.int8)
    box = ndimage.find_objects(brain)[0]
    brain, white, grey = (
        np.pad(np.asarray(image.dataobj, np.float32).T[box], 2) for image in images
    )
    corner = np.array([extent.start - 2 for extent in box])
    depth = ndimage.distance_transform_edt(brain > 0.5).astype(np.float32)
    fluid = (1 - white - grey > 0.5) & (depth > 20)
    ventricle = _signed_distance(ndimage.binary_opening(fluid, iterations=2))
    origin = images[0].affine[:3, 3][::-1] + corner
    return Template(origin.astype(np.float32), white, grey, depth, ventricle)


def _signed_distance(mask: np.ndarray) -> np.ndarray:
    outside = ndimage.distance_transform_edt(~mask).astype(np.float32)
    inside = ndimage.distance_transform_edt(mask).astype(np.float32)
    return ndimage.gaussian_filter(outside - inside, 1.0)


def tissue_probabilities(points: np.ndarray, atrophy: np.ndarray) -> np.ndarray:
    """White matter, grey matter and CSF at template positions.

    Args:
      points: ``(3, Z, Y, X)`` positions z, y, x in MNI mm.
      atrophy: ``(Z, Y, X)`` log odds added to CSF: above 0 widens sulci, below closes
        them.

    Returns:
      ``(3, Z, Y, X)`` float32 probabilities that sum to 1 everywhere.
    """
    white, grey = (template().sample(name, points) for name in ("white", "grey"))
    fluid = np.clip(1 - white - grey, 0, 1) * np.exp(atrophy)
    sharpened = np.stack([white, grey, fluid]) ** SHARPENING
    return sharpened / sharpened.sum(0)


def deep_grey(points: np.ndarray) -> np.ndarray:
    """Share 0..1 of the grey matter at each position that is deep grey nuclei."""
    z, y, x = points[0], points[1], np.abs(points[2])
    nearest = np.full(z.shape, np.inf, np.float32)
    for centre, extent in _NUCLEI:
        scaled = [
            ((p - c) / e) ** 2
            for p, c, e in zip((z, y, x), centre, extent, strict=True)
        ]
        nearest = np.minimum(nearest, sum(scaled))
    return np.clip(3 - 2 * nearest, 0, 1)
