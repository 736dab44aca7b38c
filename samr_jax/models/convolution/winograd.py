"""Convolutions with fewer multiplications, by Winograd's minimal filtering.

A tile of m x m outputs depends on (m + k - 1) x (m + k - 1) inputs. Winograd transforms
these inputs and the k x k kernel to the same size, multiplies them element by element,
and transforms the products back. This takes (m + k - 1)² multiplications and not m² k²
(Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016).

Taken over all tiles and channels, each of the (m + k - 1)² elements is one product of
matrices, which CPUs compute at their full rate. The same holds for the gradients, which
consist of the transposed transforms and products.

For transformed tiles of 4 x 4 the rounding error is as large as in the sum itself, for
6 x 6 about four times as large.
"""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

POINTS = {4: (0.0, 1.0, -1.0), 6: (0.0, 1.0, -1.0, 2.0, -0.5)}
"""Side of a transformed tile -> the points at which polynomials are evaluated.

Infinity is a further point of each. With 2 and -1/2 the rounding error is a third of
the error with 2 and -2 (Barabasz et al., "Error Analysis and Improving the Accuracy of
Convolutional Layers with Winograd", ACM TOMS 2020).
"""


def convolve(x: jax.Array, kernel: jax.Array, *, size: int) -> jax.Array:
    """Convolution of stride 1 without padding.

    Args:
      x: ``(N, H, W, C)``.
      kernel: ``(k, k, C, features)`` with ``k - 1 <= size - k + 1``.
      size: side of a transformed tile, a key of `POINTS`.

    Returns:
      ``(N, H - k + 1, W - k + 1, features)``.
    """
    n, *extent, channels = x.shape
    taps, features = kernel.shape[0], kernel.shape[-1]
    tile = size - taps + 1
    height, width = (length - taps + 1 for length in extent)
    down, across = -(-height // tile), -(-width // tile)
    of_input, of_kernel, of_output = _transforms(size, taps)

    x = _pad_to(x, down * tile + taps - 1, across * tile + taps - 1)
    x = _combine(of_input, _overlapping(x, 1, size, down, tile), 0)
    x = _combine(of_input, _overlapping(x, 3, size, across, tile), 0)
    kernel = _combine(of_kernel, _unstack(kernel, 0), 0)
    kernel = _combine(of_kernel, _unstack(kernel, 1), 0)
    y = lax.dot_general(
        x.reshape(size**2, n * down * across, channels),
        kernel.reshape(size**2, channels, features),
        (((2,), (1,)), ((0,), (0,))),
    )
    y = y.reshape(size, size, n, down, across, features)
    y = _combine(of_output, _unstack(y, 0), 4)
    y = y.reshape(size, n, down, across * tile, features)
    y = _combine(of_output, _unstack(y, 0), 2)
    y = y.reshape(n, down * tile, across * tile, features)
    return y[:, :height, :width]


@functools.cache
def _transforms(size: int, taps: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The matrices Bᵀ, G and Aᵀ, by Toom and Cook's construction.

    V evaluates polynomials at the points. ``V⁻¹ (V g · V h)`` has the coefficients of
    the product of g and h, and a correlation is the transpose of such a product.
    """
    points = np.asarray(POINTS[size])

    def evaluation(length: int) -> np.ndarray:
        # At infinity, a polynomial is its last coefficient.
        finite = np.vander(points, length, increasing=True)
        return np.vstack([finite, np.eye(length)[-1:]])

    others = [np.prod(np.delete(p - points, i)) for i, p in enumerate(points)]
    scale = np.array([*others, 1.0])[:, None]
    of_input = np.linalg.inv(evaluation(size)).T * scale
    of_input[np.abs(of_input) < 1e-9] = 0
    return of_input, evaluation(taps) / scale, evaluation(size - taps + 1).T


def _combine(matrix: np.ndarray, parts: Sequence[jax.Array], axis: int) -> jax.Array:
    """The sums of the parts weighted by each row of the matrix, stacked on `axis`."""
    sums = []
    for row in matrix:
        terms = [
            part if weight == 1 else float(weight) * part
            for weight, part in zip(row, parts, strict=True)
            if weight
        ]
        sums.append(sum(terms[1:], terms[0]))
    return jnp.stack(sums, axis)


def _overlapping(
    x: jax.Array, axis: int, size: int, count: int, step: int
) -> list[jax.Array]:
    """For each i below `size`, element i of `count` tiles that begin `step` apart."""
    last = step * (count - 1) + 1
    return [lax.slice_in_dim(x, i, i + last, step, axis) for i in range(size)]


def _unstack(x: jax.Array, axis: int) -> list[jax.Array]:
    """The slices along `axis`; the transpose of a split is a single concatenation."""
    parts = lax.split(x, [1] * x.shape[axis], axis)
    return [lax.squeeze(part, [axis]) for part in parts]


def _pad_to(x: jax.Array, rows: int, columns: int) -> jax.Array:
    """Adds zeros below and to the right until the size is right."""
    after = [(0, 0, 0), (0, rows - x.shape[1], 0), (0, columns - x.shape[2], 0)]
    return lax.pad(x, jnp.zeros((), x.dtype), [*after, (0, 0, 0)])
