"""CG-SAMR and its ablations: training on paired data.

Section III-A to III-D of the paper; the final objective is equation (6).
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, Literal

import jax
import jax.numpy as jnp

from samr_jax import losses
from samr_jax.methods import conditional_gan
from samr_jax.methods.base import Context, Method, MethodState, Terms
from samr_jax.methods.batch import Batch
from samr_jax.methods.cg_networks import DiscriminatorSide, GeneratorSide
from samr_jax.methods.conditional_gan import PRIORS
from samr_jax.methods.confidence import (
    ConfidenceLoss,
    init_confidence,
    switch_lambda_cm,
)
from samr_jax.methods.samr_settings import (
    SMALL_NETWORKS,
    SamrAblation,
    SamrLoss,
    SamrModel,
)
from samr_jax.methods.segmentation import (
    create_segmenter,
    segmentation_loss,
    segmenter_depth,
)
from samr_jax.methods.settings import PositiveFloat, Weight
from samr_jax.methods.variants import PAIRED_DEMO
from samr_jax.models.discriminators import (
    LabelwiseDiscriminators,
    WholeImageDiscriminator,
)
from samr_jax.models.generator import Generator, Synthesis


@dataclasses.dataclass(frozen=True)
class Model(SamrModel):
    """Networks of CG-SAMR.

    Attributes:
      heads: one synthesis module (SM) and one confidence map module (CM)
        ``per_branch``, or ``shared`` by all branches as in the released code.
    """

    heads: Literal["per_branch", "shared"] = "per_branch"


@dataclasses.dataclass(frozen=True)
class Loss(SamrLoss, ConfidenceLoss):
    """Terms of equation (6).

    Attributes:
      confidence: λ_3, the weight of the confidence map loss.
    """

    confidence: Weight = 1.0


@dataclasses.dataclass(frozen=True)
class Ablation(SamrAblation):
    """Parts of CG-SAMR that can be left out (Table V).

    Attributes:
      confidence: whether there are SM, CM and the confidence map loss.
    """

    confidence: bool = True


@dataclasses.dataclass(frozen=True)
class Settings:
    """The settings of CG-SAMR; the paper's numbers.

    Attributes:
      model: networks.
      loss: terms of the objective.
      ablation: parts that can be left out.
      disc_lr_scale: the discriminators' learning rate, as a multiple of G's.
      segmenter_lr_scale: U's learning rate, as a multiple of G's.
    """

    model: Model = Model()
    loss: Loss = Loss()
    ablation: Ablation = Ablation()
    disc_lr_scale: PositiveFloat = 1.0
    segmenter_lr_scale: PositiveFloat = 1.0


VARIANTS = {
    "paper": {},
    "demo": PAIRED_DEMO | SMALL_NETWORKS | {"loss.l1": 50.0},
}
"""The paper's training and the demo.

