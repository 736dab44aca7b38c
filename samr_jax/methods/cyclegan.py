"""CycleGAN between domain 1 (lesion map and tissue prior) and domain 2 (images).

Least-squares GAN, cycle consistency, instance norm and pools of 50 earlier fakes. There
is no identity term: the two domains differ in their channels.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from samr_jax import losses
from samr_jax.labels import LABELS
from samr_jax.methods.base import Carry, Method, Terms, selected
from samr_jax.methods.batch import Batch
from samr_jax.methods.two_domains import (
    DiscriminatorSide,
    anatomy_loss,
    domain_1,
    two_domain_method,
)
from samr_jax.models.decoder import Synthesis
from samr_jax.models.discriminators import MultiScaleDiscriminator
from samr_jax.models.pix2pixhd import GlobalGenerator
from samr_jax.models.translator import DOMAIN_1, anatomy

NORM = "instance"


@dataclasses.dataclass(frozen=True)
class Weights:
    """Of the terms of `generator_loss`."""

    gan_1: float
    gan_2: float
    cyc_1: float
    cyc_2: float


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
        """Label probabilities: what F says of the first five channels."""
        return self.to_anatomy(batch.images, train=False)[..., : len(LABELS)]


def create(
    *,
    sequences: int,
    size: tuple[int, int],
    model: Mapping[str, Any],
    loss: Mapping[str, Any],
    unpaired: Mapping[str, Any],
    dtype: Any = jnp.float32,
) -> Method:
    """Builds the method.

    Args:
      sequences: number of MR sequences ``S``.
      size: ``(H, W)``, of the image pools.
      model, loss, unpaired: sections of the config; see `samr_jax.config`. Of `loss`
        only the kind of GAN is used.
      dtype: of activations.
    """
    return two_domain_method(
        "CycleGAN",
        GeneratorSide(**translators(model, sequences, dtype)),
        discriminators(model, unpaired, dtype),
        generator_loss=generator_loss,
        weights=selected(Weights, unpaired),
        sequences=sequences,
        size=size,
        model=model,
        loss=loss,
        unpaired=unpaired,
    )


def generator_loss(
    outputs: dict,
    features: dict,
    batch: Batch,
    carry: Carry,
    *,
    weights: Weights,
    gan: str,
    distance: str = "l1",
) -> tuple[jax.Array, Terms]:
    """Realism in both domains and both cycles; the terms come unweighted."""
    rebuilt = functools.partial(anatomy_loss, distance=distance)
    realism = functools.partial(losses.adversarial_loss, real=True, kind=gan)
    terms = {
        "gan_1": realism(features["fake_1"]),
        "gan_2": realism(features["fake_2"]),
        "cyc_1": rebuilt(domain_1(batch), outputs["cyc_1"]),
        "cyc_2": losses.l1_loss(batch.images, outputs["cyc_2"].images),
    }
    total = sum(getattr(weights, name) * value for name, value in terms.items())
    return total, terms


def resnet(
    outputs: int, activation: Any, model: Mapping[str, Any], dtype: Any
) -> GlobalGenerator:
    """A residual network at one scale, as all generators of CycleGAN are."""
    return GlobalGenerator(
        outputs,
        model["ngf"],
        model["downsamplings"],
        model["blocks"],
        activation,
        norm=NORM,
        dtype=dtype,
    )


def translators(
    model: Mapping[str, Any], sequences: int, dtype: Any
) -> dict[str, nn.Module]:
    """The networks of `GeneratorSide`."""
    return {
        "to_images": resnet(sequences, jnp.tanh, model, dtype),
        "to_anatomy": resnet(DOMAIN_1, anatomy, model, dtype),
    }


def discriminators(
    model: Mapping[str, Any],
    unpaired: Mapping[str, Any],
    dtype: Any,
    *,
    norm: str = NORM,
) -> DiscriminatorSide:
    """PatchGANs of pix2pix's kind, at one scale."""
    discriminator = functools.partial(
        MultiScaleDiscriminator,
        scales=1,
        ndf=model["ndf"],
        layers=model["disc_layers"],
        padding=1,
        norm=norm,
        dtype=dtype,
    )
    noise = unpaired["instance_noise"]
    return DiscriminatorSide(discriminator(), discriminator(), noise)
