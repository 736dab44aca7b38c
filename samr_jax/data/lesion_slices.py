"""Which slices show most of a lesion."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from samr_jax.labels import LESION_LABELS


def largest_first(
    slices: Iterable[np.ndarray], codes: Sequence[int] = LESION_LABELS
) -> list[int]:
    """Indices of slices, ordered by how many of their pixels have one of some labels.

    Args:
      slices: label maps ``(H, W)``; a volume ``(Z, H, W)`` is a sequence of them.
      codes: the labels that count, by default the three of a lesion.

    Returns:
      All indices, the slice with most pixels first. Slices with equally many keep
      their order.
    """
    return np.argsort(-_sizes(slices, codes), kind="stable").tolist()


def spread_out(
    slices: Iterable[np.ndarray], count: int, codes: Sequence[int] = LESION_LABELS
) -> list[int]:
    """Indices of slices that show a whole lesion, from its lower to its upper end.

    The lesion is cut by height into `count` parts of equal volume, and the middle slice
    of each part is taken.

    Args:
      slices: label maps ``(H, W)``, ordered by height.
      count: number of indices; fewer are returned if parts share their middle slice.
      codes: the labels that count, by default the three of a lesion.
    """
    below = np.cumsum(_sizes(slices, codes))
    middles = below[-1] * (np.arange(count) + 0.5) / count
    return np.unique(np.searchsorted(below, middles)).tolist() if below[-1] else []


def _sizes(slices: Iterable[np.ndarray], codes: Sequence[int]) -> np.ndarray:
    return np.array([np.isin(labels, codes).sum() for labels in slices])
