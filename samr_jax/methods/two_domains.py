"""The common parts of all methods for unpaired data: domains, D1 and D2, image pools.

Domain 1 is the lesion map with the tissue prior, domain 2 the images. The generator
side of such a method returns, among other outputs, ``cross_1``, domain 1 made from
images, ``(N, H, W, 8)``, and ``cross_2``, the `Synthesis` made from domain 1.
"""

from __future__ import annotations

import dataclasses
import functools
import operator
from collections.abc import Callable
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from samr_jax import losses
from samr_jax.labels import LABELS
from samr_jax.methods.base import Context, Method, MethodState, Terms
from samr_jax.methods.batch import Batch
from samr_jax.methods.image_pool import create_pool, exchange
from samr_jax.methods.settings import Count, Weight
from samr_jax.models.translator import DOMAIN_1

Gan = Literal["bce", "lsgan"]


@dataclasses.dataclass(frozen=True)
class Loss:
    """Terms that all methods for unpaired data have.

    Attributes:
      gan: kind of GAN: ``bce``, equation (8), or ``lsgan``, least squares.
      gan_1: weight of the realism of domain 1.
      gan_2: weight of the realism of domain 2.
      distance_1: distance of domain 1: ``l1``, the paper's, or ``cross_entropy``, which
        learns small lesions; see `anatomy_loss`.
      instance_noise: standard deviation of the noise in what D1 and D2 see.
      image_pool: earlier synthesized instances that D1 and D2 are shown; 0 for none.
    """

    gan: Gan = "bce"
    gan_1: Weight = 1.0
    gan_2: Weight = 1.0
    distance_1: Literal["l1", "cross_entropy"] = "l1"
    instance_noise: Weight = 0.0
    image_pool: Count = 0


def two_domain_method(
    name: str,
    gen: nn.Module,
    disc: nn.Module,
    *,
    generator_loss: Callable,
    generator: tuple[str, ...],
    settings: Any,
    context: Context,
) -> Method:
    """Puts a method for unpaired data together; its only state are its image pools.

    Args:
      name: the method's name in the tables.
      gen: its generator side, which both synthesizes and segments.
      disc: D1 and D2.
      generator_loss: as of a `Method`, with the loss settings as ``loss``.
      generator: names of the submodules of `gen` that synthesis needs.
      settings: networks and losses; the losses are a `Loss` and more.
      context: what the method is built for.
    """
    loss = settings.loss
    return Method(
        name=name,
        prior="tissue probability maps of the subject",
        fields=("labels", "tissue", "images"),
        unpaired_fields=("images",),
        gen=gen,
        gen_loss=functools.partial(generator_loss, loss=loss),
        generator=generator,
        disc=disc,
        disc_loss=functools.partial(discriminator_loss, loss=loss),
        disc_lr_scale=settings.disc_lr_scale,
        with_pool=with_pool,
        init_method_state=functools.partial(init_pools, loss.image_pool, context),
        update_method_state=update_pools,
        can_segment=True,
        downsamplings=settings.model.downsamplings,
    )


def domain_1(batch: Batch) -> jax.Array:
    """``(N, H, W, 8)`` in [0, 1]: one-hot labels, then WM, GM and CSF as they are.

    The tissue prior is the subject's own maps, in training and at test: like the paper
    (section IV-A), it tells the target's anatomy.
    """
    return jnp.concatenate([batch.mask, batch.tissue], axis=-1)


def anatomy_loss(x: jax.Array, rebuilt: jax.Array, *, distance: str) -> jax.Array:
    """Distance of domain 1 from its reconstruction, equations (7) and (9).

    Args:
      x: as made by `domain_1`.
      rebuilt: probabilities, same shape.
      distance: ``l1``, the paper's; or ``cross_entropy``, which is cross-entropy in the
        channels of the labels and L1 in the channels of the tissue. L1 of a softmax has
        almost no gradient where a label is missed with certainty, as small lesions are
        at first: in the demo L1 finds none of them in 700 steps, cross-entropy finds
        some in 360.
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
    are no regions of interest. D1 sees probabilities; it soon tells soft labels from
    one-hot labels, and so teaches the generator to be sharp.

    Real and synthesized instances are judged as one batch. With a batch norm of their
    own, both would have the same mean and variance in every channel; D2 then learned
    far too slowly when a step had few instances, and crude images fooled it.

    Attributes:
      discriminator_1: D1.
      discriminator_2: D2.
      noise: standard deviation of the white noise that is added to all inputs in
        training (instance noise, Sønderby et al. 2017). It hides fine patterns that
        only serve to fool the discriminators, and the softness of soft labels.
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


def discriminator_loss(features: dict, *, loss: Loss) -> tuple[jax.Array, Terms]:
    """The maximised side of equation (8), as a loss, and its terms.

    Args:
      features: of real and synthesized instances, and of pooled ones if there are any.
      loss: kind of GAN, and the weights of the two domains.
    """
    terms = {
        name: losses.adversarial_loss(
            layers, real=name.startswith("real"), kind=loss.gan
        )
        for name, layers in features.items()
    }
    fake = "pooled" if "pooled_1" in terms else "fake"
    total = 0.5 * (
        loss.gan_1 * (terms["real_1"] + terms[f"{fake}_1"])
        + loss.gan_2 * (terms["real_2"] + terms[f"{fake}_2"])
    )
    return total, terms


def init_pools(pool: int, context: Context) -> MethodState:
    """Pools of `pool` synthesized instances of both domains; no pools for 0."""
    if not pool:
        return {}
    channels = {"1": DOMAIN_1, "2": context.sequences}
    return {
        "pools": {
            domain: create_pool(pool, (*context.size, count))
            for domain, count in channels.items()
        }
    }


def with_pool(
    outputs: dict, method_state: MethodState, *, axis_name: str | None = None
) -> dict:
    """Adds the pooled instances that the discriminators learn from, if any."""
    pooled = _exchange(outputs, method_state, axis_name)
    if not pooled:
        return outputs
    return outputs | {"pooled": {domain: own for domain, (own, _) in pooled.items()}}


def update_pools(
    method_state: MethodState, outputs: dict, *, axis_name: str | None = None
) -> MethodState:
    """The method's state with new pools, if there are any."""
    if "pools" not in method_state:
        return method_state
    pooled = _exchange(outputs, method_state, axis_name)
    pools = {domain: pool for domain, (_, pool) in pooled.items()}
    return method_state | {"pools": pools}


def _exchange(
    outputs: dict, method_state: MethodState, axis_name: str | None
) -> dict[str, tuple]:
    fakes = {"1": outputs["cross_1"], "2": outputs["cross_2"].images}
    return {
        domain: exchange(pool, fakes[domain], axis_name=axis_name)
        for domain, pool in method_state.get("pools", {}).items()
    }
