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
from samr_jax.batch import Batch
from samr_jax.methods import cg_samr
from samr_jax.methods.base import Carry, Method, Terms
from samr_jax.methods.image_pool import create_pool, exchange
from samr_jax.methods.ucg_networks import DiscriminatorSide, GeneratorSide, domain_1
from samr_jax.models.decoder import StretchOutDecoder, Synthesis
from samr_jax.models.discriminators import MultiScaleDiscriminator
from samr_jax.models.translator import DOMAIN_1, AnatomyDecoder, DomainEncoder


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
    weights = Weights(**{f.name: unpaired[f.name] for f in dataclasses.fields(Weights)})
    return Method(
        name="UCG-SAMR",
        prior="tissue probability maps of the subject",
        fields=("labels", "tissue", "images"),
        unpaired_fields=("images",),
        gen=_generators(
            model,
            sequences,
            norm_axis=axis_name,
            dtype=dtype,
            rematerialise=model["rematerialise"],
        ),
        gen_loss=functools.partial(generator_loss, weights=weights, gan=settings.gan),
        disc=_discriminators(model, norm_axis=axis_name, dtype=dtype),
        disc_loss=functools.partial(
            discriminator_loss, weights=weights, gan=settings.gan
        ),
        show=show,
        init_carry=functools.partial(
            init_carry, settings, unpaired["image_pool"], size, sequences
        ),
        update_carry=functools.partial(
            update_carry, settings=settings, epoch_steps=epoch_steps
        ),
        can_segment=True,
        downsamplings=model["downsamplings"],
    )


def generator_loss(
    outputs: dict,
    features: dict,
    batch: Batch,
    carry: Carry,
    *,
    weights: Weights,
    gan: str,
) -> tuple[jax.Array, Terms]:
    """The minimised side of equation (10), and its terms unweighted."""
    x, y = domain_1(batch), batch.images
    confidence = functools.partial(
        _confidence_map_loss, target=losses.half_scale(y), lambda_cm=carry["lambda_cm"]
    )
    realism = functools.partial(losses.adversarial_loss, real=True, kind=gan)
    terms = {
        # Equation (7): the reconstruction streams.
        "recon_1": losses.l1_loss(x, outputs["recon_1"]),
        "recon_2": losses.l1_loss(y, outputs["recon_2"].images),
        "recon_cm": confidence(outputs["recon_2"]),
        # Equation (8): the cross-domain streams.
        "gan_1": realism(features["fake_1"]),
        "gan_2": realism(features["fake_2"]),
        # Equation (9): the cycle-reconstruction streams.
        "cyc_1": losses.l1_loss(x, outputs["cyc_1"]),
        "cyc_2": losses.l1_loss(y, outputs["cyc_2"].images),
        "cyc_cm": confidence(outputs["cyc_2"]),
    }
    total = sum(getattr(weights, name) * value for name, value in terms.items())
    terms["mean_confidence"] = jnp.mean(_confidence(outputs))
    terms["lambda_cm"] = carry["lambda_cm"]
    return total, terms


def discriminator_loss(
    features: dict, *, weights: Weights, gan: str
) -> tuple[jax.Array, Terms]:
    """The maximised side of equation (8), as a loss, and how D1 and D2 do on each."""
    terms = {
        name: losses.adversarial_loss(layers, real=name.startswith("real"), kind=gan)
        for name, layers in features.items()
    }
    fake = "pooled" if "pooled_1" in terms else "fake"
    total = 0.5 * (
        weights.gan_1 * (terms["real_1"] + terms[f"{fake}_1"])
        + weights.gan_2 * (terms["real_2"] + terms[f"{fake}_2"])
    )
    return total, terms


def init_carry(
    settings: cg_samr.LossSettings, pool: int, size: tuple[int, int], sequences: int
) -> Carry:
    """λ_cm as in CG-SAMR and, where wanted, pools of both domains' fakes."""
    carry = cg_samr.init_carry(settings)
    if pool:
        channels = {"1": DOMAIN_1, "2": sequences}
        carry["pools"] = {
            domain: create_pool(pool, (*size, count))
            for domain, count in channels.items()
        }
    return carry


def _exchange(outputs: dict, carry: Carry, axis_name: str | None) -> dict[str, tuple]:
    fakes = {"1": outputs["cross_1"], "2": outputs["cross_2"].images}
    return {
        domain: exchange(pool, fakes[domain], axis_name=axis_name)
        for domain, pool in carry.get("pools", {}).items()
    }


def show(outputs: dict, carry: Carry, *, axis_name: str | None = None) -> dict:
    """Adds what the discriminators are to learn from, where there are pools."""
    pooled = _exchange(outputs, carry, axis_name)
    if not pooled:
        return outputs
    return outputs | {"pooled": {domain: own for domain, (own, _) in pooled.items()}}


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
    new = cg_samr.update_carry(
        carry,
        {"synthesis": Synthesis(maps, maps, maps)},
        settings=settings,
        epoch_steps=epoch_steps,
        axis_name=axis_name,
    )
    if "pools" in carry:
        pooled = _exchange(outputs, carry, axis_name)
        new["pools"] = {domain: pool for domain, (_, pool) in pooled.items()}
    return new


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


def _discriminators(model: Mapping[str, Any], **common: Any) -> DiscriminatorSide:
    discriminator = functools.partial(
        MultiScaleDiscriminator,
        ndf=model["ndf"],
        layers=model["disc_layers"],
        **common,
    )
    return DiscriminatorSide(discriminator(), discriminator())
