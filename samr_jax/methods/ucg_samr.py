"""UCG-SAMR: training on unpaired masks and images (section III-E).

Domain 1 is the lesion map with the tissue prior, domain 2 the images. The names of
losses and networks are the paper's; the objective is equation (10).
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from samr_jax import losses
from samr_jax.methods import cg_samr
from samr_jax.methods.base import Carry, Method, Terms, selected
from samr_jax.methods.batch import Batch
from samr_jax.methods.two_domains import (
    DiscriminatorSide,
    anatomy_loss,
    domain_1,
    init_pools,
    two_domain_method,
    update_pools,
)
from samr_jax.methods.ucg_networks import GeneratorSide
from samr_jax.models.decoder import StretchOutDecoder, Synthesis
from samr_jax.models.discriminators import MultiScaleDiscriminator
from samr_jax.models.translator import AnatomyDecoder, DomainEncoder


@dataclasses.dataclass(frozen=True)
class Weights:
    """Of the terms of equation (10), named as in `generator_loss`."""

    recon_1: float
    recon_2: float
    recon_cm: float
    gan_1: float
    gan_2: float
    cyc_1: float
    cyc_2: float
    cyc_cm: float


def create(
    *,
    sequences: int,
    size: tuple[int, int],
    model: Mapping[str, Any],
    loss: Mapping[str, Any],
    unpaired: Mapping[str, Any],
    epoch_steps: int,
    dtype: Any = jnp.float32,
    axis_name: str | None = None,
) -> Method:
    """Builds the method.

    Args:
      sequences: number of MR sequences ``S``.
      size: ``(H, W)``, of the image pools.
      model, loss, unpaired: sections of the config; see `samr_jax.config`. Of `loss`
        only the kind of GAN and λ_cm's settings are used.
      epoch_steps: steps of an epoch, over which mean confidence is taken.
      dtype: of activations.
      axis_name: device axis of synchronised batch norm.
    """
    settings = cg_samr.LossSettings(**loss)
    common = {"norm_axis": axis_name, "dtype": dtype}
    method = two_domain_method(
        "UCG-SAMR",
        _generators(model, sequences, rematerialise=model["rematerialise"], **common),
        _discriminators(model, unpaired["instance_noise"], **common),
        generator_loss=generator_loss,
        weights=selected(Weights, unpaired),
        sequences=sequences,
        size=size,
        model=model,
        loss=loss,
        unpaired=unpaired,
    )
    return dataclasses.replace(
        method,
        init_carry=functools.partial(
            init_carry, settings, unpaired["image_pool"], size, sequences
        ),
        update_carry=functools.partial(
            update_carry, settings=settings, epoch_steps=epoch_steps
        ),
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
    """The minimised side of equation (10), and its terms unweighted."""
    x, y = domain_1(batch), batch.images
    rebuilt = functools.partial(anatomy_loss, distance=distance)
    confidence = functools.partial(
        _confidence_map_loss, target=losses.half_scale(y), lambda_cm=carry["lambda_cm"]
    )
    realism = functools.partial(losses.adversarial_loss, real=True, kind=gan)
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
    total = sum(getattr(weights, name) * value for name, value in terms.items())
    terms["mean_confidence"] = jnp.mean(_confidence(outputs))
    terms["lambda_cm"] = carry["lambda_cm"]
    return total, terms


def init_carry(
    settings: cg_samr.LossSettings, pool: int, size: tuple[int, int], sequences: int
) -> Carry:
    """λ_cm as in CG-SAMR and, where wanted, pools of both domains' fakes."""
    return cg_samr.init_carry(settings) | init_pools(pool, size, sequences)


def update_carry(
    carry: Carry,
    outputs: dict,
    *,
    settings: cg_samr.LossSettings,
    epoch_steps: int,
    axis_name: str | None = None,
) -> Carry:
    """CG-SAMR's switch of λ_cm, on the maps of the confidence loss; the new pools."""
    maps = _confidence(outputs)
    switched = cg_samr.update_carry(
        carry,
        {"synthesis": Synthesis(maps, maps, maps)},
        settings=settings,
        epoch_steps=epoch_steps,
        axis_name=axis_name,
    )
    return update_pools(carry | switched, outputs, axis_name=axis_name)


def _confidence(outputs: dict) -> jax.Array:
    return jnp.stack([outputs[name].confidence for name in ("recon_2", "cyc_2")])


def _confidence_map_loss(synthesis: Synthesis, **options: Any) -> jax.Array:
    return losses.confidence_map_loss(
        synthesis.intermediate, synthesis.confidence, **options
    )


def _generators(
    model: Mapping[str, Any], sequences: int, **common: Any
) -> GeneratorSide:
    downsamplings = model["downsamplings"]
    in_decoder = model["blocks"] // 2
    encoder = functools.partial(
        DomainEncoder,
        model["ngf"],
        downsamplings,
        model["blocks"] - in_decoder,
        **common,
    )
    return GeneratorSide(
        encoder(),
        encoder(),
        AnatomyDecoder(downsamplings, in_decoder, **common),
        StretchOutDecoder(
            sequences, downsamplings, in_decoder, model["heads"], **common
        ),
    )


def _discriminators(
    model: Mapping[str, Any], noise: float, **common: Any
) -> DiscriminatorSide:
    discriminator = functools.partial(
        MultiScaleDiscriminator,
        ndf=model["ndf"],
        layers=model["disc_layers"],
        **common,
    )
    return DiscriminatorSide(discriminator(), discriminator(), noise)
