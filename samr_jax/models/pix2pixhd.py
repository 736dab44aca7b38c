"""The generators of pix2pixHD."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from samr_jax.models.encoder import Encoder, Trunk
from samr_jax.models.layers import Conv, ConvBlock


class GlobalFeatures(nn.Module):
    """Encoder, residual blocks, up-convolutions: ``(N, H, W, C)`` to ngf channels."""

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
    """pix2pixHD's global generator: ``(N, H, W, C)`` to images in [-1, 1]."""

    outputs: int
    ngf: int = 64
    downsamplings: int = 4
    blocks: int = 9
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
        return jnp.tanh(x)
