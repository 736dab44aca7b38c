"""Three networks of UCG-SAMR: the encoders E1 and E2 and the decoder F1 (III-E).

The fourth, F2, is the decoder of CG-SAMR, `samr_jax.models.decoder.StretchOutDecoder`.
Together, an encoder and a decoder have the layers of CG-SAMR's generator: half of the
residual blocks belong to the encoder and half to the decoder.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from samr_jax.labels import LABELS, TISSUES
from samr_jax.models.encoder import Encoder, Trunk
from samr_jax.models.layers import Conv, ConvBlock

DOMAIN_1 = len(LABELS) + len(TISSUES)
"""Channels of domain 1: a one-hot lesion map, then tissue probabilities."""


def anatomy(logits: jax.Array) -> jax.Array:
    """Turns a network's logits of domain 1, ``(N, H, W, 8)``, into probabilities.

    The first five channels are the labels (softmax). The last three are white matter,
    gray matter and CSF, each with a sigmoid of its own, since they need not add up to
    one inside a lesion.
    """
    labels, tissue = jnp.split(logits, [len(LABELS)], axis=-1)
    return jnp.concatenate([nn.softmax(labels), nn.sigmoid(tissue)], axis=-1)


class DomainEncoder(nn.Module):
    """E1 or E2: maps slices of one domain ``(N, H, W, C)`` to a latent code.

    The code is ``(N, H / 2^d, W / 2^d, 2 ngf 2^d)``, where d is `downsamplings`. It is
    as wide as in CG-SAMR, which concatenates the codes of two encoders of `ngf`.
    """

    ngf: int = 16
    downsamplings: int = 4
    blocks: int = 3
    norm_axis: str | None = None
    dtype: Any = jnp.float32
    rematerialise: bool = False

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        options = {"norm_axis": self.norm_axis, "dtype": self.dtype}
        x = Encoder(2 * self.ngf, self.downsamplings, name="encoder", **options)(
            x, train=train
        )
        return Trunk(
            self.blocks, rematerialise=self.rematerialise, name="trunk", **options
        )(x, train=train)


class AnatomyDecoder(nn.Module):
    """F1: maps a latent code to domain 1, ``(N, H, W, 8)``, as `anatomy` returns it."""

    upsamplings: int = 4
    blocks: int = 3
    norm_axis: str | None = None
    dtype: Any = jnp.float32
    rematerialise: bool = False

    @nn.compact
    def __call__(self, latent: jax.Array, *, train: bool) -> jax.Array:
        options = {"norm_axis": self.norm_axis, "dtype": self.dtype}
        x = Trunk(
            self.blocks, rematerialise=self.rematerialise, name="trunk", **options
        )(latent, train=train)
        for i in range(self.upsamplings):
            x = ConvBlock(x.shape[-1] // 2, 3, up=True, name=f"up_{i}", **options)(
                x, train=train
            )
        return anatomy(Conv(DOMAIN_1, 7, pad_mode="reflect", name="out")(x))
