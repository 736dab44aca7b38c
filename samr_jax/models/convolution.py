"""Convolutions with PyTorch's semantics, in the forms that compile to fast code.

Everything is NHWC with kernels ``[k, k, in, out]``. The functions compute exactly what
`jax.lax.conv_general_dilated` does with explicit padding; only the form differs.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

DIMENSIONS = ("NHWC", "HWIO", "NHWC")


def reflect_pad(x: jax.Array, pad: int) -> jax.Array:
    """Pads both spatial axes by reflection without repeating the edge.

    The same as ``jnp.pad(mode="reflect")``; slices and a concatenation are faster.

    Args:
      x: ``(N, H, W, C)`` with H and W above `pad`.
      pad: rows and columns added on each side.
    """
    if pad == 0:
        return x
    for axis in (1, 2):
        size = x.shape[axis]
        before = lax.slice_in_dim(x, 1, pad + 1, axis=axis)
        after = lax.slice_in_dim(x, size - pad - 1, size - 1, axis=axis)
        x = jnp.concatenate([jnp.flip(before, axis), x, jnp.flip(after, axis)], axis)
    return x


def conv2d(
    x: jax.Array, kernel: jax.Array, *, strides: int = 1, padding: int = 0
) -> jax.Array:
    """Convolution with `padding` zeros on every side, as PyTorch's ``conv2d``.

    XLA's CPU backend is many times slower with explicit padding than with ``"SAME"``,
    so the input is padded by hand to where ``"SAME"`` falls into place, and rows that
    come out in excess are cropped.

    Args:
      x: ``(N, H, W, C)``.
      kernel: ``(k, k, C, features)``.
      strides: step in both directions.
      padding: zeros on each of the four sides.

    Returns:
      ``(N, (H + 2 padding - k) // strides + 1, ..., features)``.
    """
    rows, columns = (
        _same_plan(n, kernel.shape[0], strides, padding) for n in x.shape[1:3]
    )
    x = lax.pad(
        x,
        jnp.zeros((), x.dtype),
        [
            (0, 0, 0),
            (rows.before, rows.after, 0),
            (columns.before, columns.after, 0),
            (0, 0, 0),
        ],
    )
    y = lax.conv_general_dilated(
        x, kernel, (strides, strides), "SAME", dimension_numbers=DIMENSIONS
    )
    return y[
        :,
        rows.first : rows.first + rows.count,
        columns.first : columns.first + columns.count,
    ]


class _Plan(NamedTuple):
    """Zeros to add before and after, then the outputs to keep, along one axis."""

    before: int
    after: int
    first: int
    count: int


def _same_plan(size: int, kernel: int, strides: int, padding: int) -> _Plan:
    """The least work with which ``"SAME"`` yields every output of explicit padding."""
    count = (size + 2 * padding - kernel) // strides + 1
    plans = []
    for before in range(kernel + strides):
        for after in range(kernel + strides):
            padded = size + before + after
            outputs = -(-padded // strides)
            same_before = max((outputs - 1) * strides + kernel - padded, 0) // 2
            first, misaligned = divmod(before + same_before - padding, strides)
            if not misaligned and 0 <= first <= outputs - count:
                plans.append((padded, _Plan(before, after, first, count)))
    return min(plans)[1]


def up_conv2d(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Transposed convolution of stride 2 that doubles the size, as PyTorch's.

    Kernels of 3 (``padding=1, output_padding=1``), 4 (``padding=1``) and 2
    (``padding=0``). Each of the four output phases is a convolution of the small input,
    so all four are computed as one convolution to 4 times the channels and interleaved:
    unlike an input-dilated convolution, its gradients are ordinary ones.

    Args:
      x: ``(N, H, W, C)``.
      kernel: ``(k, k, C, features)``, where output pixel ``2 i + a - 1`` (for k = 2:
        ``2 i + a``) receives ``x[i] @ kernel[a]``.

    Returns:
      ``(N, 2 H, 2 W, features)``.
    """
    n, height, width, _ = x.shape
    size, features = kernel.shape[0], kernel.shape[-1]
    if size == 4:  # windows of odd outputs start one pixel later: see _TAPS
        x = jnp.pad(x, ((0, 0), (1, 0), (1, 0), (0, 0)))
    y = lax.conv_general_dilated(
        x, _phase_kernel(kernel), (1, 1), "SAME", dimension_numbers=DIMENSIONS
    )
    n, height, width, _ = y.shape
    y = y.reshape(n, height, width, 2, 2, features)
    y = y.transpose(0, 1, 3, 2, 4, 5).reshape(n, 2 * height, 2 * width, features)
    return y[:, 1:-1, 1:-1] if size == 4 else y


_TAPS = {2: ((0, 1),), 3: ((1, 2), (None, 0)), 4: ((2, 3), (0, 1))}
"""Kernel size -> for each tap on the small input, the weight of either phase.

For k = 4 the phases are (odd, even) and the outermost rows are cropped afterwards, so
that 2 taps suffice.
"""


def _phase_kernel(kernel: jax.Array) -> jax.Array:
    """``[k, k, in, out]`` as ``[taps, taps, in, 4 out]``, the phases outermost."""
    for axis in (0, 2):
        weights = jnp.moveaxis(kernel, axis, 0)
        zero = jnp.zeros_like(weights[0])
        table = jnp.stack(
            [
                jnp.stack([zero if i is None else weights[i] for i in phases])
                for phases in _TAPS[kernel.shape[axis]]
            ]
        )
        kernel = jnp.moveaxis(table, (0, 1), (axis, axis + 1))
    rows, _, columns, _, inputs, features = kernel.shape
    kernel = kernel.transpose(0, 2, 4, 1, 3, 5)
    return kernel.reshape(rows, columns, inputs, 4 * features)
