"""Pix2Pix, and Shin et al., who gave it the subject's own anatomy.

The losses are CG-SAMR's with other weights: equation (6) without U and without a
confidence map is the conditional GAN, with pix2pix's L1 or pix2pixHD's feature
matching.

Pix2Pix trains with batches of one, and keeps batch statistics and dropout on at test.
Normalising each instance by its own statistics says the same for batches of any size:
nothing that is synthesized depends on what else is in its batch.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from samr_jax import losses
from samr_jax.methods import cg_samr
from samr_jax.methods.base import Method
from samr_jax.methods.batch import Batch
from samr_jax.models.decoder import Synthesis
from samr_jax.models.discriminators import MultiScaleDiscriminator
from samr_jax.models.unet import Pix2PixUNet

NORM = "affine_instance"
MIN_DEPTH = 2

PRIORS = {"atlas": "atlas", "tissue": "tissue probability maps of the subject"}
"""Field of the instances that tells the anatomy -> its name in tables."""


class GeneratorSide(nn.Module):
    """G: the lesion mask and a prior, ``(N, H, W, C)``, to images in [-1, 1].

    Attributes:
      network: of one input.
      prior: field of the batch that is concatenated to the mask.
    """

    network: nn.Module
    prior: str

    def __call__(self, batch: Batch, *, train: bool) -> dict[str, Synthesis]:
        images = self.network(condition(batch, self.prior), train=train)
        return {"synthesis": Synthesis(images)}

    def synthesize(self, batch: Batch) -> Synthesis:
        return self(batch, train=False)["synthesis"]


class DiscriminatorSide(nn.Module):
    """D, judging real and synthesized images beside what they were made from."""

    discriminator: nn.Module
    prior: str

    def __call__(
        self, batch: Batch, outputs: dict, *, train: bool
    ) -> dict[str, losses.Features]:
        given = condition(batch, self.prior)

        def judge(images: jax.Array) -> losses.Features:
            return self.discriminator(jnp.concatenate([given, images], -1), train=train)

        return {
            "real": judge(batch.images),
            "fake": judge(outputs["synthesis"].images),
        }


def condition(batch: Batch, prior: str) -> jax.Array:
    """``(N, H, W, C)``: one-hot labels, then the prior."""
    return jnp.concatenate([batch.mask, getattr(batch, prior)], axis=-1)


def create(
    *,
    sequences: int,
    size: tuple[int, int],
    model: Mapping[str, Any],
    loss: Mapping[str, Any],
    dtype: Any = jnp.float32,
    shin: bool = False,
) -> Method:
    """Builds the method.

    Args:
      sequences: number of MR sequences ``S``.
      size: ``(H, W)``. The U-Net halves it as often as it can be halved, but no more
        than ``model["downsamplings"]`` times, which is 8 in the U-Net-256.
      model, loss: sections of the config; see `samr_jax.config`.
      dtype: of activations.
      shin: Shin et al.: WM, GM and CSF of the subject in place of the atlas.
    """
    depth = max(MIN_DEPTH, min(model["downsamplings"], *map(halvings, size)))
    generator = Pix2PixUNet(
        sequences,
        model["ngf"],
        depth,
        dropout=0.5,
        activation=jnp.tanh,
        norm=NORM,
        dtype=dtype,
    )
    discriminator = MultiScaleDiscriminator(
        scales=1,
        ndf=model["ndf"],
        layers=model["disc_layers"],
        padding=1,
        norm=NORM,
        dtype=dtype,
    )
    return conditional_gan(
        "Shin et al." if shin else "Pix2Pix",
        "tissue" if shin else "atlas",
        generator,
        discriminator,
        loss=loss,
        downsamplings=depth,
    )


def conditional_gan(
    name: str,
    prior: str,
    generator: nn.Module,
    discriminator: nn.Module,
    *,
    loss: Mapping[str, Any],
    downsamplings: int,
) -> Method:
    """A method of these two networks, trained by equation (6)."""
    settings = cg_samr.LossSettings(**loss)
    return Method(
        name=name,
        prior=PRIORS[prior],
        fields=("labels", "images", prior),
        gen=GeneratorSide(generator, prior),
        gen_loss=functools.partial(cg_samr.generator_loss, settings=settings),
        disc=DiscriminatorSide(discriminator, prior),
        disc_loss=functools.partial(cg_samr.discriminator_loss, settings=settings),
        downsamplings=downsamplings,
    )


def halvings(length: int) -> int:
    """How often a length can be halved."""
    return (length & -length).bit_length() - 1
