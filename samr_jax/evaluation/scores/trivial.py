"""Syntheses that need no network, and that any method must beat.

The atlas slice knows where a brain usually is, and the painted one also what each label
usually looks like. Neither was trained, and neither can invent anatomy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from samr_jax.data.window import unpack
from samr_jax.labels import ATLAS_NEIGHBOURS, LABELS, NORMAL

ATLAS = "Atlas"
PAINTED = "Atlas, label means"
"""Names of the two rows."""

Trivial = Callable[[Sequence[Mapping]], np.ndarray]
"""Instances to images ``(N, H, W, S)`` in [-1, 1]."""


def atlas_slices(instances: Sequence[Mapping]) -> np.ndarray:
    """Each instance's own slice of the atlas, ``(N, H, W, S)`` in [-1, 1]."""
    atlas = unpack(np.stack([item["atlas"] for item in instances]))
    return atlas[..., ATLAS_NEIGHBOURS // 2 :: ATLAS_NEIGHBOURS]


def label_means(instances: Iterable[Mapping]) -> np.ndarray:
    """Mean intensity ``(5, S)`` of each label's pixels; NaN for a label without any.

    Args:
      instances: of the training split, with ``labels`` and ``images`` as stored.
    """
    total, pixels = 0.0, np.zeros(len(LABELS), np.int64)
    for item in instances:
        labels, images = item["labels"].ravel(), unpack(item["images"])
        hot = np.eye(len(LABELS))[labels]
        total = total + hot.T @ images.reshape(labels.size, -1)
        pixels += np.bincount(labels, minlength=len(LABELS))
    with np.errstate(invalid="ignore", divide="ignore"):
        return total / pixels[:, None]


def painted_atlas(instances: Sequence[Mapping], means: np.ndarray) -> np.ndarray:
    """The atlas slice, with the mean intensity of each label painted over it.

    Normal brain is not painted, since the atlas says more than one number could.

    Args:
      instances: with ``labels`` and ``atlas`` as stored.
      means: from `label_means`; a label without a mean keeps the atlas.

    Returns:
      ``(N, H, W, S)`` in [-1, 1].
    """
    labels = np.stack([item["labels"] for item in instances])
    atlas = atlas_slices(instances)
    painted = means[labels]
    keep = (labels == NORMAL)[..., None] | np.isnan(painted)
    return np.where(keep, atlas, painted).astype(np.float32)
