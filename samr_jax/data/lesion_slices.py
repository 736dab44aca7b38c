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
    sizes = np.array([np.isin(labels, codes).sum() for labels in slices])
    return np.argsort(-sizes, kind="stable").tolist()
