"""Layers that all networks share: convolutions, norms, residual blocks, pooling.

All are NHWC. `dtype` is what a layer computes in; parameters are always float32.
Initial values are the paper's: convolutions N(0, 0.02), norm scales N(1, 0.02), biases
0. Those of Ronneberger's U-Net are its own, N(0, sqrt(2 / N)) with N inputs a sum.
"""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax

from samr_jax.models.convolution.as_pytorch import conv2d, reflect_pad, up_conv2d

STDDEV = 0.02


def scale_init(key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32):
    """Norm scales: N(1, 0.02)."""
    return 1 + STDDEV * jax.random.normal(key, shape, dtype)


class Kernel(nn.Module):
    """What layers with a kernel share.

    Attributes:
      he: whether the kernel starts as He et al. (2015) have it, not as the paper.
    """

    he: bool = dataclasses.field(default=False, kw_only=True)

    def stddev(self, shape: tuple[int, ...]) -> float:
        """Standard deviation that a kernel of this shape starts with."""
        return math.sqrt(2 / self.inputs(shape)) if self.he else STDDEV

    def inputs(self, shape: tuple[int, ...]) -> float:
        """How many numbers are summed in an output."""
        return math.prod(shape[:-1])

    def kernel_param(self, channels: int) -> jax.Array:
        """The kernel ``(k, k, channels, features)``, in the computing dtype."""
        shape = (self.kernel, self.kernel, channels, self.features)
        init = nn.initializers.normal(self.stddev(shape))
        return self.param("kernel", init, shape).astype(self.dtype)


class Conv(Kernel):
    """Convolution as PyTorch's ``Conv2d`` with a square kernel.

    Attributes:
      features: output channels.
      kernel: side of the kernel.
      strides: step in both directions.
      padding: pixels added on each side; by default half the kernel.
      pad_mode: 'zero' or 'reflect'.
      use_bias: whether a bias is added.
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
        kernel = self.kernel_param(x.shape[-1])
        padding = self.kernel // 2 if self.padding is None else self.padding
        x = x.astype(self.dtype)
        if self.pad_mode == "reflect":
            x, padding = reflect_pad(x, padding), 0
        y = conv2d(x, kernel, strides=self.strides, padding=padding)
        return _add_bias(self, y) if self.use_bias else y


class UpConv(Kernel):
    """Transposed convolution that doubles the size, as PyTorch's ``ConvTranspose2d``.

    Attributes:
      features: output channels.
      kernel: 2, 3 or 4; see `samr_jax.models.convolution.as_pytorch.up_conv2d`.
      use_bias: whether a bias is added.
    """

    features: int
    kernel: int = 3
    use_bias: bool = True
    dtype: Any = jnp.float32

    def inputs(self, shape: tuple[int, ...]) -> float:
        return super().inputs(shape) / 4  # the rest fall on zeros between the pixels

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        kernel = self.kernel_param(x.shape[-1])
        y = up_conv2d(x.astype(self.dtype), kernel)
        return _add_bias(self, y) if self.use_bias else y


def _add_bias(module: nn.Module, y: jax.Array) -> jax.Array:
    bias = module.param("bias", nn.initializers.zeros, (module.features,))
    return y + bias.astype(module.dtype)


class Norm(nn.Module):
    """Normalisation over space, and over the batch if `kind` is 'batch'.

    Batch norm has momentum 0.1 in PyTorch's sense, and like PyTorch it normalises with
    the biased variance but accumulates the unbiased one for evaluation. Instance norm
    has neither parameters nor statistics; 'affine_instance' has a scale and a bias and
    is what batch norm does to batches of one in training. All compute in float32.

    Attributes:
      kind: 'batch', 'instance', 'affine_instance' or 'none'.
      norm_axis: mapped axis of the devices over which batch statistics are averaged.
    """

    kind: str = "batch"
    norm_axis: str | None = None
    dtype: Any = jnp.float32
    momentum: float = 0.1
    epsilon: float = 1e-5

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool, groups: int = 1) -> jax.Array:
        """Normalises.

        Args:
          x: ``(N, H, W, C)``.
          train: whether batch statistics are used and accumulated.
          groups: equal parts of the batch with batch statistics of their own, as if the
            layer were called on one after the other.
        """
        if self.kind == "none":
            return x
        x = x.astype(jnp.float32)
        if self.kind == "batch":
            mean, variance = self._batch_moments(x, train, groups)
        else:
            mean, variance = _moments(x, (1, 2))
            mean, variance = mean[:, None, None], variance[:, None, None]
        scale, bias = lax.rsqrt(variance + self.epsilon), 0.0
        if self.kind != "instance":
            shape = x.shape[-1:]
            scale = self.param("scale", scale_init, shape) * scale
            bias = self.param("bias", nn.initializers.zeros, shape)
        return ((x - mean) * scale + bias).astype(self.dtype)

    def _batch_moments(
        self, x: jax.Array, train: bool, groups: int
    ) -> tuple[jax.Array, jax.Array]:
        shape = x.shape[-1:]
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, shape)
        running_variance = self.variable("batch_stats", "var", jnp.ones, shape)
        if not train:
            return running_mean.value, running_variance.value
        synchronise = self.norm_axis is not None and not self.is_initializing()
        axis = self.norm_axis if synchronise else None
        parts = x.reshape(groups, -1, *x.shape[1:])
        mean, variance = _moments(parts, (1, 2, 3), axis)
        count = parts[0].size // x.shape[-1] * (lax.axis_size(axis) if axis else 1)
        if not self.is_initializing():
            unbiased = variance * (count / max(count - 1, 1))
            for running, values in ((running_mean, mean), (running_variance, unbiased)):
                for value in values:
                    running.value += self.momentum * (value - running.value)
        if groups == 1:
            return mean[0], variance[0]
        return tuple(
            jnp.repeat(value, parts.shape[1], axis=0)[:, None, None]
            for value in (mean, variance)
        )


def _moments(
    x: jax.Array, axes: tuple[int, ...], axis_name: str | None = None
) -> tuple[jax.Array, jax.Array]:
    """Mean and biased variance, from sums that need one collective."""
    mean, square = x.mean(axes), jnp.square(x).mean(axes)
    if axis_name is not None:
        mean, square = lax.pmean((mean, square), axis_name)
    return mean, jnp.maximum(square - jnp.square(mean), 0)


class ConvBlock(nn.Module):
    """Convolution (or up-convolution), norm, (leaky) ReLU.

    Attributes:
      features: output channels.
      kernel: side of the kernel.
      up: doubles the size with an `UpConv`; strides and padding are then its own.
      norm: kind of `Norm`.
      slope: of the activation's negative side.
      he: see `Kernel`.
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
        options = {"use_bias": self.use_bias, "dtype": self.dtype, "he": self.he}
        options["name"] = "conv"
        if self.up:
            x = UpConv(self.features, self.kernel, **options)(x)
        else:
            x = Conv(
                self.features,
                self.kernel,
                self.strides,
                self.padding,
                self.pad_mode,
                **options,
            )(x)
        norm = Norm(self.norm, self.norm_axis, self.dtype, name="norm")
        x = norm(x, train=train, groups=groups)
        return nn.leaky_relu(x, self.slope) if self.slope else nn.relu(x)


