"""The networks of UNIT: encoders and decoders of two domains that share a middle.

As in the NIPS 2017 paper: the last residual block of the encoders and the first of the
decoders are one and the same for both domains (`samr_jax.models.encoder.Trunk`).
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from samr_jax.models.encoder import Encoder, Trunk
from samr_jax.models.layers import Conv, ConvBlock

NORM = "instance"


class UnitEncoder(nn.Module):
    """A domain's own part: ``(N, H, W, C)`` to ``(N, H / 2^d, W / 2^d, ngf 2^d)``."""

    ngf: int = 64
    downsamplings: int = 2
    blocks: int = 3
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        options = {"norm": NORM, "dtype": self.dtype}
        x = Encoder(self.ngf, self.downsamplings, name="encoder", **options)(
            x, train=train
        )
        return Trunk(self.blocks, name="trunk", **options)(x, train=train)


class UnitDecoder(nn.Module):
    """The reverse, to `outputs` channels.

    The last layer is 7 x 7, as in the authors' later code. It was 1 x 1 in 2017: of a
    few channels, such a layer needs far more steps until labels come out sharp.
    """

    outputs: int
    upsamplings: int = 2
    blocks: int = 3
    activation: Callable[[jax.Array], jax.Array] = jnp.tanh
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        options = {"norm": NORM, "dtype": self.dtype}
        x = Trunk(self.blocks, name="trunk", **options)(x, train=train)
        for i in range(self.upsamplings):
            x = ConvBlock(x.shape[-1] // 2, up=True, name=f"up_{i}", **options)(
                x, train=train
            )
        x = Conv(self.outputs, 7, pad_mode="reflect", name="out")(x)
        return self.activation(x)
