"""Convolutions and up-convolutions with a kernel and a bias."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from samr_jax.models.convolution import conv2d, up_conv2d
from samr_jax.models.layers.initial import Gaussian, Layer


class Convolution(Layer):
    """What convolutions and up-convolutions share: the kernel and the bias.

    Subclasses have the fields `features`, `kernel`, `use_bias` and `dtype`.

    Attributes:
      he: whether the kernel starts as in He et al. (2015), N(0, sqrt(2 / n)) where each
        output sums n inputs, and not as in the paper.
    """

    he: bool = dataclasses.field(default=False, kw_only=True)

    def initial(self, name: str, shape: tuple[int, ...]) -> Gaussian:
        if name == "kernel" and self.he:
            return Gaussian(0.0, math.sqrt(2 / self.summed_inputs(shape)))
        return super().initial(name, shape)

    def summed_inputs(self, shape: tuple[int, ...]) -> float:
        """How many inputs an output sums, for a kernel of this shape."""
        return math.prod(shape[:-1])

    def start_kernel(self, channels: int) -> jax.Array:
        """The kernel ``(k, k, channels, features)``, in the computing dtype."""
        shape = (self.kernel, self.kernel, channels, self.features)
        return self.start("kernel", shape).astype(self.dtype)

    def add_bias(self, y: jax.Array) -> jax.Array:
        """Adds the bias, if the layer has one."""
        if not self.use_bias:
            return y
        return y + self.start("bias", (self.features,)).astype(self.dtype)


class Conv(Convolution):
    """Convolution as PyTorch's ``Conv2d`` with a square kernel.

    Attributes:
      features: output channels.
      kernel: side of the kernel.
      strides: step in both directions.
      padding: pixels added on each side; by default half the kernel.
      pad_mode: 'zero' or 'reflect'.
      use_bias: whether a bias is added.
      dtype: dtype of the computation.
    """

    features: int
    kernel: int
    strides: int = 1
    padding: int | None = None
    pad_mode: str = "zero"
    use_bias: bool = True
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        kernel = self.start_kernel(x.shape[-1])
        padding = self.kernel // 2 if self.padding is None else self.padding
        x = x.astype(self.dtype)
        if self.pad_mode == "reflect":
            around = (padding, padding)
            x = jnp.pad(x, ((0, 0), around, around, (0, 0)), mode="reflect")
            padding = 0
        return self.add_bias(conv2d(x, kernel, strides=self.strides, padding=padding))


class UpConv(Convolution):
    """Transposed convolution that doubles the size, as PyTorch's ``ConvTranspose2d``.

    Attributes:
      features: output channels.
      kernel: 2, 3 or 4; see `samr_jax.models.convolution.up_conv2d`.
      use_bias: whether a bias is added.
      dtype: dtype of the computation.
    """

    features: int
    kernel: int = 3
    use_bias: bool = True
    dtype: Any = jnp.float32

    def summed_inputs(self, shape: tuple[int, ...]) -> float:
        # Three of four weights fall on the zeros between the pixels.
        return super().summed_inputs(shape) / 4

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        kernel = self.start_kernel(x.shape[-1])
        return self.add_bias(up_conv2d(x.astype(self.dtype), kernel))
