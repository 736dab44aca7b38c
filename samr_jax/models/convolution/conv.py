"""Convolution as PyTorch computes it, in the forms that compile to fast code.

The sums are those of `jax.lax.conv_general_dilated` with explicit padding, which GPUs
and TPUs run. On CPUs `samr_jax.models.convolution.cpu` may choose another form of them.
"""

from __future__ import annotations

from functools import partial

import jax
from jax import lax

from samr_jax.models.convolution import cpu
from samr_jax.models.convolution.padding import Pads


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
    return convolve(x, kernel, strides, ((padding, padding), (padding, padding)))


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def convolve(x: jax.Array, kernel: jax.Array, strides: int, pads: Pads) -> jax.Array:
    """Convolution with explicit zeros on each side, and a kernel of any two sides."""
    return lax.platform_dependent(
        x,
        kernel,
        cpu=partial(cpu.convolve, strides=strides, pads=pads),
        default=partial(cpu.by_xla, strides=strides, pads=pads),
    )


def _forward(x, kernel, strides, pads):
    return convolve(x, kernel, strides, pads), (x, kernel)


def _backward(strides, pads, operands, gradient):
    return lax.platform_dependent(
        *operands,
        gradient,
        cpu=partial(cpu.gradients, strides=strides, pads=pads),
        default=partial(cpu.gradients_by_xla, strides=strides, pads=pads),
    )


convolve.defvjp(_forward, _backward)
