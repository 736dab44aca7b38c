"""Pix2PixHD: global generator and local enhancer, discriminators at two scales.

Least-squares GAN and feature matching; see `samr_jax.methods.conditional_gan` for the
sides. Both generators are trained together from the start: Pix2PixHD begins with the
global one alone, on images of half the size, at 2048 x 1024 pixels. Its perceptual term
needs VGG weights, which are not distributed with this package, and is left out.
"""

from __future__ import annotations

import dataclasses

from samr_jax.methods.base import Context, Method
from samr_jax.methods.conditional_gan import Loss, conditional_gan
from samr_jax.methods.settings import Count, PositiveFloat, PositiveInt
from samr_jax.methods.variants import PAIRED_DEMO
from samr_jax.models.discriminators import MultiScaleDiscriminator
from samr_jax.models.pix2pixhd import LocalEnhancer

NORM = "instance"


@dataclasses.dataclass(frozen=True)
class Model:
    """Networks.

    Attributes:
      ngf: channels of the local enhancer's first convolution.
      downsamplings: down-samplings of the global generator, which runs on slices of
        half the size.
      blocks: residual blocks of the global generator.
      ndf: channels of the discriminators' first convolution.
      disc_layers: strided convolutions of each discriminator.
    """

    ngf: PositiveInt = 32
    downsamplings: Count = 4
    blocks: Count = 9
    ndf: PositiveInt = 64
    disc_layers: PositiveInt = 3


@dataclasses.dataclass(frozen=True)
class Settings:
    """The settings of Pix2PixHD; its authors' numbers.

    Attributes:
      model: networks.
      loss: terms of the objective.
      disc_lr_scale: the discriminators' learning rate, as a multiple of the
        generator's.
    """

    model: Model = Model()
    loss: Loss = Loss(gan="lsgan", feature_matching=10.0, feature_distance="l1")
    disc_lr_scale: PositiveFloat = 1.0


VARIANTS = {
    "paper": {"batch_size": 1, "epochs": 200},
    "demo": PAIRED_DEMO
    | {
        "model.ngf": 8,
        "model.downsamplings": 2,
        "model.blocks": 4,
        "model.ndf": 8,
        "model.disc_layers": 2,
        "loss.l1": 50.0,
    },
}
"""Like CG-SAMR, it has a pixel loss in the demo only."""


def create(settings: Settings, context: Context) -> Method:
    """Builds Pix2PixHD."""
    model = settings.model
    generator = LocalEnhancer(
        context.sequences,
        model.ngf,
        model.downsamplings,
        model.blocks,
        norm=NORM,
        dtype=context.dtype,
    )
    discriminator = MultiScaleDiscriminator(
        scales=2,
        ndf=model.ndf,
        layers=model.disc_layers,
        padding=2,
        norm=NORM,
        dtype=context.dtype,
    )
    return conditional_gan(
        "Pix2PixHD",
        "atlas",
        generator,
        discriminator,
        loss=settings.loss,
        disc_lr_scale=settings.disc_lr_scale,
        downsamplings=model.downsamplings + 1,
    )
