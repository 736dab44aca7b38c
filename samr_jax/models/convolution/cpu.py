"""Convolutions and their gradients in the forms that XLA compiles to fast CPU code.

XLA's CPU backend has cliffs of up to two orders of magnitude, and multiplies more than
it has to. The forms here are the same sums, rounded differently. Measured with jax
0.10, whose CPU convolutions are YNNPACK's; docs/speed.md has what each gives.
"""

from collections.abc import Callable, Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from samr_jax.models.convolution import winograd

Pads = tuple[tuple[int, int], tuple[int, int]]
"""Zeros before and after the rows, and the columns."""

PIXELS_PER_BLOCK = 2048
"""Pixels whose products are summed at a time: their patches fit a core's cache."""

SMALL_WORK = 2**27
"""Multiplications below which XLA's own kernel gradient is used: it compiles faster."""

WINOGRAD_CHANNELS = 128
"""In and out of a convolution, from which on fewer products outweigh the transforms;
half as many for the kernel's gradient, whose transforms stay in a core's cache."""

NO_PADS: Pads = ((0, 0), (0, 0))


def convolve(x, kernel, *, strides: int, pads: Pads) -> jax.Array:
    """The convolution, as `jax.lax.conv_general_dilated` with explicit padding.

    Never without padding, which is up to 25 times slower: one column, then cropped.
    """
    k_rows, k_columns = kernel.shape[:2]
    if _is_product(kernel, strides, pads):
        return _product(x, kernel)
    suits = k_rows > 2 and not is_mostly_kernel(x, kernel)
    if suits and _suits_winograd(x, kernel, strides, WINOGRAD_CHANNELS):
        return _convolve_winograd(x, kernel, pads=pads)
    if _is_last_layer(kernel, strides):
        return _convolve_to_one_feature(x, kernel, pads=pads)
    if max(k_rows, k_columns) == 1 or pads != NO_PADS:
        return by_xla(x, kernel, strides=strides, pads=pads)
    y = by_xla(x, kernel, strides=strides, pads=((0, 0), (0, strides)))
    return y[:, :, : (x.shape[2] - k_columns) // strides + 1]


def by_xla(x, kernel, *, strides: int, pads: Pads) -> jax.Array:
    """The convolution as XLA has it, on any device."""
    return lax.conv_general_dilated(
        x, kernel, (strides,) * 2, pads, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def _is_product(kernel, strides: int, pads: Pads) -> bool:
    return kernel.shape[:2] == (1, 1) and strides == 1 and pads == NO_PADS


def _product(x, kernel) -> jax.Array:
    """A 1 x 1 convolution: as one of matrices its gradients are, too."""
    *pixels, channels = x.shape
    return (x.reshape(-1, channels) @ kernel[0, 0]).reshape(*pixels, -1)


def _suits_winograd(x, kernel, strides: int, channels: int) -> bool:
    return (
        kernel.shape[:2] in ((2, 2), (3, 3), (4, 4))
        and strides == 1
        and min(kernel.shape[2:]) >= channels
        and is_large(x, kernel)
        and x.dtype == jnp.float32  # the transforms lose digits
    )


def is_large(pixels: jax.Array, kernel: jax.Array) -> bool:
    """Whether another form than XLA's is worth its compilation."""
    return pixels.size // pixels.shape[-1] * kernel.size >= SMALL_WORK


def is_mostly_kernel(x: jax.Array, kernel: jax.Array) -> bool:
    """Whether transforms of kernels outweigh those of pixels."""
    return x.size // x.shape[-1] < 4 * max(kernel.shape[2:])


def _convolve_winograd(x, kernel, *, pads: Pads) -> jax.Array:
    """Large tiles, unless their kernels would be most of what is transformed."""
    size = 4 if kernel.shape[0] == 3 and is_mostly_kernel(x, kernel) else 6
    rows, columns = _padded(x, pads)
    x = _pad_to(x, pads[0][0], rows, pads[1][0], columns)
    return winograd.convolve(x, kernel, size=size)


def _fold(x, kernel, *, pads: Pads) -> tuple[jax.Array, jax.Array]:
    """Operands of stride 2 as of stride 1: even and odd places become channels."""
    taps = kernel.shape[0] // 2
    n, *_, channels = x.shape
    # Of an odd number of rows or columns, no output reaches the last.
    down, across = (length // 2 for length in _padded(x, pads))
    x = _pad_to(x, pads[0][0], 2 * down, pads[1][0], 2 * across)
    x = x.reshape(n, down, 2, across, 2, channels).swapaxes(2, 3)
    kernel = kernel.reshape(taps, 2, taps, 2, channels, -1).swapaxes(1, 2)
    return (
        x.reshape(n, down, across, 4 * channels),
        kernel.reshape(taps, taps, 4 * channels, -1),
    )


def _is_last_layer(kernel, strides: int) -> bool:
    k_rows, k_columns, _, features = kernel.shape
    return features == 1 and strides == 1 and k_rows == k_columns > 3


def _convolve_to_one_feature(x, kernel, *, pads: Pads) -> jax.Array:
    """The kernel's rows as features, added up with their shifts: a wider product."""
    size = kernel.shape[0]
    rows = kernel[..., 0].transpose(1, 2, 0)[None]
    y = convolve(x, rows, strides=1, pads=((0, 0), pads[1]))
    y = lax.pad(y, jnp.zeros((), y.dtype), [(0, 0, 0), (*pads[0], 0), *[(0, 0, 0)] * 2])
    height = y.shape[1] - size + 1
    return sum(y[:, i : i + height, :, i : i + 1] for i in range(size))


def gradients(x, kernel, gradient, *, strides: int, pads: Pads):
    """The gradients by x and by the kernel, of what `convolve` computes."""
    if _is_product(kernel, strides, pads):
        return jax.vjp(_product, x, kernel)[1](gradient)
    if _suits_winograd(x, kernel, strides, WINOGRAD_CHANNELS):
        form = partial(_convolve_winograd, pads=pads)
        return jax.vjp(form, x, kernel)[1](gradient)
    large = is_large(gradient, kernel)
    if large and strides == 2 and kernel.shape[:2] == (4, 4):
        folded, unfold = jax.vjp(partial(_fold, pads=pads), x, kernel)
        return unfold(gradients(*folded, gradient, strides=1, pads=NO_PADS))
    forward = partial(convolve, kernel=kernel, strides=strides, pads=pads)
    (x_gradient,) = jax.vjp(forward, x)[1](gradient)
    small = not large or gradient.size // gradient.shape[-1] < PIXELS_PER_BLOCK
    if small and gradient.shape[1] <= x.shape[1]:
        form = partial(by_xla, strides=strides, pads=pads)
        return jax.vjp(form, x, kernel)[1](gradient)
    if _is_last_layer(kernel, strides):
        kernel_gradient = _kernel_gradient_of_one_feature(x, gradient, pads=pads)
    elif _suits_winograd(x, kernel, strides, WINOGRAD_CHANNELS // 2):
        kernel_gradient = _kernel_gradient_winograd(x, kernel, gradient, pads=pads)
    else:
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
    x = _pad_to(x, pads[0][0], blocks * block * s, pads[1][0], _padded(x, pads)[1])
    gradient = _pad_to(gradient, taps - 1, blocks * block + taps - 1, 0, width)

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


def _kernel_gradient_winograd(x, kernel, gradient, *, pads: Pads) -> jax.Array:
    """The kernel's gradient with fewer products, summed over blocks of rows."""
    n, height, width, _ = gradient.shape
    taps = kernel.shape[0]
    tile = 6 - taps + 1
    block = tile * max(1, round(2 * PIXELS_PER_BLOCK / (n * width * tile)))
    blocks = -(-height // block)
    x = _pad_to(
        x, pads[0][0], blocks * block + taps - 1, pads[1][0], _padded(x, pads)[1]
    )
    gradient = _pad_to(gradient, 0, blocks * block, 0, width)

    def term(index):
        a = lax.dynamic_slice_in_dim(x, index * block, block + taps - 1, 1)
        b = lax.dynamic_slice_in_dim(gradient, index * block, block, 1)
        return jax.vjp(lambda w: winograd.convolve(a, w, size=6), kernel)[1](b)[0]

    return _sum_over(blocks, term)


def _kernel_gradient_of_one_feature(
    x: jax.Array, gradient: jax.Array, *, pads: Pads
) -> jax.Array:
    """One product: the gradient shifted by every ``(i, j)``, times all pixels of x."""
    rows, columns = _padded(x, pads)
    x = _pad_to(x, pads[0][0], rows, pads[1][0], columns)
    size = rows - gradient.shape[1] + 1
    shifted = [
        _pad_to(gradient, i, rows, j, columns) for i in range(size) for j in range(size)
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


def _padded(x: jax.Array, pads: Pads) -> tuple[int, int]:
    """Rows and columns with their zeros."""
    return x.shape[1] + sum(pads[0]), x.shape[2] + sum(pads[1])


def _pad_to(x: jax.Array, above: int, rows: int, left: int, columns: int) -> jax.Array:
    """Zeros above and to the left, then behind (or a crop) until the size is right."""
    below, right = rows - above - x.shape[1], columns - left - x.shape[2]
    config = [(0, 0, 0), (above, below, 0), (left, right, 0), (0, 0, 0)]
    return lax.pad(x, jnp.zeros((), x.dtype), config)
