"""Ordinary augmentation: whole heads are mirrored, rotated, scaled and shifted.

It needs no network. Synthesized training data is worth its cost only if it helps more.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import ndimage

from samr_jax.data.stacks import Stack
from samr_jax.labels import BACKGROUND

MAX_DEGREES = 15.0
SCALES = (0.9, 1.1)
MAX_SHIFT = 0.05
"""Largest shift, as a share of the slice's height or width."""


@dataclasses.dataclass(frozen=True)
class Warp:
    """One in-plane transform of a whole volume.

    Attributes:
      mirrored: whether left and right are exchanged.
      degrees: angle of rotation.
      scale: factor on the head's size.
      shift: shift down and to the right, in pixels.
    """

    mirrored: bool
    degrees: float
    scale: float
    shift: tuple[float, float]


def draw_warp(rng: np.random.Generator, size: tuple[int, int]) -> Warp:
    """Draws a random transform for slices of `size` (rows, columns)."""
    shift = rng.uniform(-MAX_SHIFT, MAX_SHIFT, 2) * size
    return Warp(
        mirrored=bool(rng.random() < 0.5),
        degrees=float(rng.uniform(-MAX_DEGREES, MAX_DEGREES)),
        scale=float(np.exp(rng.uniform(*np.log(SCALES)))),
        shift=(float(shift[0]), float(shift[1])),
    )


def apply_warp(warp: Warp, stack: Stack, *, background: np.ndarray) -> Stack:
    """Transforms a volume: images by linear interpolation, labels by nearest neighbour.

    Args:
      warp: the transform, about the middle of the slices.
      stack: the volume; the result has no tissue prior.
      background: intensity ``(S,)`` outside the brain.
    """
    angle = np.deg2rad(warp.degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    # From positions in the result to positions in the original.
    back = np.diag([1.0, -1.0 if warp.mirrored else 1.0]) @ turn.T / warp.scale
    middle = (np.array(stack.labels.shape[1:]) - 1) / 2
    matrix = np.eye(3)
    matrix[1:, 1:] = back
    offset = np.array([0.0, *(middle - back @ (middle + warp.shift))])

    def resample(volume: np.ndarray, order: int, outside: float) -> np.ndarray:
        return ndimage.affine_transform(
            volume, matrix, offset, order=order, mode="constant", cval=outside
        )

    labels = resample(stack.labels, 0, BACKGROUND)
    channels = [
        resample(stack.images[..., channel], 1, outside)
        for channel, outside in enumerate(background)
    ]
    images = np.where(
        (labels == BACKGROUND)[..., None], background, np.stack(channels, -1)
    )
    return Stack(stack.subject, labels, images.astype(np.float32), None)
