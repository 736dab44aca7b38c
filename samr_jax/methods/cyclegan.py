"""CycleGAN between domain 1 (lesion map and tissue prior) and domain 2 (images).

Least-squares GAN, cycle consistency, instance norm and pools of 50 earlier fakes. There
is no identity term: the two domains differ in their channels.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from samr_jax import losses
from samr_jax.labels import LABELS
from samr_jax.methods import two_domains
from samr_jax.methods.base import Context, Method, MethodState, Terms
from samr_jax.methods.batch import Batch
from samr_jax.methods.settings import Count, PositiveFloat, PositiveInt, Weight
from samr_jax.methods.two_domains import (
    DiscriminatorSide,
    anatomy_loss,
    domain_1,
    two_domain_method,
)
from samr_jax.methods.variants import UNPAIRED_DEMO
from samr_jax.models.decoder import Synthesis
from samr_jax.models.discriminators import MultiScaleDiscriminator
from samr_jax.models.pix2pixhd import GlobalGenerator
from samr_jax.models.translator import DOMAIN_1, anatomy

NORM = "instance"


@dataclasses.dataclass(frozen=True)
class Model:
    """Networks.

    Attributes:
      ngf: channels of each generator's first convolution.
      downsamplings: how often a generator halves a slice.
      blocks: residual blocks of each generator.
      ndf: channels of each discriminator's first convolution.
      disc_layers: strided convolutions of each discriminator.
    """

    ngf: PositiveInt = 64
    downsamplings: Count = 2
    blocks: Count = 9
    ndf: PositiveInt = 64
    disc_layers: PositiveInt = 3


@dataclasses.dataclass(frozen=True)
class Loss(two_domains.Loss):
    """Weights of the terms of `generator_loss`.

    Attributes:
      cyc_1: weight of the cycle consistency of domain 1.
      cyc_2: weight of the cycle consistency of domain 2.
    """

    gan: two_domains.Gan = "lsgan"
    image_pool: Count = 50
    cyc_1: Weight = 10.0
    cyc_2: Weight = 10.0


@dataclasses.dataclass(frozen=True)
class Settings:
    """The settings of CycleGAN; its authors' numbers.

    Attributes:
      model: networks.
      loss: terms of the objective.
      disc_lr_scale: the discriminators' learning rate, as a multiple of the
        generators'.
    """

    model: Model = Model()
    loss: Loss = Loss()
    disc_lr_scale: PositiveFloat = 1.0


VARIANTS = {
    "paper": {"batch_size": 1, "epochs": 200},
    "demo": UNPAIRED_DEMO | {"model.ngf": 16},
}


class GeneratorSide(nn.Module):
    """G, domain 1 to images, and F, images to domain 1."""

    to_images: nn.Module
    to_anatomy: nn.Module

    def __call__(self, batch: Batch, *, train: bool) -> dict[str, Any]:
        """Each domain translated (``cross_…``), and back again (``cyc_…``)."""
        images = self.to_images(domain_1(batch), train=train)
        found = self.to_anatomy(batch.images, train=train)
        return {
            "cross_1": found,
            "cross_2": Synthesis(images),
            "cyc_1": self.to_anatomy(images, train=train),
            "cyc_2": Synthesis(self.to_images(found, train=train)),
        }

    def synthesize(self, batch: Batch) -> Synthesis:
        return Synthesis(self.to_images(domain_1(batch), train=False))

    def segment(self, batch: Batch) -> jax.Array:
        """Label probabilities: the first five channels of F's answer."""
        return self.to_anatomy(batch.images, train=False)[..., : len(LABELS)]


def create(settings: Settings, context: Context) -> Method:
    """Builds CycleGAN."""
    return two_domain_method(
        "CycleGAN",
        GeneratorSide(**translators(settings.model, context)),
        discriminators(settings, context),
        generator_loss=generator_loss,
        generator=("to_images",),
        settings=settings,
        context=context,
    )


def generator_loss(
    outputs: dict,
    features: dict,
    batch: Batch,
    method_state: MethodState,
    *,
    loss: Loss,
) -> tuple[jax.Array, Terms]:
    """Realism in both domains and both cycles; the terms come unweighted."""
    rebuilt = functools.partial(anatomy_loss, distance=loss.distance_1)
    realism = functools.partial(losses.adversarial_loss, real=True, kind=loss.gan)
    terms = {
        "gan_1": realism(features["fake_1"]),
        "gan_2": realism(features["fake_2"]),
        "cyc_1": rebuilt(domain_1(batch), outputs["cyc_1"]),
        "cyc_2": losses.l1_loss(batch.images, outputs["cyc_2"].images),
    }
    total = sum(getattr(loss, name) * value for name, value in terms.items())
    return total, terms


def resnet(
    outputs: int, activation: Any, model: Model, context: Context
) -> GlobalGenerator:
    """A residual network at one scale, as all generators of CycleGAN are."""
    return GlobalGenerator(
        outputs,
        model.ngf,
        model.downsamplings,
        model.blocks,
        activation,
        norm=NORM,
        dtype=context.dtype,
    )


def translators(model: Model, context: Context) -> dict[str, nn.Module]:
    """The networks of `GeneratorSide`."""
    return {
        "to_images": resnet(context.sequences, jnp.tanh, model, context),
        "to_anatomy": resnet(DOMAIN_1, anatomy, model, context),
    }


def discriminators(
    settings: Any, context: Context, *, norm: str = NORM
) -> DiscriminatorSide:
    """PatchGANs of Pix2Pix's kind, at one scale."""
    discriminator = functools.partial(
        MultiScaleDiscriminator,
        scales=1,
        ndf=settings.model.ndf,
        layers=settings.model.disc_layers,
        padding=1,
        norm=norm,
        dtype=context.dtype,
    )
    return DiscriminatorSide(
        discriminator(), discriminator(), settings.loss.instance_noise
    )
