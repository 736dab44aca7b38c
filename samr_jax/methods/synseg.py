"""SynSeg-Net: CycleGAN with a segmenter that learns from synthesized images.

The synthesized images come from label maps, so that their segmentation is known. One
optimizer trains both generators and the segmenter; the segmenter's loss reaches the
generator too.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import flax.linen as nn
import jax

from samr_jax.labels import LABELS
from samr_jax.methods import cyclegan
from samr_jax.methods.base import Context, Method, MethodState, Terms
from samr_jax.methods.batch import Batch
from samr_jax.methods.segmentation import segmentation_loss
from samr_jax.methods.settings import LabelWeights, PositiveFloat, Weight


@dataclasses.dataclass(frozen=True)
class Loss(cyclegan.Loss):
    """CycleGAN's terms and those of the segmenter.

    Attributes:
      cross_entropy: weight of the segmenter's cross-entropy.
      dice: weight of the segmenter's Dice loss.
      segmenter_label_weights: weights of the labels in the cross-entropy; lesions are
        a few percent of a slice.
    """

    cross_entropy: Weight = 1.0
    dice: Weight = 0.0
    segmenter_label_weights: LabelWeights = (1.0, 1.0, 5.0, 5.0, 5.0)


@dataclasses.dataclass(frozen=True)
class Settings:
    """The settings of SynSeg-Net; its authors' numbers.

    Attributes:
      model: networks.
      loss: terms of the objective.
      disc_lr_scale: the discriminators' learning rate, as a multiple of the
        generators'.
      segmenter_lr_scale: the segmenter's learning rate, as a multiple of the
        generators'.
    """

    model: cyclegan.Model = cyclegan.Model()
    loss: Loss = Loss()
    disc_lr_scale: PositiveFloat = 1.0
    segmenter_lr_scale: PositiveFloat = 1.0


VARIANTS = cyclegan.VARIANTS


class GeneratorSide(cyclegan.GeneratorSide):
    """CycleGAN's networks and a segmenter of images."""

    segmenter: nn.Module

    def __call__(self, batch: Batch, *, train: bool) -> dict[str, Any]:
        """CycleGAN's outputs and ``logits``, the labels in the synthesized images."""
        outputs = super().__call__(batch, train=train)
        logits = self.segmenter(outputs["cross_2"].images, train=train)
        return outputs | {"logits": logits}

    def segment(self, batch: Batch) -> jax.Array:
        return nn.softmax(self.segmenter(batch.images, train=False))


def create(settings: Settings, context: Context) -> Method:
    """Builds SynSeg-Net."""
    segmenter = cyclegan.resnet(len(LABELS), _logits, settings.model, context)
    return dataclasses.replace(
        cyclegan.create(settings, context),
        name="SynSeg-Net",
        gen=GeneratorSide(
            **cyclegan.translators(settings.model, context), segmenter=segmenter
        ),
        gen_loss=functools.partial(
            generator_loss, loss=settings.loss, axis_name=context.axis_name
        ),
        gen_lr_scales=(("segmenter", settings.segmenter_lr_scale),),
    )


def generator_loss(
    outputs: dict,
    features: dict,
    batch: Batch,
    method_state: MethodState,
    *,
    loss: Loss,
    axis_name: str | None = None,
) -> tuple[jax.Array, Terms]:
    """The sum of CycleGAN's loss and the segmenter's."""
    total, terms = cyclegan.generator_loss(
        outputs, features, batch, method_state, loss=loss
    )
    segmentation, label_terms = segmentation_loss(
        outputs["logits"],
        None,
        batch,
        method_state,
        cross_entropy=loss.cross_entropy,
        dice=loss.dice,
        label_weights=loss.segmenter_label_weights,
        axis_name=axis_name,
    )
    return total + segmentation, {**terms, **label_terms}


def _logits(x: jax.Array) -> jax.Array:
    return x
