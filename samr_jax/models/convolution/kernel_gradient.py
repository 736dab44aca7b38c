"""The gradient of a convolution by its kernel, as large products of matrices.

The gradient of the kernel sums over all pixels. XLA's CPU backend is slow at this sum;
the functions here compute the same sum, rounded differently.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jax import lax

from samr_jax.models.convolution import winograd
from samr_jax.models.convolution.padding import Pads, pad_to, padded_size

PIXELS_IN_CACHE = 2048
"""Pixels that are summed at a time, so that copies of them stay in a core's cache."""


def in_row_blocks(
    x: jax.Array, gradient: jax.Array, *, size: Sequence[int], strides: int, pads: Pads
) -> jax.Array:
    """The kernel's gradient as products of matrices, summed over blocks of rows.

    ``dL/dkernel[i, j] = Σ x[s u + i, s v + j]ᵀ gradient[u, v]`` over outputs (u, v).
    Copies of x for all columns j are laid side by side, and so are copies of the
    gradient for all rows i. One product then yields all ``(i, j)``, from only k copies
    of each. With strides s, row i is ``s t + q``; the s rows q count as channels of x.

    Args:
      x: input of the convolution, ``(N, H, W, C)``.
      gradient: gradient by the output, ``(N, H', W', features)``.
      size: rows and columns of the kernel.
      strides: step of the convolution in both directions.
      pads: zeros around x.

    Returns:
      ``(*size, C, features)`` in float32.
    """
    (k_rows, k_columns), s = size, strides
    n, height, width, features = gradient.shape
    inputs, taps = x.shape[-1], -(-k_rows // s)
    rows = height + taps - 1
    blocks = -(-n * rows * width // PIXELS_IN_CACHE)
    block = -(-rows // blocks)
    blocks = -(-rows // block)
    x = pad_to(x, pads[0][0], blocks * block * s, pads[1][0], padded_size(x, pads)[1])
    gradient = pad_to(gradient, taps - 1, blocks * block + taps - 1, 0, width)

    def product(index):
        a = lax.dynamic_slice_in_dim(x, index * block * s, block * s, 1)
        a = [
            lax.slice_in_dim(a, j, j + s * (width - 1) + 1, s, 2)
            for j in range(k_columns)
        ]
        a = jnp.concatenate(a, -1).reshape(n, block, s, width, k_columns * inputs)
        a = a.swapaxes(2, 3).reshape(n * block * width, s * k_columns * inputs)
        b = lax.dynamic_slice_in_dim(gradient, index * block, block + taps - 1, 1)
        b = [b[:, taps - 1 - t : taps - 1 - t + block] for t in range(taps)]
        b = jnp.concatenate(b, -1).reshape(n * block * width, taps * features)
        return lax.dot_general(
            a, b, (((0,), (0,)), ((), ())), preferred_element_type=jnp.float32
        )

    total = product(0) if blocks == 1 else _sum_over(blocks, product)
    total = total.reshape(s, k_columns, inputs, taps, features)
    total = total.transpose(3, 0, 1, 2, 4)
    return total.reshape(taps * s, k_columns, inputs, features)[:k_rows]


def by_winograd(
    x: jax.Array, kernel: jax.Array, gradient: jax.Array, *, pads: Pads
) -> jax.Array:
    """The kernel's gradient of stride 1 by Winograd's method, in blocks of rows."""
    n, height, width, _ = gradient.shape
    taps = kernel.shape[0]
    tile = 6 - taps + 1
    block = tile * max(1, round(2 * PIXELS_IN_CACHE / (n * width * tile)))
    blocks = -(-height // block)
    rows, columns = blocks * block + taps - 1, padded_size(x, pads)[1]
    x = pad_to(x, pads[0][0], rows, pads[1][0], columns)
    gradient = pad_to(gradient, 0, blocks * block, 0, width)

    def term(index):
        a = lax.dynamic_slice_in_dim(x, index * block, block + taps - 1, 1)
        b = lax.dynamic_slice_in_dim(gradient, index * block, block, 1)
        return jax.vjp(lambda w: winograd.convolve(a, w, size=6), kernel)[1](b)[0]

    return _sum_over(blocks, term)


def of_one_feature(x: jax.Array, gradient: jax.Array, *, pads: Pads) -> jax.Array:
    """The kernel's gradient of stride 1 for one output channel, as a single product.

    The first matrix holds the gradient shifted by every ``(i, j)``, the second one all
    pixels of x.
    """
    rows, columns = padded_size(x, pads)
    x = pad_to(x, pads[0][0], rows, pads[1][0], columns)
    size = rows - gradient.shape[1] + 1
    shifted = [
        pad_to(gradient, i, rows, j, columns) for i in range(size) for j in range(size)
    ]
    total = lax.dot_general(
        jnp.stack(shifted).reshape(size**2, -1),
        x.reshape(-1, x.shape[-1]),
        (((1,), (0,)), ((), ())),
        preferred_element_type=jnp.float32,
    )
    return total.reshape(size, size, -1, 1)


def _sum_over(count: int, term: Callable[[jax.Array], jax.Array]) -> jax.Array:
    zeros = jnp.zeros(jax.eval_shape(term, 0).shape)
    return lax.fori_loop(0, count, lambda i, total: total + term(i), zeros)
