"""CG-SAMR, its predecessor SAMR and its ablations: training on paired data.

Section III-A to III-D of the paper; the final objective is equation (6).
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from samr_jax import losses
from samr_jax.labels import LABELS
from samr_jax.methods.base import Carry, Method, Terms
from samr_jax.methods.batch import Batch
from samr_jax.methods.segmentation import (
    create_segmenter,
    segmentation_loss,
    segmenter_depth,
)
from samr_jax.models.discriminators import (
    LabelwiseDiscriminators,
    WholeImageDiscriminator,
)
from samr_jax.models.generator import Generator, Synthesis


class GeneratorSide(nn.Module):
    """G and U: what the final objective is minimised over.

    Attributes:
      generator: G, mask and atlas to images.
      segmenter: U of the lesion shape consistency loss, or None without it.
      learns_from_fake: whether U learns from synthesized images, too. Else it demands
        of them what real ones show.
    """

    generator: nn.Module
    segmenter: nn.Module | None = None
    learns_from_fake: bool = True

    def __call__(self, batch: Batch, *, train: bool) -> dict[str, Any]:
        synthesis = self.generator(batch.mask, batch.atlas, train=train)
        outputs = {"synthesis": synthesis}
        if self.segmenter is not None:
            logits = self._segment(batch.images, synthesis.images, train=train)
            outputs["logits_of_real"], outputs["logits_of_fake"] = logits
        return outputs

    def _segment(
        self, real: jax.Array, fake: jax.Array, *, train: bool
    ) -> Sequence[jax.Array]:
        if self.learns_from_fake:
            # One call: U's kernels, most of them larger than what they see, are read
            # and transformed once.
            both = jnp.concatenate([real, fake])
            return jnp.split(self.segmenter(both, train=train, groups=2), 2)

        def segment(segmenter: nn.Module, images: jax.Array) -> jax.Array:
            return segmenter(images, train=train)

        as_given = nn.map_variables(segment, "params", jax.lax.stop_gradient)
        return segment(self.segmenter, real), as_given(self.segmenter, fake)

    def synthesize(self, batch: Batch) -> Synthesis:
        return self.generator(batch.mask, batch.atlas, train=False)


class DiscriminatorSide(nn.Module):
    """D, judging real and synthesized images with the mask and atlas they came from.

    Attributes:
      discriminator: the six label-wise networks, or the whole-image ablation.
      use_atlas: whether the atlas is part of what is judged.
    """

    discriminator: nn.Module
    use_atlas: bool = True

    def __call__(self, batch: Batch, outputs: dict, *, train: bool) -> dict:
        atlas = batch.atlas if self.use_atlas else batch.atlas[..., :0]

        def judge(images: jax.Array) -> losses.Features:
            return self.discriminator(batch.mask, atlas, images, train=train)

        return {
            "real": judge(batch.images),
            "fake": judge(outputs["synthesis"].images),
        }


@dataclasses.dataclass(frozen=True)
class LossSettings:
    """Weights and variants of equation (6); see `samr_jax.config` for the defaults."""

    gan: str
    feature_matching: float
    feature_distance: str
    shape_consistency: float
    shape_cross_entropy: float
    shape_label_weights: tuple[float, ...]
    segmenter_learns_from_fake: bool
    confidence: float
    lambda_cm: float
    confidence_threshold: float
    lambda_cm_late: float
    l1: float
    l1_label_weights: tuple[float, ...]


def create(
    *,
    sequences: int,
    model: Mapping[str, Any],
    loss: Mapping[str, Any],
    segmentation: Mapping[str, Any],
    ablation: Mapping[str, bool],
    epoch_steps: int,
    dtype: Any = jnp.float32,
    axis_name: str | None = None,
    samr: bool = False,
) -> Method:
    """Builds the method.

    Args:
      sequences: number of MR sequences ``S``.
      model, loss, segmentation, ablation: config sections; see `samr_jax.config`.
      epoch_steps: steps of an epoch, over which mean confidence is taken.
      dtype: of activations.
      axis_name: device axis of synchronised batch norm and of the Dice sums.
      samr: the predecessor: no SM and CM, one more residual block in each branch.
    """
    settings = LossSettings(**loss)
    common = {"dtype": dtype, "norm_axis": axis_name}
    confident = ablation["confidence"] and not samr
    generator = Generator(
        sequences=sequences,
        ngf=model["ngf"],
        downsamplings=model["downsamplings"],
        blocks=model["blocks"],
        heads=model["heads"],
        confidence=confident,
        branch_blocks=1 if samr else 0,
        stretch_out=ablation["stretch_out"],
        use_atlas=ablation["atlas"],
        norm=model["norm"],
        rematerialise=model["rematerialise"],
        **common,
    )
    halvings, segmenter = model["downsamplings"], None
    if ablation["shape_consistency"]:
        segmenter = create_segmenter(model, **common)
        halvings = max(halvings, segmenter_depth(model))
    networks = (
        LabelwiseDiscriminators if ablation["labelwise"] else WholeImageDiscriminator
    )
    discriminator = networks(ndf=model["ndf"], layers=model["disc_layers"], **common)
    return Method(
        name="SAMR" if samr else "CG-SAMR",
        prior="atlas" if ablation["atlas"] else "none",
        fields=("labels", "images", "atlas"),
        gen=GeneratorSide(generator, segmenter, settings.segmenter_learns_from_fake),
        gen_loss=functools.partial(
            generator_loss,
            settings=settings,
            label_weights=segmentation["label_weights"],
            axis_name=axis_name,
        ),
        disc=DiscriminatorSide(discriminator, ablation["atlas"]),
        disc_loss=functools.partial(discriminator_loss, settings=settings),
        init_carry=functools.partial(init_carry, settings),
        update_carry=functools.partial(
            update_carry, settings=settings, epoch_steps=epoch_steps
        ),
        downsamplings=halvings,
    )


def generator_loss(
    outputs: dict,
    features: dict,
    batch: Batch,
    carry: Carry,
    *,
    settings: LossSettings,
    label_weights: Sequence[float] = (1.0,) * len(LABELS),
    axis_name: str | None = None,
) -> tuple[jax.Array, Terms]:
    """The minimised side of equation (6), and its terms unweighted."""
    synthesis = outputs["synthesis"]
    real, fake = features["real"], features["fake"]
    terms = {
        "adversarial": losses.adversarial_loss(fake, real=True, kind=settings.gan),
        "feature_matching": losses.feature_matching_loss(
            real, fake, distance=settings.feature_distance
        ),
    }
    total = terms["adversarial"]
    if settings.feature_matching:
        total += settings.feature_matching * terms["feature_matching"]
    label_weights = {"real": label_weights, "fake": settings.shape_label_weights}
    for side, weights in label_weights.items():
        if f"logits_of_{side}" in outputs:
            shape_consistency, parts = segmentation_loss(
                outputs[f"logits_of_{side}"],
                None,
                batch,
                carry,
                cross_entropy=settings.shape_cross_entropy,
                dice=1.0,
                label_weights=weights,
                axis_name=axis_name,
            )
            terms |= {f"{name}_of_{side}": part for name, part in parts.items()}
            total += settings.shape_consistency * shape_consistency
    if synthesis.confidence is not None:
        terms["confidence"] = losses.confidence_map_loss(
            synthesis.intermediate,
            synthesis.confidence,
            losses.half_scale(batch.images),
            lambda_cm=carry["lambda_cm"],
        )
        total += settings.confidence * terms["confidence"]
        terms["mean_confidence"] = jnp.mean(synthesis.confidence)
        terms["lambda_cm"] = carry["lambda_cm"]
    pixel_weights = batch.mask @ jnp.asarray(settings.l1_label_weights)
    terms["l1"] = losses.l1_loss(
        synthesis.images, batch.images, pixel_weights[..., None]
    )
    if settings.l1:
        total += settings.l1 * terms["l1"]
    return total, terms


def discriminator_loss(
    features: dict, *, settings: LossSettings
) -> tuple[jax.Array, Terms]:
    """The maximised side of equation (2), as a loss, and how D does on each."""
    terms = {
        side: losses.adversarial_loss(
            features[side], real=side == "real", kind=settings.gan
        )
        for side in ("real", "fake")
    }
    return 0.5 * (terms["real"] + terms["fake"]), terms


def init_carry(settings: LossSettings) -> Carry:
    """λ_cm of equation (1) and the running mean that switches it."""
    return {
        "lambda_cm": jnp.asarray(settings.lambda_cm, jnp.float32),
        "confidence_sum": jnp.zeros((), jnp.float32),
        "confidence_steps": jnp.zeros((), jnp.int32),
    }


def update_carry(
    carry: Carry,
    outputs: dict,
    *,
    settings: LossSettings,
    epoch_steps: int,
    axis_name: str | None = None,
) -> Carry:
    """The one-way switch of λ_cm, at the end of each epoch (section IV-B)."""
    confidence = outputs["synthesis"].confidence
    if confidence is None:
        return carry
    mean = jnp.mean(confidence)
    if axis_name is not None:
        mean = jax.lax.pmean(mean, axis_name)
    total = carry["confidence_sum"] + mean
    steps = carry["confidence_steps"] + 1
    ended = steps >= epoch_steps
    switch = ended & (total / steps > settings.confidence_threshold)
    return {
        "lambda_cm": jnp.where(switch, settings.lambda_cm_late, carry["lambda_cm"]),
        "confidence_sum": jnp.where(ended, 0.0, total),
        "confidence_steps": jnp.where(ended, 0, steps),
    }