class ResidualBlock(nn.Module):
    """Two reflect-padded 3 x 3 convolutions with norm, added to their input."""

    norm: str = "batch"
    norm_axis: str | None = None
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        options = {"norm_axis": self.norm_axis, "dtype": self.dtype}
        y = ConvBlock(
            x.shape[-1],
            pad_mode="reflect",
            norm=self.norm,
            name="first",
            **options,
        )(x, train=train)
        y = Conv(x.shape[-1], 3, pad_mode="reflect", dtype=self.dtype, name="conv")(y)
        return x + Norm(self.norm, name="norm", **options)(y, train=train)


def rematerialised(module: nn.Module, x: jax.Array, *, train: bool, on: bool):
    """Calls the module; if `on`, its activations are recomputed in the backward pass.

    The values and the running statistics are the same either way.
    """
    if not on:
        return module(x, train=train)
    return nn.remat(lambda inner, value: inner(value, train=train))(module, x)


def area_half(x: jax.Array) -> jax.Array:
    """Mean over 2 x 2 pixels: ``(N, H, W, C)`` to ``(N, H / 2, W / 2, C)``."""
    n, height, width, channels = x.shape
    return x.reshape(n, height // 2, 2, width // 2, 2, channels).mean((2, 4))


def max_half(x: jax.Array) -> jax.Array:
    """Maximum over 2 x 2 pixels; slices have a faster gradient than pooling windows."""
    rows = jnp.maximum(x[:, ::2], x[:, 1::2])
    return jnp.maximum(rows[:, :, ::2], rows[:, :, 1::2])


def average_pool_3s2(x: jax.Array) -> jax.Array:
    """Mean over 3 x 3 pixels at every second one; borders count only what is inside.

    PyTorch's ``avg_pool2d(x, 3, 2, 1, count_include_pad=False)``.
    """
    for axis in (1, 2):
        size = x.shape[axis]
        pads = [(0, 0)] * 4
        pads[axis] = (1, 1)
        padded = jnp.pad(x, pads)
        outputs = (size - 1) // 2 + 1
        taps = [
            lax.slice_in_dim(padded, i, i + 2 * outputs - 1, 2, axis) for i in range(3)
        ]
        shape = [-1 if i == axis else 1 for i in range(4)]
        inside = [
            min(2 * i + 1, size - 1) - max(2 * i - 1, 0) + 1 for i in range(outputs)
        ]
        x = sum(taps) / jnp.asarray(inside, x.dtype).reshape(shape)
    return x
