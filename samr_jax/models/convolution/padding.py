"""Zeros around images ``(N, H, W, C)``."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

Pads = tuple[tuple[int, int], tuple[int, int]]
"""Zeros before and after the rows, then before and after the columns."""

NO_PADS: Pads = ((0, 0), (0, 0))


def padded_size(x: jax.Array, pads: Pads) -> tuple[int, int]:
    """Rows and columns of x, padding included."""
    return x.shape[1] + sum(pads[0]), x.shape[2] + sum(pads[1])


def pad_to(x: jax.Array, above: int, rows: int, left: int, columns: int) -> jax.Array:
    """Adds zeros above and to the left, then zeros or a crop below and to the right.

    Args:
      x: ``(N, H, W, C)``.
      above: rows of zeros above the image.
      rows: rows of the result.
      left: columns of zeros to the left of the image.
      columns: columns of the result.
    """
    below, right = rows - above - x.shape[1], columns - left - x.shape[2]
    config = [(0, 0, 0), (above, below, 0), (left, right, 0), (0, 0, 0)]
    return lax.pad(x, jnp.zeros((), x.dtype), config)
