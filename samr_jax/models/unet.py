"""Two U-Nets: Ronneberger's, for segmentation, and the generator of pix2pix."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from samr_jax.models.layers import Conv, ConvBlock, Norm, UpConv, max_half


class UNet(nn.Module):
    """Segments images ``(N, H, W, S)``: logits of the labels, ``(N, H, W, classes)``.

    There are two 3 x 3 convolutions with batch norm and ReLU at each of ``depth + 1``
    sizes, max pooling, 2 x 2 up-convolutions and skip connections. Kernels start as in
    Ronneberger et al. (2015), section 3. With a standard deviation of 0.02, networks of
    few channels hardly learn small labels.

    Attributes:
      classes: number of labels.
      features: channels at full size; each smaller size has twice as many.
      depth: number of times that H and W are halved.
      norm_axis: see `Norm`.
      dtype: dtype of the computation.
    """

    classes: int = 5
    features: int = 64
    depth: int = 4
    norm_axis: str | None = None
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool, groups: int = 1) -> jax.Array:
        def twice(x: jax.Array, features: int, name: str) -> jax.Array:
            for part in ("first", "second"):
                x = ConvBlock(
                    features,
                    he=True,
                    norm_axis=self.norm_axis,
                    dtype=self.dtype,
                    name=f"{name}_{part}",
                )(x, train=train, groups=groups)
            return x

        widths = [self.features * 2**i for i in range(self.depth + 1)]
        skips = []
        for i, features in enumerate(widths):
            x = twice(max_half(x) if i else x, features, f"down_{i}")
            skips.append(x)
        for i in reversed(range(self.depth)):
            x = UpConv(widths[i], 2, he=True, dtype=self.dtype, name=f"up_{i}")(x)
            x = twice(jnp.concatenate([skips[i], x], -1), widths[i], f"merge_{i}")
        return Conv(self.classes, 1, he=True, name="logits")(x)


class Pix2PixUNet(nn.Module):
    """The U-Net of pix2pix: ``(N, H, W, C)`` to ``(N, H, W, outputs)``.

    Attributes:
      outputs: output channels.
      features: channels of the first layer. Each further layer has twice as many, up to
        8 features.
      downsamplings: number of 4 x 4 convolutions of stride 2: 8 in pix2pix, 5 in the
        segmentation network that the authors of CG-SAMR released.
      dropout: rate after the three innermost up-convolutions. As in pix2pix, dropout is
        on at test time too; it needs a random key named 'dropout'.
      activation: activation of the last layer; None returns logits.
      norm: kind of `Norm`.
      norm_axis: see `Norm`.
      dtype: dtype of the computation.
    """

    outputs: int = 5
    features: int = 64
    downsamplings: int = 5
    dropout: float = 0.0
    activation: Callable[[jax.Array], jax.Array] | None = None
    norm: str = "batch"
    norm_axis: str | None = None
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool, groups: int = 1) -> jax.Array:
        def norm(x: jax.Array, name: str) -> jax.Array:
            layer = Norm(self.norm, self.norm_axis, self.dtype, name=name)
            return layer(x, train=train, groups=groups)

        use_bias = self.norm not in ("batch", "affine_instance")
        widths = [self.features * min(2**i, 8) for i in range(self.downsamplings)]
        innermost = self.downsamplings - 1
        skips = []
        for i, features in enumerate(widths):
            x = nn.leaky_relu(x, 0.2) if i else x
            x = Conv(
                features, 4, 2, 1, use_bias=use_bias, dtype=self.dtype, name=f"down_{i}"
            )(x)
            x = norm(x, f"down_norm_{i}") if 0 < i < innermost else x
            skips.append(x)
        for i in range(innermost, 0, -1):
            x = x if i == innermost else jnp.concatenate([skips[i], x], -1)
            x = UpConv(
                widths[i - 1], 4, use_bias=use_bias, dtype=self.dtype, name=f"up_{i}"
            )(nn.relu(x))
            x = norm(x, f"up_norm_{i}")
            if self.dropout and i > innermost - 3:
                x = nn.Dropout(self.dropout, deterministic=False)(x)
        x = nn.relu(jnp.concatenate([skips[0], x], -1))
        x = UpConv(self.outputs, 4, name="up_0")(x)
        return x if self.activation is None else self.activation(x)
