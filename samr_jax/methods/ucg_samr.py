"""UCG-SAMR: training on unpaired masks and images (section III-E).

Domain 1 is the lesion map with the tissue prior, domain 2 the images. The names of
losses and networks are the paper's; the objective is equation (10).
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, Literal

import jax
import jax.numpy as jnp

from samr_jax import losses
from samr_jax.methods import two_domains
from samr_jax.methods.base import Context, Method, MethodState, Terms
from samr_jax.methods.batch import Batch
from samr_jax.methods.cg_samr import lambda_cm_of
from samr_jax.methods.confidence import (
    ConfidenceLoss,
    init_confidence,
    switch_lambda_cm,
)
from samr_jax.methods.settings import Count, PositiveFloat, PositiveInt, Weight
from samr_jax.methods.two_domains import (
    DiscriminatorSide,
    anatomy_loss,
    domain_1,
    init_pools,
    two_domain_method,
    update_pools,
)
from samr_jax.methods.ucg_networks import GeneratorSide
from samr_jax.methods.variants import UNPAIRED_DEMO
from samr_jax.models.decoder import StretchOutDecoder, Synthesis
from samr_jax.models.discriminators import MultiScaleDiscriminator
from samr_jax.models.translator import AnatomyDecoder, DomainEncoder


@dataclasses.dataclass(frozen=True)
class Model:
    """Networks.

    Attributes:
      ngf: channels of each encoder's first convolution.
      downsamplings: how often an encoder halves a slice.
      blocks: residual blocks of an encoder and a decoder together.
      heads: one synthesis module (SM) and one confidence map module (CM)
        ``per_branch``, or ``shared`` by all branches as in the released code.
      rematerialise: recomputes activations in the backward pass, to save memory.
      ndf: channels of each discriminator's first convolution.
      disc_layers: strided convolutions of each discriminator.
    """

    ngf: PositiveInt = 16
    downsamplings: Count = 4
    blocks: Count = 6
    heads: Literal["per_branch", "shared"] = "per_branch"
    rematerialise: bool = False
    ndf: PositiveInt = 64
    disc_layers: PositiveInt = 3


@dataclasses.dataclass(frozen=True)
class Loss(two_domains.Loss, ConfidenceLoss):
    """Weights of the terms of equation (10), named as in `generator_loss`.

    Attributes:
      recon_1: weight of the reconstruction of domain 1, equation (7).
      recon_2: weight of the reconstruction of domain 2.
      recon_cm: weight of the confidence map loss of the reconstruction.
      cyc_1: weight of the cycle consistency of domain 1, equation (9).
      cyc_2: weight of the cycle consistency of domain 2.
      cyc_cm: weight of the confidence map loss of the cycle.
    """

    recon_1: Weight = 1.0
    recon_2: Weight = 1.0
    recon_cm: Weight = 1.0
    cyc_1: Weight = 1.0
    cyc_2: Weight = 1.0
    cyc_cm: Weight = 1.0


@dataclasses.dataclass(frozen=True)
class Settings:
    """The settings of UCG-SAMR; the paper's numbers.

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
    "paper": {"batch_size": 1, "epochs": 800},
    "demo": UNPAIRED_DEMO
    | {"model.ngf": 12, "loss.recon_1": 25.0, "loss.recon_2": 10.0},
}


def create(settings: Settings, context: Context) -> Method:
    """Builds UCG-SAMR."""
    method = two_domain_method(
        "UCG-SAMR",
        _generators(settings.model, context),
        _discriminators(settings, context),
        generator_loss=generator_loss,
        generator=("encoder_1", "decoder_2"),
        settings=settings,
        context=context,
    )
    return dataclasses.replace(
        method,
        init_method_state=functools.partial(init_method_state, settings.loss, context),
        update_method_state=functools.partial(
            update_method_state,
            loss=settings.loss,
            epoch_steps=context.epoch_steps,
        ),
        error_scale=lambda_cm_of,
    )


def generator_loss(
    outputs: dict,
    features: dict,
    batch: Batch,
    method_state: MethodState,
    *,
    loss: Loss,
) -> tuple[jax.Array, Terms]:
    """The minimised side of equation (10), and its terms unweighted."""
    x, y = domain_1(batch), batch.images
    rebuilt = functools.partial(anatomy_loss, distance=loss.distance_1)
    confidence = functools.partial(
        _confidence_map_loss,
        target=losses.half_scale(y),
        lambda_cm=method_state["lambda_cm"],
    )
    realism = functools.partial(losses.adversarial_loss, real=True, kind=loss.gan)
    terms = {
        # Equation (7): the reconstruction streams.
        "recon_1": rebuilt(x, outputs["recon_1"]),
        "recon_2": losses.l1_loss(y, outputs["recon_2"].images),
        "recon_cm": confidence(outputs["recon_2"]),
        # Equation (8): the cross-domain streams.
        "gan_1": realism(features["fake_1"]),
        "gan_2": realism(features["fake_2"]),
        # Equation (9): the cycle-reconstruction streams.
        "cyc_1": rebuilt(x, outputs["cyc_1"]),
        "cyc_2": losses.l1_loss(y, outputs["cyc_2"].images),
        "cyc_cm": confidence(outputs["cyc_2"]),
    }
    total = sum(getattr(loss, name) * value for name, value in terms.items())
    terms["mean_confidence"] = jnp.mean(_confidence(outputs))
    terms["lambda_cm"] = method_state["lambda_cm"]
    return total, terms


def init_method_state(loss: Loss, context: Context) -> MethodState:
    """λ_cm as in CG-SAMR and, where wanted, image pools of both domains."""
    return init_confidence(loss) | init_pools(loss.image_pool, context)


def update_method_state(
    method_state: MethodState,
    outputs: dict,
    *,
    loss: Loss,
    epoch_steps: int,
    axis_name: str | None = None,
) -> MethodState:
    """CG-SAMR's switch of λ_cm, by the maps of the confidence loss; the new pools."""
    switched = switch_lambda_cm(
        method_state,
        _confidence(outputs),
        loss=loss,
        epoch_steps=epoch_steps,
        axis_name=axis_name,
    )
    return update_pools(method_state | switched, outputs, axis_name=axis_name)


def _confidence(outputs: dict) -> jax.Array:
    return jnp.stack([outputs[name].confidence for name in ("recon_2", "cyc_2")])


def _confidence_map_loss(synthesis: Synthesis, **options: Any) -> jax.Array:
    return losses.confidence_map_loss(
        synthesis.intermediate, synthesis.confidence, **options
    )


def _generators(model: Model, context: Context) -> GeneratorSide:
    downsamplings, in_decoder = model.downsamplings, model.blocks // 2
    common: dict[str, Any] = {
        "rematerialise": model.rematerialise,
        "norm_axis": context.axis_name,
        "dtype": context.dtype,
    }
    encoder = functools.partial(
        DomainEncoder, model.ngf, downsamplings, model.blocks - in_decoder, **common
    )
    return GeneratorSide(
        encoder(),
        encoder(),
        AnatomyDecoder(downsamplings, in_decoder, **common),
        StretchOutDecoder(
            context.sequences, downsamplings, in_decoder, model.heads, **common
        ),
    )


def _discriminators(settings: Settings, context: Context) -> DiscriminatorSide:
    discriminator = functools.partial(
        MultiScaleDiscriminator,
        ndf=settings.model.ndf,
        layers=settings.model.disc_layers,
        norm_axis=context.axis_name,
        dtype=context.dtype,
    )
    return DiscriminatorSide(
        discriminator(), discriminator(), settings.loss.instance_noise
    )
