"""Pooling that halves the size."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax


def max_half(x: jax.Array) -> jax.Array:
    """Maximum over 2 x 2 pixels: ``(N, H, W, C)`` to ``(N, H / 2, W / 2, C)``.

    Written with slices, whose gradient is faster than a pooling window's.
    """
    rows = jnp.maximum(x[:, ::2], x[:, 1::2])
    return jnp.maximum(rows[:, :, ::2], rows[:, :, 1::2])


def average_pool_3s2(x: jax.Array) -> jax.Array:
    """Mean over 3 x 3 pixels, at every second row and column.

    At borders the mean is over the pixels inside the image. The same as PyTorch's
    ``avg_pool2d(x, 3, 2, 1, count_include_pad=False)``.

    Args:
      x: ``(N, H, W, C)``.

    Returns:
      ``(N, (H + 1) // 2, (W + 1) // 2, C)``.
    """
    for axis in (1, 2):
        x = _average_along(x, axis)
    return x


def _average_along(x: jax.Array, axis: int) -> jax.Array:
    """Mean over 3 neighbours along one axis, at every second place."""
    size = x.shape[axis]
    pads = [(0, 0)] * 4
    pads[axis] = (1, 1)
    padded = jnp.pad(x, pads)
    outputs = (size - 1) // 2 + 1
    taps = [lax.slice_in_dim(padded, i, i + 2 * outputs - 1, 2, axis) for i in range(3)]
    inside = [min(2 * i + 1, size - 1) - max(2 * i - 1, 0) + 1 for i in range(outputs)]
    shape = [-1 if i == axis else 1 for i in range(4)]
    return sum(taps) / jnp.asarray(inside, x.dtype).reshape(shape)
