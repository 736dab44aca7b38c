"""Convolution as PyTorch computes it, in the forms that compile to fast code.

The sums are those of `jax.lax.conv_general_dilated` with explicit padding, which GPUs
and TPUs run. On CPUs `samr_jax.models.convolution.cpu` may choose another form of them.
"""

from __future__ import annotations

from functools import partial

import jax
from jax import lax

from samr_jax.models.convolution import cpu, forms
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
    return _convolve(x, kernel, strides, pads, forms.chosen())


def _forward(x, kernel, strides, pads):
    return convolve(x, kernel, strides, pads), (x, kernel)


def _backward(strides, pads, operands, gradient):
    return _gradients(*operands, gradient, strides, pads, forms.chosen())


# Under `jax.jit`, convolutions of equal shapes are traced once. The networks have many.


@partial(jax.jit, static_argnums=(2, 3, 4))
def _convolve(x, kernel, strides: int, pads: Pads, chosen: frozenset[str]):
    """The convolution in one of the `chosen` forms, see `forms`."""
    with forms.using(*chosen):
        return lax.platform_dependent(
            x,
            kernel,
            cpu=partial(cpu.convolve, strides=strides, pads=pads),
            default=partial(cpu.by_xla, strides=strides, pads=pads),
        )


@partial(jax.jit, static_argnums=(3, 4, 5))
def _gradients(x, kernel, gradient, strides: int, pads: Pads, chosen: frozenset[str]):
    """The gradients by the input and by the kernel, likewise."""
    with forms.using(*chosen):
        return lax.platform_dependent(
            x,
            kernel,
            gradient,
            cpu=partial(cpu.gradients, strides=strides, pads=pads),
            default=partial(cpu.gradients_by_xla, strides=strides, pads=pads),
        )


convolve.defvjp(_forward, _backward)
