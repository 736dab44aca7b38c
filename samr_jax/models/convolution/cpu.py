"""Convolutions and their gradients in the forms that XLA compiles to fast CPU code.

XLA's CPU backend (jax 0.10, whose CPU convolutions are YNNPACK's) is up to a hundred
times slower for some convolutions than for similar ones, and always multiplies as often
as the definition says. The forms here compute the same sums, rounded differently.
docs/speed.md has the measurements; `samr_jax.models.convolution.forms` switches forms
off.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from samr_jax.models.convolution import forms, kernel_gradient, winograd
from samr_jax.models.convolution.padding import NO_PADS, Pads, pad_to, padded_size

WORK_WORTH_COMPILING = 2**27
"""Multiplications from which on a faster form repays its longer compilation."""

CHANNELS_WORTH_TRANSFORMING = 128
"""Input and output channels from which on Winograd's method saves more time in products
than its transforms take."""

CHANNELS_WORTH_TRANSFORMING_IN_CACHE = 64
"""The same for transforms of blocks that stay in a core's cache."""

PIXELS_PER_CHANNEL_WORTH_TRANSFORMING = 4
"""Pixels for each channel below which the kernel's transform takes most of the time."""


def convolve(x, kernel, *, strides: int, pads: Pads) -> jax.Array:
    """The convolution, as `jax.lax.conv_general_dilated` with explicit padding."""
    if _is_product(kernel, strides, pads):
        return _product(x, kernel)
    worth_it = kernel.shape[0] > 2 and not is_mostly_kernel(x, kernel)
    if worth_it and _suits_winograd(x, kernel, strides):
        return _by_winograd(x, kernel, pads=pads)
    if _is_last_layer(kernel, strides):
        return _rows_as_features(x, kernel, pads=pads)
    if _lacks_padding(kernel, pads):
        return _with_one_column(x, kernel, strides=strides)
    return by_xla(x, kernel, strides=strides, pads=pads)


def gradients(x, kernel, gradient, *, strides: int, pads: Pads):
    """The gradients by x and by the kernel of `convolve`'s result."""
    if _is_product(kernel, strides, pads):
        return jax.vjp(_product, x, kernel)[1](gradient)
    if _suits_winograd(x, kernel, strides):
        form = partial(_by_winograd, pads=pads)
        return jax.vjp(form, x, kernel)[1](gradient)
    if _suits_folding(kernel, gradient, strides):
        folded, unfold = jax.vjp(partial(_fold, pads=pads), x, kernel)
        return unfold(gradients(*folded, gradient, strides=1, pads=NO_PADS))
    if _is_left_to_xla(x, kernel, gradient):
        return gradients_by_xla(x, kernel, gradient, strides=strides, pads=pads)
    form = partial(convolve, kernel=kernel, strides=strides, pads=pads)
    (by_x,) = jax.vjp(form, x)[1](gradient)
    by_kernel = _gradient_by_kernel(x, kernel, gradient, strides, pads)
    return by_x, by_kernel.astype(kernel.dtype)


def _gradient_by_kernel(x, kernel, gradient, strides: int, pads: Pads) -> jax.Array:
    if _is_last_layer(kernel, strides):
        return kernel_gradient.of_one_feature(x, gradient, pads=pads)
    if _suits_winograd_in_blocks(x, kernel, strides):
        return kernel_gradient.by_winograd(x, kernel, gradient, pads=pads)
    if not forms.uses("row-blocks"):
        return gradients_by_xla(x, kernel, gradient, strides=strides, pads=pads)[1]
    return kernel_gradient.in_row_blocks(
        x, gradient, size=kernel.shape[:2], strides=strides, pads=pads
    )


