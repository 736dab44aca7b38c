"""Convolutions with PyTorch's semantics, in the forms that compile to fast code.

Everything is NHWC with kernels ``[k, k, in, out]``. The functions compute exactly what
`jax.lax.conv_general_dilated` does with explicit padding, and on accelerators they are
that. On CPUs `samr_jax.models.convolution.cpu` writes the same sums in another way.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from samr_jax.models.convolution import cpu
from samr_jax.models.convolution.cpu import Pads, by_xla


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
    y = _phases_apart(x, kernel) if kernel.shape[0] == 4 else _phases(x, kernel)
    y = y.transpose(0, 1, 3, 2, 4, 5)
    return y.reshape(n, 2 * height, 2 * width, kernel.shape[-1])


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


@jax.custom_vjp
def _phases(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """The phases in the form that is faster; in the gradients that is another one."""
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
    return kernel.shape[0] == 3 and cpu.is_large(x, kernel)


_phases.defvjp(lambda *operands: (_phases(*operands), operands), _phases_gradients)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _convolve(x: jax.Array, kernel: jax.Array, strides: int, pads: Pads) -> jax.Array:
    """Convolution with explicit zero padding."""
    return lax.platform_dependent(
        x,
        kernel,
        cpu=partial(cpu.convolve, strides=strides, pads=pads),
        default=partial(by_xla, strides=strides, pads=pads),
    )


def _forward(x, kernel, strides, pads):
    return _convolve(x, kernel, strides, pads), (x, kernel)


def _backward(strides, pads, operands, gradient):
    return lax.platform_dependent(
        *operands,
        gradient,
        cpu=partial(cpu.gradients, strides=strides, pads=pads),
        default=partial(_gradients_xla, strides=strides, pads=pads),
    )


_convolve.defvjp(_forward, _backward)


def _gradients_xla(x, kernel, gradient, *, strides: int, pads: Pads):
    return jax.vjp(partial(by_xla, strides=strides, pads=pads), x, kernel)[1](gradient)