``demo`` differs from the paper, apart from its size, in a pixel loss and a higher
learning rate: it has minutes to learn what a brain looks like, not days.
"""


def create(settings: Settings, context: Context) -> Method:
    """Builds CG-SAMR."""
    return create_cg_samr("CG-SAMR", settings, context)


def create_cg_samr(
    name: str, settings: Any, context: Context, **generator_options: Any
) -> Method:
    """Builds CG-SAMR, or a variant with the same losses.

    Args:
      name: the method's name in the tables.
      settings: `Settings`, or a subclass.
      context: what the method is built for.
      **generator_options: fields of `Generator` in which the variant differs.
    """
    confident = settings.ablation.confidence
    method = create_samr(
        name,
        settings,
        context,
        confidence=confident,
        heads=settings.model.heads,
        **generator_options,
    )
    if not confident:
        return method
    return dataclasses.replace(
        method,
        init_method_state=functools.partial(init_confidence, settings.loss),
        update_method_state=functools.partial(
            update_method_state,
            loss=settings.loss,
            epoch_steps=context.epoch_steps,
        ),
        error_scale=lambda_cm_of,
    )


def create_samr(
    name: str, settings: Any, context: Context, **generator_options: Any
) -> Method:
    """Builds SAMR, or CG-SAMR without the state of its confidence map loss.

    Args:
      name: the method's name in the tables.
      settings: `Settings`, or SAMR's.
      context: what the method is built for.
      **generator_options: fields of `Generator` in which the two differ.
    """
    model, loss, ablation = settings.model, settings.loss, settings.ablation
    common = {"dtype": context.dtype, "norm_axis": context.axis_name}
    generator = Generator(
        sequences=context.sequences,
        ngf=model.ngf,
        downsamplings=model.downsamplings,
        blocks=model.blocks,
        stretch_out=ablation.stretch_out,
        use_atlas=ablation.atlas,
        norm=model.norm,
        rematerialise=model.rematerialise,
        **generator_options,
        **common,
    )
    halvings, segmenter, lr_scales = model.downsamplings, None, ()
    if loss.texture:
        halvings = max(halvings, losses.TEXTURE_HALVINGS)
    if ablation.shape_consistency:
        segmenter = create_segmenter(model, context)
        halvings = max(halvings, segmenter_depth(model))
        lr_scales = (("segmenter", settings.segmenter_lr_scale),)
    networks = (
        LabelwiseDiscriminators if ablation.labelwise else WholeImageDiscriminator
    )
    discriminator = networks(
        ndf=model.ndf, layers=model.disc_layers, norm=model.disc_norm, **common
    )
    return Method(
        name=name,
        prior=PRIORS["atlas"] if ablation.atlas else "none",
        fields=("labels", "images", "atlas"),
        gen=GeneratorSide(generator, segmenter, loss.segmenter_learns_from_fake),
        gen_loss=functools.partial(
            generator_loss, loss=loss, axis_name=context.axis_name
        ),
        generator=("generator",),
        first_layers=_first_layers(ablation),
        gen_lr_scales=lr_scales,
        disc=DiscriminatorSide(
            discriminator,
            ablation.atlas,
            region_mean=loss.region_mean and ablation.labelwise,
        ),
        disc_loss=functools.partial(
            conditional_gan.discriminator_loss, loss=loss, axis_name=context.axis_name
        ),
        disc_lr_scale=settings.disc_lr_scale,
        downsamplings=halvings,
    )


def _first_layers(ablation: SamrAblation) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """See `Method`; none for the single branch whose last layer has all sequences."""
    if not ablation.stretch_out:
        return ()
    atlas = ("atlas",) if ablation.atlas else ()
    return (
        ("atlas_encoder/stem/conv/kernel", ("atlas",)),
        ("segmenter/down_0_first/conv/kernel", ("images",)),
        ("segmenter/down_0/kernel", ("images",)),
        ("layer_0/conv/kernel", ("mask", *atlas, "images")),
    )


def generator_loss(
    outputs: dict,
    features: dict,
    batch: Batch,
    method_state: MethodState,
    *,
    loss: Any,
    axis_name: str | None = None,
) -> tuple[jax.Array, Terms]:
    """The minimised side of equation (6), and its terms unweighted.

    Args:
      outputs: of `GeneratorSide`.
      features: of `DiscriminatorSide`.
      batch: masks, real images and atlas.
      method_state: holds ``lambda_cm`` where there are confidence maps.
      loss: `Loss`, or SAMR's.
      axis_name: the device axis over which the sums of the terms run that are not means
        over all pixels.
    """
    synthesis = outputs["synthesis"]
    total, terms = conditional_gan.realism_terms(
        features, loss=loss, axis_name=axis_name
    )
    label_weights = {
        "real": loss.segmenter_label_weights,
        "fake": loss.shape_label_weights,
    }
    for side, weights in label_weights.items():
        if f"logits_of_{side}" in outputs:
            shape_consistency, parts = segmentation_loss(
                outputs[f"logits_of_{side}"],
                None,
                batch,
                method_state,
                cross_entropy=loss.shape_cross_entropy,
                dice=1.0,
                label_weights=weights,
                axis_name=axis_name,
            )
            terms |= {f"{name}_of_{side}": part for name, part in parts.items()}
            total += loss.shape_consistency * shape_consistency
    if synthesis.confidence is not None:
        terms["confidence"] = losses.confidence_map_loss(
            synthesis.intermediate,
            synthesis.confidence,
            losses.half_scale(batch.images),
            lambda_cm=method_state["lambda_cm"],
        )
        total += loss.confidence * terms["confidence"]
        terms["mean_confidence"] = jnp.mean(synthesis.confidence)
        terms["lambda_cm"] = method_state["lambda_cm"]
    if loss.texture:
        terms |= texture_terms(synthesis, batch, axis_name=axis_name)
        total += loss.texture * (terms["texture"] + terms["repeated_pattern"])
    pixels, pixel_terms = conditional_gan.pixel_term(synthesis, batch, loss=loss)
    if loss.l1:
        total += pixels
    return total, terms | pixel_terms


def texture_terms(
    synthesis: Synthesis, batch: Batch, *, axis_name: str | None
) -> Terms:
    """How far the amount of detail is from real images, and repeated patterns.

    Where images have grain, the grain alone learns how much detail there is: the
    texture loss does not change the images without grain.
    """
    images = textured = synthesis.images
    if synthesis.without_grain is not None:
        grain = images - synthesis.without_grain
        textured = grain + jax.lax.stop_gradient(synthesis.without_grain)
    compare = {"axis_name": axis_name}
    return {
        "texture": losses.texture_loss(batch.images, textured, batch.mask, **compare),
        "repeated_pattern": losses.repeated_pattern_loss(
            batch.images, images, batch.mask, **compare
        ),
    }


def lambda_cm_of(method_state: MethodState) -> float:
    """The λ with which λ / c predicts the local absolute error."""
    return float(method_state["lambda_cm"])


def update_method_state(
    method_state: MethodState,
    outputs: dict,
    *,
    loss: ConfidenceLoss,
    epoch_steps: int,
    axis_name: str | None = None,
) -> MethodState:
    """`switch_lambda_cm` by the confidence maps of the step."""
    return switch_lambda_cm(
        method_state,
        outputs["synthesis"].confidence,
        loss=loss,
        epoch_steps=epoch_steps,
        axis_name=axis_name,
    )
