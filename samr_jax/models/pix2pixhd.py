"""The generators of pix2pixHD (Wang et al., CVPR 2018)."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from samr_jax.models.encoder import Encoder, Trunk
from samr_jax.models.layers import Conv, ConvBlock, average_pool_3s2


class GlobalFeatures(nn.Module):
    """The global generator without its last layer: ``(N, H, W, C)`` to ngf channels."""

    ngf: int = 64
    downsamplings: int = 4
    blocks: int = 9
    norm: str = "batch"
    norm_axis: str | None = None
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        options = {
            "norm": self.norm,
            "norm_axis": self.norm_axis,
            "dtype": self.dtype,
        }
        x = Encoder(self.ngf, self.downsamplings, name="encoder", **options)(
            x, train=train
        )
        x = Trunk(self.blocks, name="trunk", **options)(x, train=train)
        for i in range(self.downsamplings):
            x = ConvBlock(x.shape[-1] // 2, 3, up=True, name=f"up_{i}", **options)(
                x, train=train
            )
        return x


class GlobalGenerator(nn.Module):
    """Maps ``(N, H, W, C)`` to images ``(N, H, W, outputs)`` in [-1, 1].

    With 2 down-samplings and instance norm this is the generator of CycleGAN.

    Attributes:
      outputs: output channels.
      ngf: channels of the first convolution.
      downsamplings: number of times that H and W are halved.
      blocks: residual blocks at the smallest size.
      activation: activation of the last layer.
      norm: kind of `Norm`.
      norm_axis: see `Norm`.
      dtype: dtype of the computation.
    """

    outputs: int
    ngf: int = 64
    downsamplings: int = 4
    blocks: int = 9
    activation: Callable[[jax.Array], jax.Array] = jnp.tanh
    norm: str = "batch"
    norm_axis: str | None = None
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        x = GlobalFeatures(
            self.ngf,
            self.downsamplings,
            self.blocks,
            self.norm,
            self.norm_axis,
            self.dtype,
            name="features",
        )(x, train=train)
        x = Conv(self.outputs, 7, pad_mode="reflect", name="out")(x)
        return self.activation(x)


class LocalEnhancer(nn.Module):
    """The whole generator, coarse to fine: ``(N, H, W, C)`` to images in [-1, 1].

    The global generator computes features of the input at half size. A shallow network
    at full size, the local enhancer, adds them to its own and computes the images from
    the sum. H and W must be divisible by 2^(downsamplings + 1).

    Attributes:
      outputs: output channels.
      ngf: channels at full size; the global generator starts with twice as many.
      downsamplings: number of times that the global generator halves H and W.
      blocks: residual blocks of the global generator.
      local_blocks: residual blocks after the sum.
      activation: activation of the last layer.
      norm: kind of `Norm`.
      norm_axis: see `Norm`.
      dtype: dtype of the computation.
    """

    outputs: int
    ngf: int = 32
    downsamplings: int = 4
    blocks: int = 9
    local_blocks: int = 3
    activation: Callable[[jax.Array], jax.Array] = jnp.tanh
    norm: str = "instance"
    norm_axis: str | None = None
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        options = {
            "norm": self.norm,
            "norm_axis": self.norm_axis,
            "dtype": self.dtype,
        }
        coarse = GlobalFeatures(
            2 * self.ngf, self.downsamplings, self.blocks, name="global", **options
        )(average_pool_3s2(x), train=train)
        fine: Any = Encoder(self.ngf, 1, name="encoder", **options)(x, train=train)
        x = Trunk(self.local_blocks, name="trunk", **options)(
            coarse + fine, train=train
        )
        x = ConvBlock(self.ngf, up=True, name="up_0", **options)(x, train=train)
        x = Conv(self.outputs, 7, pad_mode="reflect", name="out")(x)
        return self.activation(x)
