"""Ordinary augmentation: whole heads mirrored, turned, resized and moved.

It needs no network, so that synthesized training data has to do better.
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
"""Of the slice's side."""


@dataclasses.dataclass(frozen=True)
class Warp:
    """One in-plane transform of a whole volume.

    Attributes:
      mirrored: left to right.
      degrees: of rotation.
      scale: of the head's size.
      shift: down and right, in pixels.
    """

    mirrored: bool
    degrees: float
    scale: float
    shift: tuple[float, float]


def draw_warp(rng: np.random.Generator, size: tuple[int, int]) -> Warp:
    """Draws a transform for slices of `size`."""
    shift = rng.uniform(-MAX_SHIFT, MAX_SHIFT, 2) * size
    return Warp(
        mirrored=bool(rng.random() < 0.5),
        degrees=float(rng.uniform(-MAX_DEGREES, MAX_DEGREES)),
        scale=float(np.exp(rng.uniform(*np.log(SCALES)))),
        shift=(float(shift[0]), float(shift[1])),
    )


def apply_warp(warp: Warp, stack: Stack, *, background: np.ndarray) -> Stack:
    """The transformed volume: images by linear interpolation, labels by nearest.

    Args:
      warp: the transform, about the slices' middle.
      stack: the volume; its tissue is dropped.
      background: intensity ``(S,)`` outside the brain.
    """
    angle = np.deg2rad(warp.degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    # From the places of the result to those of the original.
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
