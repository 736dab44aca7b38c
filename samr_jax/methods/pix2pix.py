"""Pix2Pix on lesion mask and atlas.

Pix2Pix trains with batches of one, and keeps batch statistics and dropout on at test.
Normalising each instance by its own statistics says the same for batches of any size:
no synthesized image depends on the other instances of its batch.
"""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp

from samr_jax.methods.base import Context, Method
from samr_jax.methods.conditional_gan import Loss, conditional_gan
from samr_jax.methods.settings import PositiveFloat, PositiveInt
from samr_jax.methods.variants import PAIRED_DEMO
from samr_jax.models.discriminators import MultiScaleDiscriminator
from samr_jax.models.unet import Pix2PixUNet

NORM = "affine_instance"
MIN_DEPTH = 2


@dataclasses.dataclass(frozen=True)
class Model:
    """Networks.

    Attributes:
      ngf: channels of the U-Net's first convolution.
      downsamplings: how often the U-Net halves a slice, 8 in the U-Net-256; slices that
        cannot be halved so often are halved as often as they can be.
      ndf: channels of the discriminator's first convolution.
      disc_layers: strided convolutions of the discriminator.
    """

    ngf: PositiveInt = 64
    downsamplings: PositiveInt = 8
    ndf: PositiveInt = 64
    disc_layers: PositiveInt = 3


@dataclasses.dataclass(frozen=True)
class Settings:
    """The settings of Pix2Pix; its authors' numbers.

    Attributes:
      model: networks.
      loss: terms of the objective.
      disc_lr_scale: the discriminator's learning rate, as a multiple of the
        generator's.
    """

    model: Model = Model()
    loss: Loss = Loss(feature_matching=0.0, l1=100.0)
    disc_lr_scale: PositiveFloat = 1.0


VARIANTS = {
    "paper": {"batch_size": 1, "epochs": 200},
    "demo": PAIRED_DEMO | {"model.ngf": 16, "model.ndf": 8, "model.disc_layers": 2},
}


def create(settings: Settings, context: Context) -> Method:
    """Builds Pix2Pix."""
    return create_unet_gan("Pix2Pix", "atlas", settings, context)


def create_unet_gan(
    name: str, prior: str, settings: Settings, context: Context
) -> Method:
    """A U-Net and a PatchGAN that are given the mask and a prior.

    Args:
      name: the method's name in the tables.
      prior: field of the batch that tells the anatomy.
      settings: networks and losses.
      context: what the method is built for.
    """
    model = settings.model
    depth = max(MIN_DEPTH, min(model.downsamplings, *map(halvings, context.size)))
    generator = Pix2PixUNet(
        context.sequences,
        model.ngf,
        depth,
        dropout=0.5,
        activation=jnp.tanh,
        norm=NORM,
        dtype=context.dtype,
    )
    discriminator = MultiScaleDiscriminator(
        scales=1,
        ndf=model.ndf,
        layers=model.disc_layers,
        padding=1,
        norm=NORM,
        dtype=context.dtype,
    )
    return conditional_gan(
        name,
        prior,
        generator,
        discriminator,
        loss=settings.loss,
        disc_lr_scale=settings.disc_lr_scale,
        downsamplings=depth,
    )


def halvings(length: int) -> int:
    """How often a length can be halved."""
    return (length & -length).bit_length() - 1
