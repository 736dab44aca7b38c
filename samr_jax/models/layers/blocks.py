"""Blocks of convolution, norm and activation."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from samr_jax.models.layers.convolution import Conv, UpConv
from samr_jax.models.layers.norm import Norm


class ConvBlock(nn.Module):
    """A convolution or an up-convolution, then a norm, then ReLU or leaky ReLU.

    Attributes:
      features: output channels.
      kernel: side of the kernel.
      strides: see `Conv`, as for the next three.
      up: whether an `UpConv` doubles the size; `strides`, `padding` and `pad_mode` then
        have no effect.
      norm: kind of `Norm`.
      slope: slope of the activation where its input is negative; 0 is ReLU.
      he: whether the kernel starts as in He et al. (2015); see `Conv`.
      norm_axis: see `Norm`.
      dtype: dtype of the computation.
    """

    features: int
    kernel: int = 3
    strides: int = 1
    padding: int | None = None
    pad_mode: str = "zero"
    use_bias: bool = True
    up: bool = False
    norm: str = "batch"
    slope: float = 0.0
    he: bool = False
    norm_axis: str | None = None
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool, groups: int = 1) -> jax.Array:
        x = self._convolution()(x)
        norm = Norm(self.norm, self.norm_axis, self.dtype, name="norm")
        x = norm(x, train=train, groups=groups)
        return nn.leaky_relu(x, self.slope) if self.slope else nn.relu(x)

    def _convolution(self) -> nn.Module:
        options = {
            "use_bias": self.use_bias,
            "dtype": self.dtype,
            "he": self.he,
            "name": "conv",
        }
        if self.up:
            return UpConv(self.features, self.kernel, **options)
        return Conv(
            self.features,
            self.kernel,
            self.strides,
            self.padding,
            self.pad_mode,
            **options,
        )


class ResidualBlock(nn.Module):
    """Two reflect-padded 3 x 3 convolutions with norm, whose result is added to x."""

    norm: str = "batch"
    norm_axis: str | None = None
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        options = {"norm_axis": self.norm_axis, "dtype": self.dtype}
        features = x.shape[-1]
        y = ConvBlock(
            features, pad_mode="reflect", norm=self.norm, name="first", **options
        )(x, train=train)
        y = Conv(features, 3, pad_mode="reflect", dtype=self.dtype, name="conv")(y)
        return x + Norm(self.norm, name="norm", **options)(y, train=train)


def rematerialised(module: nn.Module, *inputs: Any, train: bool, on: bool) -> Any:
    """Calls ``module(*inputs, train=train)``.

    If `on`, the backward pass computes the module's activations again and does not keep
    them in memory. The results and the running statistics are the same either way.
    """
    if not on:
        return module(*inputs, train=train)
    return nn.remat(lambda inner, *values: inner(*values, train=train))(module, *inputs)
