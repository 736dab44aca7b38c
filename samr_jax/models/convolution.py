"""Convolutions with PyTorch's semantics, in the forms that compile to fast code.

Everything is NHWC with kernels ``[k, k, in, out]``. The functions compute exactly what
`jax.lax.conv_general_dilated` does with explicit padding, and on accelerators they are
that. XLA's CPU backend has cliffs of up to two orders of magnitude, so there the same
sums are written in another way.
"""

from collections.abc import Callable, Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

Pads = tuple[tuple[int, int], tuple[int, int]]
"""Zeros before and after the rows, and the columns."""

PIXELS_PER_BLOCK = 2048
"""Pixels whose products are summed at a time: their patches fit a core's cache."""

SMALL_WORK = 2**27
"""Multiplications below which XLA's own kernel gradient is used: it compiles faster."""


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

    Args:
      x: ``(N, H, W, C)``.
      kernel: ``(k, k, C, features)``.
      strides: step in both directions.
      padding: zeros on each of the four sides.

    Returns:
      ``(N, (H + 2 padding - k) // strides + 1, ..., features)``.
    """
    return _convolve(x, kernel, strides, ((padding, padding), (padding, padding)))


def up_conv2d(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Transposed convolution of stride 2 that doubles the size, as PyTorch's.

    Each of the four output phases (even or odd rows and columns) is a small convolution
    of the input, and they are interleaved. Unlike an input-dilated convolution this
    multiplies few zeros or none, and its gradients are ordinary ones.

    Args:
      x: ``(N, H, W, C)``.
      kernel: ``(k, k, C, features)`` with k 3 (PyTorch's ``padding=1,
        output_padding=1``), 4 (``padding=1``) or 2 (``padding=0``).

    Returns:
      ``(N, 2 H, 2 W, features)``.
    """
    n, height, width, _ = x.shape
    size, features = kernel.shape[0], kernel.shape[-1]
    if size == 4:
        y = _phases_apart(x, kernel)
    else:
        large = n * height * width * kernel.size >= SMALL_WORK
        cpu = _phases_apart if size == 3 and large else _phases_together
        y = lax.platform_dependent(x, kernel, cpu=cpu, default=_phases_together)
    y = y.transpose(0, 1, 3, 2, 4, 5)
    return y.reshape(n, 2 * height, 2 * width, features)


_PHASES = {
    2: ((slice(0, 1), (0, 0)), (slice(1, 2), (0, 0))),
    3: ((slice(1, 2), (0, 0)), (slice(2, None, -2), (0, 1))),
    4: ((slice(3, None, -2), (1, 0)), (slice(2, None, -2), (0, 1))),
}
"""Kernel size -> for even and for odd outputs, which weights apply and the padding.

Output o of the transposed convolution sums ``x[i] * kernel[o + padding - 2 i]``.
"""


def _phases_apart(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Four convolutions: ``(N, H, W, C)`` to ``(N, H, W, 2, 2, features)``."""
    phases = _PHASES[kernel.shape[0]]
    rows = [
        jnp.stack(
            [
                _convolve(x, kernel[down][:, across], 1, (pads_down, pads_across))
                for across, pads_across in phases
            ],
            3,
        )
        for down, pads_down in phases
    ]
    return jnp.stack(rows, 3)


def _phases_together(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """The same as one convolution with 4 times the features, short kernels zero-filled.

    It reads the input once and fills matrix units better, for 16/9 of the products.
    """
    phases = _PHASES[kernel.shape[0]]
    taps = (kernel.shape[0] + 1) // 2

    def fill(weights: jax.Array, axis: int) -> jax.Array:
        config = [(0, 0, 0)] * weights.ndim
        config[axis] = (0, taps - weights.shape[axis], 0)
        return lax.pad(weights, jnp.zeros((), weights.dtype), config)

    wide = [
        fill(fill(kernel[down], 0)[:, across], 1)
        for down, _ in phases
        for across, _ in phases
    ]
    y = _convolve(x, jnp.concatenate(wide, -1), 1, ((0, taps - 1),) * 2)
    return y.reshape(*x.shape[:3], 2, 2, kernel.shape[-1])


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _convolve(x: jax.Array, kernel: jax.Array, strides: int, pads: Pads) -> jax.Array:
    """Convolution with explicit zero padding."""
    return lax.platform_dependent(
        x,
        kernel,
        cpu=partial(_convolve_cpu, strides=strides, pads=pads),
        default=partial(_convolve_xla, strides=strides, pads=pads),
    )


def _forward(x, kernel, strides, pads):
    return _convolve(x, kernel, strides, pads), (x, kernel)


def _backward(strides, pads, operands, gradient):
    return lax.platform_dependent(
        *operands,
        gradient,
        cpu=partial(_gradients_cpu, strides=strides, pads=pads),
        default=partial(_gradients_xla, strides=strides, pads=pads),
    )


_convolve.defvjp(_forward, _backward)


def _convolve_xla(x, kernel, *, strides: int, pads: Pads) -> jax.Array:
    return lax.conv_general_dilated(
        x, kernel, (strides,) * 2, pads, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def _gradients_xla(x, kernel, gradient, *, strides: int, pads: Pads):
    return jax.vjp(partial(_convolve_xla, strides=strides, pads=pads), x, kernel)[1](
        gradient
    )


def _convolve_cpu(x, kernel, *, strides: int, pads: Pads) -> jax.Array:
    """Never without padding, which is up to 25 times slower: one column, then cropped.

    Measured with jax 0.10, whose CPU convolutions are YNNPACK's.
    """
    k_rows, k_columns, _, features = kernel.shape
    if features == 1 and strides == 1 and k_rows == k_columns > 3:
        return _convolve_to_one_feature(x, kernel, pads=pads)
    if max(k_rows, k_columns) == 1 or pads != ((0, 0), (0, 0)):
        return _convolve_xla(x, kernel, strides=strides, pads=pads)
    y = _convolve_xla(x, kernel, strides=strides, pads=((0, 0), (0, strides)))
    return y[:, :, : (x.shape[2] - k_columns) // strides + 1]


def _convolve_to_one_feature(x, kernel, *, pads: Pads) -> jax.Array:
    """The kernel's rows as features, added up with their shifts: a wider product."""
    size = kernel.shape[0]
    rows = kernel[..., 0].transpose(1, 2, 0)[None]
    y = _convolve_cpu(x, rows, strides=1, pads=((0, 0), pads[1]))
    y = lax.pad(y, jnp.zeros((), y.dtype), [(0, 0, 0), (*pads[0], 0), *[(0, 0, 0)] * 2])
    height = y.shape[1] - size + 1
    return sum(y[:, i : i + height, :, i : i + 1] for i in range(size))


def _gradients_cpu(x, kernel, gradient, *, strides: int, pads: Pads):
    forward = partial(_convolve_cpu, kernel=kernel, strides=strides, pads=pads)
    (x_gradient,) = jax.vjp(forward, x)[1](gradient)
    pixels = gradient.size // gradient.shape[-1]
    small = pixels < PIXELS_PER_BLOCK or pixels * kernel.size < SMALL_WORK
    if small and gradient.shape[1] <= x.shape[1]:
        return _gradients_xla(x, kernel, gradient, strides=strides, pads=pads)
    kernel_gradient = _kernel_gradient(
        x, gradient, size=kernel.shape[:2], strides=strides, pads=pads
    )
    return x_gradient, kernel_gradient.astype(kernel.dtype)


def _kernel_gradient(
    x: jax.Array, gradient: jax.Array, *, size: Sequence[int], strides: int, pads: Pads
) -> jax.Array:
    """The kernel's gradient as products of matrices, summed over blocks of rows.

    ``dL/dkernel[i, j] = Σ x[s u + i, s v + j]ᵀ gradient[u, v]`` over outputs (u, v).
    The x of all columns j are laid side by side, and so are the gradients of all rows
    i, so that one product yields all ``(i, j)`` while only k copies of each are made.
    With strides s, row i is ``s t + q``: the s rows q count as channels of x.
    """
    (k_rows, k_columns), s = size, strides
    n, height, width, features = gradient.shape
    inputs, taps = x.shape[-1], -(-k_rows // s)
    rows = height + taps - 1
    blocks = -(-n * rows * width // PIXELS_PER_BLOCK)
    block = -(-rows // blocks)
    blocks = -(-rows // block)
    x = _pad_to(x, pads[0][0], blocks * block * s, pads[1])
    gradient = _pad_to(gradient, taps - 1, blocks * block + taps - 1, (0, 0))

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


def _sum_over(count: int, term: Callable[[jax.Array], jax.Array]) -> jax.Array:
    zeros = jnp.zeros(jax.eval_shape(term, 0).shape)
    return lax.fori_loop(0, count, lambda i, total: total + term(i), zeros)


def _pad_to(
    x: jax.Array, before: int, rows: int, columns: tuple[int, int]
) -> jax.Array:
    """Zeros before the rows, then after (or a crop) until there are `rows`."""
    after = rows - before - x.shape[1]
    config = [(0, 0, 0), (before, after, 0), (*columns, 0), (0, 0, 0)]
    return lax.pad(x, jnp.zeros((), x.dtype), config)
