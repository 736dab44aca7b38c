"""The U-Net of the augmentation experiment, trained on its own (section IV-B).

The same network is U of CG-SAMR's lesion shape consistency loss.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, Literal

import flax.linen as nn
import jax

from samr_jax import losses
from samr_jax.labels import LABELS
from samr_jax.methods.base import Context, Method, MethodState, Terms
from samr_jax.methods.batch import Batch
from samr_jax.methods.settings import (
    EQUAL_WEIGHTS,
    Count,
    LabelWeights,
    PositiveInt,
    Weight,
)
from samr_jax.methods.variants import PAIRED_DEMO, PRETRAINED
from samr_jax.models.unet import Pix2PixUNet, UNet

PIX2PIX_DEPTH = 5


@dataclasses.dataclass(frozen=True)
class Model:
    """U.

    Attributes:
      unet: kind of U-Net: ``ronneberger``, the paper's, or ``pix2pix``, as in the
        released code.
      unet_channels: channels of the first level.
      unet_depth: number of down-samplings; ``pix2pix`` always has 5.
    """

    unet: Literal["ronneberger", "pix2pix"] = "ronneberger"
    unet_channels: PositiveInt = 64
    unet_depth: Count = 4


@dataclasses.dataclass(frozen=True)
class Loss:
    """Weights of `segmentation_loss`.

    Attributes:
      cross_entropy: weight of the cross-entropy.
      dice: weight of the generalized Dice loss, equation (4).
      segmenter_label_weights: weights of the labels in the cross-entropy.
    """

    cross_entropy: Weight = 1.0
    dice: Weight = 1.0
    segmenter_label_weights: LabelWeights = EQUAL_WEIGHTS


@dataclasses.dataclass(frozen=True)
class Settings:
    """The settings of the U-Net that segments; the paper's numbers."""

    model: Model = Model()
    loss: Loss = Loss()


VARIANTS = {
    "paper": {"batch_size": 16, "epochs": 200},
    "demo": PAIRED_DEMO
    | {
        "model.unet_channels": 8,
        "model.unet_depth": 3,
        "learning_rate": 2e-2,
    },
    "pretrained": PRETRAINED
    | {
        "batch_size": 4,
        "epochs": 2,
        "model.unet_channels": 8,
        "loss.segmenter_label_weights": (1.0, 1.0, 3.0, 10.0, 10.0),
    },
}
"""``pretrained`` is the U-Net that judges the packaged weights."""


class SegmenterSide(nn.Module):
    """U, images to labels."""

    segmenter: nn.Module

    def __call__(self, batch: Batch, *, train: bool) -> jax.Array:
        """Logits ``(N, H, W, 5)``."""
        return self.segmenter(batch.images, train=train)

    def segment(self, batch: Batch) -> jax.Array:
        return nn.softmax(self(batch, train=False))


def create(settings: Settings, context: Context) -> Method:
    """Builds the method."""
    return Method(
        name="U-Net",
        prior="none",
        fields=("labels", "images"),
        gen=SegmenterSide(create_segmenter(settings.model, context)),
        gen_loss=functools.partial(
            segmentation_loss,
            cross_entropy=settings.loss.cross_entropy,
            dice=settings.loss.dice,
            label_weights=settings.loss.segmenter_label_weights,
            axis_name=context.axis_name,
        ),
        can_synthesize=False,
        can_segment=True,
        downsamplings=segmenter_depth(settings.model),
    )


def segmentation_loss(
    logits: jax.Array,
    features: None,
    batch: Batch,
    method_state: MethodState,
    *,
    cross_entropy: float,
    dice: float,
    label_weights: tuple[float, ...],
    axis_name: str | None = None,
) -> tuple[jax.Array, Terms]:
    """Cross-entropy, as Ronneberger's, and equation (4), as the paper's own.

    Cross-entropy learns from the first step on; the Dice loss does not let the large
    labels outvote the small ones.
    """
    terms = {
        "cross_entropy": losses.cross_entropy(
            batch.mask, logits, label_weights=label_weights
        ),
        "dice": losses.generalized_dice_loss(
            batch.mask, nn.softmax(logits), axis_name=axis_name
        ),
    }
    return cross_entropy * terms["cross_entropy"] + dice * terms["dice"], terms


def create_segmenter(model: Any, context: Context) -> nn.Module:
    """U as the fields of `Model` in `model` describe it."""
    options = {
        "features": model.unet_channels,
        "dtype": context.dtype,
        "norm_axis": context.axis_name,
    }
    if model.unet == "pix2pix":
        return Pix2PixUNet(len(LABELS), downsamplings=PIX2PIX_DEPTH, **options)
    return UNet(len(LABELS), depth=model.unet_depth, **options)


def segmenter_depth(model: Any) -> int:
    """How often U halves a slice."""
    return PIX2PIX_DEPTH if model.unet == "pix2pix" else model.unet_depth
