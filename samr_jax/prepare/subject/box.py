"""The box around the brain, to which costly steps are limited."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from samr_jax.data.subject import Grid

Box = tuple[slice, ...]


def box_around(mask: np.ndarray, margin: int) -> Box:
    """The smallest box that holds a mask, or the whole volume if the mask is empty.

    Args:
      mask: boolean, of any number of axes.
      margin: voxels added on each side, as far as the volume reaches.
    """
    found = ndimage.find_objects(mask.astype(np.uint8))
    box = found[0] if found else tuple(slice(0, size) for size in mask.shape)
    return tuple(
        slice(max(side.start - margin, 0), min(side.stop + margin, size))
        for side, size in zip(box, mask.shape, strict=True)
    )


def crop_grid(grid: Grid, box: Box) -> Grid:
    """The part of a grid in a box ``(Z, H, W)``."""
    z, y, x = box
    affine = grid.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ [x.start, y.start, z.start]
    return Grid((y.stop - y.start, x.stop - x.start), z.stop - z.start, affine)
