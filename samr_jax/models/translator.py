"""The networks of UCG-SAMR beside F2: E1, E2 and F1 (section III-E).

F2 is `samr_jax.models.decoder.StretchOutDecoder`, the decoder of CG-SAMR. The others
follow CG-SAMR's generator: what is half of its trunk there belongs to the encoders
here, and the other half to the decoders.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from samr_jax.labels import LABELS, TISSUES
from samr_jax.models.encoder import Encoder, Trunk
from samr_jax.models.layers import Conv, ConvBlock

DOMAIN_1 = len(LABELS) + len(TISSUES)
"""Channels of domain 1: one-hot lesion map, then tissue probabilities."""


def anatomy(logits: jax.Array) -> jax.Array:
    """What a network says of domain 1, ``(N, H, W, 8)``, as probabilities.

    The first five channels are those of the labels (softmax), the last three those of
    white matter, gray matter and CSF (a sigmoid each: in a lesion they need not add up
    to one).
    """
    labels, tissue = jnp.split(logits, [len(LABELS)], axis=-1)
    return jnp.concatenate([nn.softmax(labels), nn.sigmoid(tissue)], axis=-1)


class DomainEncoder(nn.Module):
    """E1 or E2: a domain's slices ``(N, H, W, C)`` to a latent code.

    The code is as wide as that of CG-SAMR's generator, whose two encoders of `ngf` are
    concatenated: ``(N, H / 2^d, W / 2^d, 2 ngf 2^d)``, d `downsamplings`.
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
    """F1: a latent code to domain 1, ``(N, H, W, 8)`` as `anatomy` has it."""

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
