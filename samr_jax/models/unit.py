"""The networks of UNIT (Liu et al., NIPS 2017): an encoder and a decoder per domain.

The two domains share the last residual block of their encoders and the first of their
decoders; the shared blocks are `samr_jax.models.encoder.Trunk`.
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
    """The part of an encoder that belongs to one domain.

    It maps ``(N, H, W, C)`` to ``(N, H / 2^d, W / 2^d, ngf 2^d)``, where d is
    `downsamplings`.
    """

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
    """The part of a decoder that belongs to one domain, with `outputs` channels.

    The last layer is 7 x 7, as in the authors' later code, and not 1 x 1 as in 2017:
    with few channels, a 1 x 1 layer needs far more steps until labels are sharp.
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