def by_xla(x, kernel, *, strides: int, pads: Pads) -> jax.Array:
    """The convolution as XLA has it, on any device."""
    return lax.conv_general_dilated(
        x, kernel, (strides,) * 2, pads, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def gradients_by_xla(x, kernel, gradient, *, strides: int, pads: Pads):
    """The gradients by x and by the kernel as XLA has them, on any device."""
    return jax.vjp(partial(by_xla, strides=strides, pads=pads), x, kernel)[1](gradient)


def is_large(pixels: jax.Array, kernel: jax.Array) -> bool:
    """Whether another form than XLA's is worth its compilation."""
    return pixels.size // pixels.shape[-1] * kernel.size >= WORK_WORTH_COMPILING


def is_mostly_kernel(x: jax.Array, kernel: jax.Array) -> bool:
    """Whether transforms of kernels take more time than transforms of pixels."""
    pixels = x.size // x.shape[-1]
    return pixels < PIXELS_PER_CHANNEL_WORTH_TRANSFORMING * max(kernel.shape[2:])


def _is_left_to_xla(x, kernel, gradient) -> bool:
    """Whether the work is small, unless XLA is slow at it however small it is.

    XLA is slow where padding makes the result larger than x, as PatchGANs do.
    """
    pixels = gradient.size // gradient.shape[-1]
    few = pixels < kernel_gradient.PIXELS_IN_CACHE
    small = few or not is_large(gradient, kernel)
    return small and gradient.shape[1] <= x.shape[1]


def _is_product(kernel, strides: int, pads: Pads) -> bool:
    is_1x1 = kernel.shape[:2] == (1, 1) and strides == 1 and pads == NO_PADS
    return is_1x1 and forms.uses("product")


def _product(x, kernel) -> jax.Array:
    """A 1 x 1 convolution as a product of matrices, and so are its gradients."""
    *pixels, channels = x.shape
    return (x.reshape(-1, channels) @ kernel[0, 0]).reshape(*pixels, -1)


def _lacks_padding(kernel, pads: Pads) -> bool:
    lacks = pads == NO_PADS and max(kernel.shape[:2]) > 1
    return lacks and forms.uses("one-column")


def _with_one_column(x, kernel, *, strides: int) -> jax.Array:
    """A convolution without padding; XLA is up to 25 times faster if it has some."""
    y = by_xla(x, kernel, strides=strides, pads=((0, 0), (0, strides)))
    return y[:, :, : (x.shape[2] - kernel.shape[1]) // strides + 1]


def _suits_winograd(x, kernel, strides: int) -> bool:
    return forms.uses("winograd") and _has_channels_for_winograd(
        x, kernel, strides, CHANNELS_WORTH_TRANSFORMING
    )


def _suits_winograd_in_blocks(x, kernel, strides: int) -> bool:
    return forms.uses("winograd-blocks") and _has_channels_for_winograd(
        x, kernel, strides, CHANNELS_WORTH_TRANSFORMING_IN_CACHE
    )


def _has_channels_for_winograd(x, kernel, strides: int, channels: int) -> bool:
    return (
        kernel.shape[:2] in ((2, 2), (3, 3), (4, 4))
        and strides == 1
        and min(kernel.shape[2:]) >= channels
        and is_large(x, kernel)
        and x.dtype == jnp.float32  # The transforms would round too coarsely.
    )


def _by_winograd(x, kernel, *, pads: Pads) -> jax.Array:
    """In large tiles, unless that leaves most of the work to the kernel's transform."""
    size = 4 if kernel.shape[0] == 3 and is_mostly_kernel(x, kernel) else 6
    rows, columns = padded_size(x, pads)
    x = pad_to(x, pads[0][0], rows, pads[1][0], columns)
    return winograd.convolve(x, kernel, size=size)


def _suits_folding(kernel, gradient, strides: int) -> bool:
    suits = strides == 2 and kernel.shape[:2] == (4, 4) and is_large(gradient, kernel)
    return suits and forms.uses("fold")


def _fold(x, kernel, *, pads: Pads) -> tuple[jax.Array, jax.Array]:
    """Operands of stride 2 as operands of stride 1.

    Even and odd rows and columns become channels.
    """
    taps = kernel.shape[0] // 2
    n, *_, channels = x.shape
    # No output reaches the last of an odd number of rows or columns.
    down, across = (length // 2 for length in padded_size(x, pads))
    x = pad_to(x, pads[0][0], 2 * down, pads[1][0], 2 * across)
    x = x.reshape(n, down, 2, across, 2, channels).swapaxes(2, 3)
    kernel = kernel.reshape(taps, 2, taps, 2, channels, -1).swapaxes(1, 2)
    return (
        x.reshape(n, down, across, 4 * channels),
        kernel.reshape(taps, taps, 4 * channels, -1),
    )


def _is_last_layer(kernel, strides: int) -> bool:
    k_rows, k_columns, _, features = kernel.shape
    suits = features == 1 and strides == 1 and k_rows == k_columns > 3
    return suits and forms.uses("one-feature")


def _rows_as_features(x, kernel, *, pads: Pads) -> jax.Array:
    """A convolution to one feature: the kernel's rows become features of a wider one.

    The rows are then added up, each with its shift.
    """
    size = kernel.shape[0]
    rows = kernel[..., 0].transpose(1, 2, 0)[None]
    y = convolve(x, rows, strides=1, pads=((0, 0), pads[1]))
    y = pad_to(y, pads[0][0], y.shape[1] + sum(pads[0]), 0, y.shape[2])
    height = y.shape[1] - size + 1
    shifted = (y[:, i : i + height, :, i : i + 1] for i in range(size))
    return sum(shifted)  # type: ignore[return-value]
