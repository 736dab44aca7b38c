"""Up-convolution: PyTorch's transposed convolution of stride 2."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from samr_jax.models.convolution import cpu, forms
from samr_jax.models.convolution.conv import convolve


def up_conv2d(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Transposed convolution of stride 2 that doubles the size, as PyTorch's.

    The four phases of the output (even or odd rows, even or odd columns) are small
    convolutions of the input, which are interleaved. A convolution of the input with
    zeros between its pixels would multiply those zeros, and its gradients are slow.

    Args:
      x: ``(N, H, W, C)``.
      kernel: ``(k, k, C, features)`` with k 3 (PyTorch's ``padding=1,
        output_padding=1``), 4 (``padding=1``) or 2 (``padding=0``).

    Returns:
      ``(N, 2 H, 2 W, features)``.
    """
    if not forms.uses("subpixel"):
        return _dilated(x, kernel)
    n, height, width, _ = x.shape
    y = _phases_apart(x, kernel) if kernel.shape[0] == 4 else _phases(x, kernel)
    y = y.transpose(0, 1, 3, 2, 4, 5)
    return y.reshape(n, 2 * height, 2 * width, kernel.shape[-1])


_PHASES = {
    2: ((slice(0, 1), (0, 0)), (slice(1, 2), (0, 0))),
    3: ((slice(1, 2), (0, 0)), (slice(2, None, -2), (0, 1))),
    4: ((slice(3, None, -2), (1, 0)), (slice(2, None, -2), (0, 1))),
}
"""Side of the kernel -> for even and for odd outputs, the weights and the padding.

Output o of the transposed convolution sums ``x[i] * kernel[o + padding - 2 i]``.
"""


def _phases_apart(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Four convolutions: ``(N, H, W, C)`` to ``(N, H, W, 2, 2, features)``."""
    phases = _PHASES[kernel.shape[0]]
    rows = [
        jnp.stack(
            [
                convolve(x, kernel[down][:, across], 1, (pads_down, pads_across))
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
    y = convolve(x, jnp.concatenate(wide, -1), 1, ((0, taps - 1),) * 2)
    return y.reshape(*x.shape[:3], 2, 2, kernel.shape[-1])


@jax.custom_vjp
def _phases(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """The phases in the form that is faster, which may differ for the gradients."""
    apart = _is_worth_parting(x, kernel)
    return lax.platform_dependent(
        x,
        kernel,
        cpu=_phases_apart if apart else _phases_together,
        default=_phases_together,
    )


def _phases_gradients(operands, gradient):
    def pull(form, x, kernel, gradient):
        return jax.vjp(form, x, kernel)[1](gradient)

    apart = _is_worth_parting(*operands) and cpu.is_mostly_kernel(*operands)
    return lax.platform_dependent(
        *operands,
        gradient,
        cpu=partial(pull, _phases_apart if apart else _phases_together),
        default=partial(pull, _phases_together),
    )


def _is_worth_parting(x, kernel) -> bool:
    return (
        forms.uses("phases-apart") and kernel.shape[0] == 3 and cpu.is_large(x, kernel)
    )


_phases.defvjp(lambda *operands: (_phases(*operands), operands), _phases_gradients)


def _dilated(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """The up-convolution as XLA has it: a convolution of the input among zeros."""
    pads = {2: (1, 1), 3: (1, 2), 4: (2, 2)}[kernel.shape[0]]
    return lax.conv_general_dilated(
        x,
        kernel[::-1, ::-1],
        (1, 1),
        [pads] * 2,
        lhs_dilation=(2, 2),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
