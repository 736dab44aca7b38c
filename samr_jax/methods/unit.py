"""UNIT (NIPS 2017): two variational autoencoders with a shared code, and a GAN.

Codes are Gaussian with unit variance. The shared blocks give both domains one code, so
that the decoder of one domain can draw what the encoder of the other has read. Training
adds the codes' noise; at test a code is its mean.
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
from samr_jax.methods import cyclegan, two_domains
from samr_jax.methods.base import Context, Method, MethodState, Terms
from samr_jax.methods.batch import Batch
from samr_jax.methods.settings import PositiveFloat, PositiveInt, Weight
from samr_jax.methods.two_domains import anatomy_loss, domain_1, two_domain_method
from samr_jax.methods.variants import UNPAIRED_DEMO
from samr_jax.models.decoder import Synthesis
from samr_jax.models.encoder import Trunk
from samr_jax.models.translator import DOMAIN_1, anatomy
from samr_jax.models.unit import NORM, UnitDecoder, UnitEncoder


@dataclasses.dataclass(frozen=True)
class Model(cyclegan.Model):
    """Networks; see `samr_jax.methods.cyclegan.Model`.

    Attributes:
      blocks: residual blocks of each encoder and of each decoder. Both encoders share
        the last one, both decoders the first one.
    """

    blocks: PositiveInt = 4


@dataclasses.dataclass(frozen=True)
class Loss(two_domains.Loss):
    """Weights of the terms of `generator_loss`.

    Attributes:
      recon_1: weight of the reconstruction of domain 1.
      recon_2: weight of the reconstruction of domain 2.
      cyc_1: weight of the cycle consistency of domain 1.
      cyc_2: weight of the cycle consistency of domain 2.
      kl: weight of the divergence of the codes from their prior, for domains and
        cycles.
    """

    gan_1: Weight = 10.0
    gan_2: Weight = 10.0
    recon_1: Weight = 100.0
    recon_2: Weight = 100.0
    cyc_1: Weight = 100.0
    cyc_2: Weight = 100.0
    kl: Weight = 0.1


@dataclasses.dataclass(frozen=True)
class Settings:
    """The settings of UNIT; its authors' numbers.

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
    "paper": {"batch_size": 1, "epochs": 800, "learning_rate": 1e-4},
    "demo": UNPAIRED_DEMO
    | {
        "model.ngf": 16,
        "loss.recon_1": 250.0,
        "loss.recon_2": 100.0,
        "loss.cyc_1": 250.0,
        "loss.cyc_2": 100.0,
    },
}
"""UNIT's authors count steps, a million of one instance; the epochs are UCG-SAMR's."""


class GeneratorSide(nn.Module):
    """E1, E2, G1 and G2 with what they share."""

    encoder_1: nn.Module
    encoder_2: nn.Module
    shared_encoder: nn.Module
    shared_decoder: nn.Module
    decoder_1: nn.Module
    decoder_2: nn.Module

    def __call__(self, batch: Batch, *, train: bool) -> dict[str, Any]:
        """Runs all streams.

        Returns:
          ``recon_1``, ``cross_1``, ``cyc_1``: domain 1 rebuilt, made of images, and
          rebuilt from the images made of it, ``(N, H, W, 8)``; ``recon_2``,
          ``cross_2``, ``cyc_2``: the same for images, a `Synthesis` each; ``codes``:
          the means of the codes, of both domains and of both translations.
        """
        mean_1 = self.encode_1(domain_1(batch), train=train)
        mean_2 = self.encode_2(batch.images, train=train)
        code_1, code_2 = self.noisy(mean_1), self.noisy(mean_2)
        cross_1 = self.decode_1(code_2, train=train)
        cross_2 = self.decode_2(code_1, train=train)
        cycled_1 = self.encode_2(cross_2, train=train)
        cycled_2 = self.encode_1(cross_1, train=train)
        return {
            "recon_1": self.decode_1(code_1, train=train),
            "recon_2": Synthesis(self.decode_2(code_2, train=train)),
            "cross_1": cross_1,
            "cross_2": Synthesis(cross_2),
            "cyc_1": self.decode_1(self.noisy(cycled_1), train=train),
            "cyc_2": Synthesis(self.decode_2(self.noisy(cycled_2), train=train)),
            "codes": [mean_1, mean_2, cycled_1, cycled_2],
        }

    def encode_1(self, x: jax.Array, *, train: bool) -> jax.Array:
        return self.shared_encoder(self.encoder_1(x, train=train), train=train)

    def encode_2(self, y: jax.Array, *, train: bool) -> jax.Array:
        return self.shared_encoder(self.encoder_2(y, train=train), train=train)

    def decode_1(self, code: jax.Array, *, train: bool) -> jax.Array:
        return self.decoder_1(self.shared_decoder(code, train=train), train=train)

    def decode_2(self, code: jax.Array, *, train: bool) -> jax.Array:
        return self.decoder_2(self.shared_decoder(code, train=train), train=train)

    def noisy(self, mean: jax.Array) -> jax.Array:
        """A draw of the code."""
        key = self.make_rng("dropout")
        return mean + jax.random.normal(key, mean.shape, mean.dtype)

    def synthesize(self, batch: Batch) -> Synthesis:
        code = self.encode_1(domain_1(batch), train=False)
        return Synthesis(self.decode_2(code, train=False))

    def segment(self, batch: Batch) -> jax.Array:
        """Label probabilities of the images' translation."""
        code = self.encode_2(batch.images, train=False)
        return self.decode_1(code, train=False)[..., : len(LABELS)]


def create(settings: Settings, context: Context) -> Method:
    """Builds UNIT."""
    return two_domain_method(
        "UNIT",
        _generators(settings.model, context),
        cyclegan.discriminators(settings, context, norm="none"),
        generator_loss=generator_loss,
        generator=("encoder_1", "shared_encoder", "shared_decoder", "decoder_2"),
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
    """The minimised side of UNIT's equation (3); the terms come unweighted."""
    x, y = domain_1(batch), batch.images
    rebuilt = functools.partial(anatomy_loss, distance=loss.distance_1)
    realism = functools.partial(losses.adversarial_loss, real=True, kind=loss.gan)
    terms = {
        "recon_1": rebuilt(x, outputs["recon_1"]),
        "recon_2": losses.l1_loss(y, outputs["recon_2"].images),
        "gan_1": realism(features["fake_1"]),
        "gan_2": realism(features["fake_2"]),
        "cyc_1": rebuilt(x, outputs["cyc_1"]),
        "cyc_2": losses.l1_loss(y, outputs["cyc_2"].images),
        "kl": sum(losses.code_divergence(mean) for mean in outputs["codes"]),
    }
    total = sum(getattr(loss, name) * value for name, value in terms.items())
    return total, terms  # type: ignore[return-value]


def _generators(model: Model, context: Context) -> GeneratorSide:
    depth, own, dtype = model.downsamplings, model.blocks - 1, context.dtype
    shared = functools.partial(Trunk, 1, norm=NORM, dtype=dtype)
    encoder = functools.partial(UnitEncoder, model.ngf, depth, own, dtype=dtype)
    decoder = functools.partial(UnitDecoder, upsamplings=depth, blocks=own, dtype=dtype)
    return GeneratorSide(
        encoder_1=encoder(),
        encoder_2=encoder(),
        shared_encoder=shared(),
        shared_decoder=shared(),
        decoder_1=decoder(DOMAIN_1, activation=anatomy),
        decoder_2=decoder(context.sequences, activation=jnp.tanh),
    )
