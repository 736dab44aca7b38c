"""The down-sampling encoder and the trunk of residual blocks (section III-B)."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from samr_jax.models.layers import ConvBlock, ResidualBlock, rematerialised


class Encoder(nn.Module):
    """A 7 x 7 convolution, then convolutions of stride 2 that double the channels.

    It maps ``(N, H, W, C)`` to ``(N, H / 2^d, W / 2^d, ngf 2^d)``, where d is
    `downsamplings`.

    Attributes:
      ngf: channels of the first convolution.
      downsamplings: number of convolutions of stride 2.
      norm: kind of `Norm`.
      every_scale: whether a list of the features at all d + 1 scales is returned, the
        full size first, and not the last features alone.
    """

    ngf: int = 16
    downsamplings: int = 4
    norm: str = "batch"
    norm_axis: str | None = None
    dtype: Any = jnp.float32
    every_scale: bool = False

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array | list[jax.Array]:
        options = {
            "norm": self.norm,
            "norm_axis": self.norm_axis,
            "dtype": self.dtype,
        }
        x = ConvBlock(self.ngf, 7, pad_mode="reflect", name="stem", **options)(
            x, train=train
        )
        scales = [x]
        for i in range(self.downsamplings):
            features = self.ngf * 2 ** (i + 1)
            x = ConvBlock(features, 3, 2, name=f"down_{i}", **options)(x, train=train)
            scales.append(x)
        return scales if self.every_scale else x


class Trunk(nn.Module):
    """A chain of residual blocks, all with as many channels as the input."""

    blocks: int
    norm: str = "batch"
    norm_axis: str | None = None
    dtype: Any = jnp.float32
    rematerialise: bool = False

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        for i in range(self.blocks):
            block = ResidualBlock(
                self.norm, self.norm_axis, self.dtype, name=f"block_{i}"
            )
            x = rematerialised(block, x, train=train, on=self.rematerialise)
        return x
