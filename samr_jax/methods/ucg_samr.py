"""UCG-SAMR: training on unpaired masks and images (section III-E).

Domain 1 is the lesion map with the tissue prior, domain 2 the images. The names of
losses and networks are the paper's; the objective is equation (10).
"""

from __future__ import annotations

import dataclasses
import functools
import operator
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from samr_jax import losses
from samr_jax.batch import Batch
from samr_jax.labels import LABELS
from samr_jax.methods import cg_samr
from samr_jax.methods.base import Carry, Method, Terms
from samr_jax.models.decoder import StretchOutDecoder, Synthesis
from samr_jax.models.discriminators import MultiScaleDiscriminator
from samr_jax.models.translator import AnatomyDecoder, DomainEncoder


def domain_1(batch: Batch) -> jax.Array:
    """``(N, H, W, 8)`` in [0, 1]: one-hot labels, then WM, GM and CSF as they are.

    The tissue prior is the subject's own maps, in training and at test: like the paper
    (section IV-A), it tells the target's anatomy.
    """
    return jnp.concatenate([batch.mask, batch.tissue], axis=-1)


class GeneratorSide(nn.Module):
    """E1, F1, E2 and F2, and the streams of Fig. 5.

    Running statistics are those of what runs at test, F2(E1(x)) and F1(E2(y)): codes of
    the two domains need not be distributed alike, so that statistics of all streams
    together would fit none. In training each call is normalised by its own batch.
    """

    encoder_1: nn.Module
    encoder_2: nn.Module
    decoder_1: nn.Module
    decoder_2: nn.Module

    def __call__(self, batch: Batch, *, train: bool) -> dict[str, Any]:
        """Runs all streams.

        Returns:
          ``recon_1``, ``cross_1``, ``cyc_1``: x of the reconstruction (1 to 1), the
          cross-domain (2 to 1) and the cycle stream (1 to 2 to 1), ``(N, H, W, 8)``;
          ``recon_2``, ``cross_2``, ``cyc_2``: the same for y, a `Synthesis` each.
        """
        code_1 = self.encoder_1(domain_1(batch), train=train)
        code_2 = self.encoder_2(batch.images, train=train)
        cross_1 = self.decoder_1(code_2, train=train)
        cross_2 = self.decoder_2(code_1, train=train)
        (cycled_1,) = _untracked(self.encoder_2, cross_2.images, train=train)
        (cycled_2,) = _untracked(self.encoder_1, cross_1, train=train)
        recon_1, cyc_1 = _untracked(self.decoder_1, code_1, cycled_1, train=train)
        recon_2, cyc_2 = _untracked(self.decoder_2, code_2, cycled_2, train=train)
        return {
            "recon_1": recon_1,
            "recon_2": recon_2,
            "cross_1": cross_1,
            "cross_2": cross_2,
            "cyc_1": cyc_1,
            "cyc_2": cyc_2,
        }

    def synthesize(self, batch: Batch) -> Synthesis:
        """F2(E1(x))."""
        code = self.encoder_1(domain_1(batch), train=False)
        return self.decoder_2(code, train=False)

    def segment(self, batch: Batch) -> jax.Array:
        """Label probabilities of F1(E2(y))."""
        code = self.encoder_2(batch.images, train=False)
        return self.decoder_1(code, train=False)[..., : len(LABELS)]


def _untracked(module: nn.Module, *inputs: jax.Array, train: bool) -> list:
    """Calls a network on each input and leaves its running statistics alone.

    The calls are mapped, each with batch statistics of its own: one program that is
    compiled once and runs convolutions over all inputs.
    """
    if module.is_initializing():
        return [module(x, train=train) for x in inputs]
    unbound, variables = module.unbind()

    def call(x: jax.Array) -> Any:
        return unbound.apply(variables, x, train=train, mutable=["batch_stats"])[0]

    outputs = jax.vmap(call)(jnp.stack(inputs))
    return [jax.tree.map(operator.itemgetter(i), outputs) for i in range(len(inputs))]


class DiscriminatorSide(nn.Module):
    """D1 and D2, each judging real and cross-domain instances of its domain.

    They see whole slices at two scales: real images of domain 2 come without a mask, so
    that there are no regions of interest. D1 sees F1's probabilities as they are; it
    soon tells soft labels from one-hot ones, and so teaches F1 to be sharp.

    Real and synthesized instances are judged as one batch. Normalised apart, both would
    have the same mean and variance in every channel; with few instances a step D2 then
    learned far too slowly, and was fooled by images that anyone can tell.
    """

    discriminator_1: nn.Module
    discriminator_2: nn.Module

    def __call__(self, batch: Batch, outputs: dict, *, train: bool) -> dict:
        real_1, fake_1 = self._judge(
            self.discriminator_1, domain_1(batch), outputs["cross_1"], train=train
        )
        real_2, fake_2 = self._judge(
            self.discriminator_2, batch.images, outputs["cross_2"].images, train=train
        )
        return {
            "real_1": real_1,
            "fake_1": fake_1,
            "real_2": real_2,
            "fake_2": fake_2,
        }

    @staticmethod
    def _judge(
        discriminator: nn.Module, real: jax.Array, fake: jax.Array, *, train: bool
    ) -> tuple[losses.Features, losses.Features]:
        features = discriminator(jnp.concatenate([real, fake]), train=train)
        count = len(real)
        return (
            jax.tree.map(lambda layer: layer[:count], features),
            jax.tree.map(lambda layer: layer[count:], features),
        )


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
        init_carry=functools.partial(cg_samr.init_carry, settings),
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
    total = 0.5 * (
        weights.gan_1 * (terms["real_1"] + terms["fake_1"])
        + weights.gan_2 * (terms["real_2"] + terms["fake_2"])
    )
    return total, terms


def update_carry(
    carry: Carry,
    outputs: dict,
    *,
    settings: cg_samr.LossSettings,
    epoch_steps: int,
    axis_name: str | None = None,
) -> Carry:
    """CG-SAMR's switch of λ_cm, on the maps that the confidence loss is applied to."""
    maps = _confidence(outputs)
    return cg_samr.update_carry(
        carry,
        {"synthesis": Synthesis(maps, maps, maps)},
        settings=settings,
        epoch_steps=epoch_steps,
        axis_name=axis_name,
    )


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
