"""What all methods for unpaired data share: domain 1, D1 and D2, and image pools.

Domain 1 is the lesion map with the tissue prior, domain 2 the images. The generator
side of such a method returns, among other things, ``cross_1``, domain 1 made of images,
``(N, H, W, 8)``, and ``cross_2``, the `Synthesis` made of domain 1.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from samr_jax import losses
from samr_jax.labels import LABELS
from samr_jax.methods.base import Carry, Method, Terms
from samr_jax.methods.batch import Batch
from samr_jax.methods.image_pool import create_pool, exchange
from samr_jax.models.translator import DOMAIN_1


def two_domain_method(
    name: str,
    gen: nn.Module,
    disc: nn.Module,
    *,
    generator_loss: Callable,
    weights: Any,
    sequences: int,
    size: tuple[int, int],
    model: Mapping[str, Any],
    loss: Mapping[str, Any],
    unpaired: Mapping[str, Any],
) -> Method:
    """Puts a method for unpaired data together; all that it carries are its pools.

    Args:
      name: as in the tables.
      gen: its generator side, which both synthesizes and segments.
      disc: D1 and D2.
      generator_loss: as of a `Method`, with ``weights``, ``gan`` and ``distance`` (see
        `anatomy_loss`).
      weights: of its terms; ``gan_1`` and ``gan_2`` are those of D's, too.
      sequences: number of MR sequences ``S``.
      size: ``(H, W)``, of the image pools.
      model, loss, unpaired: sections of the config; see `samr_jax.config`. Of `loss`
        only the kind of GAN is used.
    """
    game = {"weights": weights, "gan": loss["gan"]}
    return Method(
        name=name,
        prior="tissue probability maps of the subject",
        fields=("labels", "tissue", "images"),
        unpaired_fields=("images",),
        gen=gen,
        gen_loss=functools.partial(
            generator_loss, **game, distance=unpaired["distance_1"]
        ),
        disc=disc,
        disc_loss=functools.partial(discriminator_loss, **game),
        show=show,
        init_carry=functools.partial(
            init_pools, unpaired["image_pool"], size, sequences
        ),
        update_carry=update_pools,
        can_segment=True,
        downsamplings=model["downsamplings"],
    )


def domain_1(batch: Batch) -> jax.Array:
    """``(N, H, W, 8)`` in [0, 1]: one-hot labels, then WM, GM and CSF as they are.

    The tissue prior is the subject's own maps, in training and at test: like the paper
    (section IV-A), it tells the target's anatomy.
    """
    return jnp.concatenate([batch.mask, batch.tissue], axis=-1)


def anatomy_loss(x: jax.Array, rebuilt: jax.Array, *, distance: str) -> jax.Array:
    """How far domain 1 is from what was rebuilt of it, equations (7) and (9).

    Args:
      x: as made by `domain_1`.
      rebuilt: probabilities, same shape.
      distance: ``l1``, the paper's; or ``cross_entropy`` in the labels' channels and
        L1 in those of the tissue. L1 of a softmax has almost no gradient where a label
        is missed for sure, as small lesions are at first: in the demo it finds none in
        700 steps, cross-entropy some in 360.
    """
    if distance == "l1":
        return losses.l1_loss(x, rebuilt)
    if distance != "cross_entropy":
        raise ValueError(f"distance {distance!r}, expected 'l1' or 'cross_entropy'")
    (hot, tissue), (found, found_tissue) = (
        jnp.split(values, [len(LABELS)], axis=-1) for values in (x, rebuilt)
    )
    missed = -hot * jnp.log(found + 1e-6)
    return jnp.mean(jnp.concatenate([missed, jnp.abs(tissue - found_tissue)], -1))


class DiscriminatorSide(nn.Module):
    """D1 and D2, each judging real and cross-domain instances of its domain.

    They see whole slices: real images of domain 2 come without a mask, so that there
    are no regions of interest. D1 sees probabilities as they are; it soon tells soft
    labels from one-hot ones, and so teaches the generator to be sharp.

    Real and synthesized instances are judged as one batch. Batch-normalised apart, both
    would have the same mean and variance in every channel; with few instances a step D2
    then learned far too slowly, and was fooled by images that anyone can tell.

    Attributes:
      discriminator_1: D1.
      discriminator_2: D2.
      noise: standard deviation of the white noise in which both see everything in
        training (instance noise, Sønderby et al. 2017): fine patterns that only serve
        to fool them drown in it, and so does the softness of soft labels.
    """

    discriminator_1: nn.Module
    discriminator_2: nn.Module
    noise: float = 0.0

    def __call__(self, batch: Batch, outputs: dict, *, train: bool) -> dict:
        domains = {
            "1": {"real": domain_1(batch), "fake": outputs["cross_1"]},
            "2": {"real": batch.images, "fake": outputs["cross_2"].images},
        }
        features = {}
        for domain, shown in domains.items():
            if "pooled" in outputs:
                shown["pooled"] = outputs["pooled"][domain]
            judge = getattr(self, f"discriminator_{domain}")
            seen = self._blurred(jnp.concatenate(list(shown.values())), train)
            layers = judge(seen, train=train)
            for i, name in enumerate(shown):
                own = slice(i * len(batch.images), (i + 1) * len(batch.images))
                features[f"{name}_{domain}"] = jax.tree.map(
                    operator.itemgetter(own), layers
                )
        return features

    def _blurred(self, x: jax.Array, train: bool) -> jax.Array:
        if not (self.noise and train) or self.is_initializing():
            return x
        noise = jax.random.normal(self.make_rng("dropout"), x.shape, x.dtype)
        return x + self.noise * noise


def discriminator_loss(
    features: dict, *, weights: Any, gan: str
) -> tuple[jax.Array, Terms]:
    """The maximised side of equation (8), as a loss, and how D1 and D2 do on each.

    Args:
      features: of real, synthesized and, where there are pools, pooled instances.
      weights: its ``gan_1`` and ``gan_2`` are those of the two domains.
      gan: see `losses.adversarial_loss`.
    """
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


def init_pools(pool: int, size: tuple[int, int], sequences: int) -> Carry:
    """Pools of `pool` fakes of both domains, or none."""
    if not pool:
        return {}
    channels = {"1": DOMAIN_1, "2": sequences}
    return {
        "pools": {
            domain: create_pool(pool, (*size, count))
            for domain, count in channels.items()
        }
    }


def show(outputs: dict, carry: Carry, *, axis_name: str | None = None) -> dict:
    """Adds what the discriminators are to learn from, where there are pools."""
    pooled = _exchange(outputs, carry, axis_name)
    if not pooled:
        return outputs
    return outputs | {"pooled": {domain: own for domain, (own, _) in pooled.items()}}


def update_pools(carry: Carry, outputs: dict, *, axis_name: str | None = None) -> Carry:
    """The carry with new pools, where there are any."""
    if "pools" not in carry:
        return carry
    pooled = _exchange(outputs, carry, axis_name)
    return carry | {"pools": {domain: pool for domain, (_, pool) in pooled.items()}}


def _exchange(outputs: dict, carry: Carry, axis_name: str | None) -> dict[str, tuple]:
    fakes = {"1": outputs["cross_1"], "2": outputs["cross_2"].images}
    return {
        domain: exchange(pool, fakes[domain], axis_name=axis_name)
        for domain, pool in carry.get("pools", {}).items()
    }
