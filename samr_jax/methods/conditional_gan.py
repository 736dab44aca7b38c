"""The common parts of methods for paired data: conditional GAN, feature matching, L1.

Equation (6) without its lesion shape consistency and confidence terms is the objective
of Pix2Pix and Pix2PixHD, with other weights.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from samr_jax import losses
from samr_jax.methods.base import Method, MethodState, Terms
from samr_jax.methods.batch import Batch
from samr_jax.methods.settings import EQUAL_WEIGHTS, LabelWeights, Weight
from samr_jax.models.decoder import Synthesis

PRIORS = {"atlas": "atlas", "tissue": "tissue probability maps of the subject"}
"""The field of an instance that holds the anatomy, and its name in tables."""


@dataclasses.dataclass(frozen=True)
class Loss:
    """Kind of GAN and weights of the other terms.

    Attributes:
      gan: kind of GAN: ``bce``, equation (2), or ``lsgan``, least squares as in the
        released code.
      feature_matching: λ_1 of equation (6), the weight of feature matching.
      feature_distance: distance of features: ``l2``, equation (3), or ``l1``.
      l1: weight of the pixel loss on the final images; CG-SAMR has none in the paper.
      l1_label_weights: weights of each label's pixels in the pixel loss.
    """

    gan: Literal["bce", "lsgan"] = "bce"
    feature_matching: Weight = 5.0
    feature_distance: Literal["l2", "l1"] = "l2"
    l1: Weight = 0.0
    l1_label_weights: LabelWeights = EQUAL_WEIGHTS


class GeneratorSide(nn.Module):
    """G: the lesion mask and a prior, ``(N, H, W, C)``, to images in [-1, 1].

    Attributes:
      network: a generator with one input.
      prior: the field of the batch that is concatenated to the mask.
    """

    network: nn.Module
    prior: str

    def __call__(self, batch: Batch, *, train: bool) -> dict[str, Synthesis]:
        images = self.network(condition(batch, self.prior), train=train)
        return {"synthesis": Synthesis(images)}

    def synthesize(self, batch: Batch) -> Synthesis:
        return self(batch, train=False)["synthesis"]


class DiscriminatorSide(nn.Module):
    """D, judging real and synthesized images together with the mask and the prior."""

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


def conditional_gan(
    name: str,
    prior: str,
    generator: nn.Module,
    discriminator: nn.Module,
    *,
    loss: Loss,
    disc_lr_scale: float,
    downsamplings: int,
) -> Method:
    """A method that consists of one generator, one discriminator and these losses."""
    return Method(
        name=name,
        prior=PRIORS[prior],
        fields=("labels", "images", prior),
        gen=GeneratorSide(generator, prior),
        gen_loss=functools.partial(generator_loss, loss=loss),
        generator=("network",),
        disc=DiscriminatorSide(discriminator, prior),
        disc_loss=functools.partial(discriminator_loss, loss=loss),
        disc_lr_scale=disc_lr_scale,
        downsamplings=downsamplings,
    )


def generator_loss(
    outputs: dict,
    features: dict,
    batch: Batch,
    method_state: MethodState,
    *,
    loss: Loss,
) -> tuple[jax.Array, Terms]:
    """The generator's objective, and its terms unweighted."""
    total, terms = realism_terms(features, loss=loss)
    pixels, pixel_terms = pixel_term(outputs["synthesis"], batch, loss=loss)
    if loss.l1:
        total += pixels
    return total, terms | pixel_terms


def realism_terms(
    features: dict, *, loss: Loss, axis_name: str | None = None
) -> tuple[jax.Array, dict]:
    """Weighted sum of the adversarial term and feature matching; the terms."""
    terms = {
        "adversarial": losses.adversarial_loss(
            features["fake"],
            real=True,
            kind=loss.gan,
            counted=features.get("counted"),
            axis_name=axis_name,
        ),
        "feature_matching": losses.feature_matching_loss(
            features["real"], features["fake"], distance=loss.feature_distance
        ),
    }
    total = terms["adversarial"]
    if loss.feature_matching:
        total += loss.feature_matching * terms["feature_matching"]
    return total, terms


def pixel_term(
    synthesis: Synthesis, batch: Batch, *, loss: Loss
) -> tuple[jax.Array, dict]:
    """Weighted L1 distance of the final images, and the unweighted term.

    Images that have grain are compared without it.
    """
    pixel_weights = batch.mask @ jnp.asarray(loss.l1_label_weights)
    images = synthesis.without_grain
    if images is None:
        images = synthesis.images
    l1 = losses.l1_loss(images, batch.images, pixel_weights[..., None])
    return loss.l1 * l1, {"l1": l1}


def discriminator_loss(
    features: dict, *, loss: Loss, axis_name: str | None = None
) -> tuple[jax.Array, Terms]:
    """The maximised side of equation (2), as a loss, and its terms."""
    terms = {
        side: losses.adversarial_loss(
            features[side],
            real=side == "real",
            kind=loss.gan,
            counted=features.get("counted"),
            axis_name=axis_name,
        )
        for side in ("real", "fake")
    }
    return 0.5 * (terms["real"] + terms["fake"]), terms
