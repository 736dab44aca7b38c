"""The U-Net of the augmentation experiment, trained on its own (section IV-B).

The same network is U of CG-SAMR's lesion shape consistency loss.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from samr_jax import losses
from samr_jax.labels import LABELS
from samr_jax.methods.base import Carry, Method, Terms
from samr_jax.methods.batch import Batch
from samr_jax.models.unet import Pix2PixUNet, UNet

PIX2PIX_DEPTH = 5


class SegmenterSide(nn.Module):
    """U, images to labels."""

    segmenter: nn.Module

    def __call__(self, batch: Batch, *, train: bool) -> jax.Array:
        """Logits ``(N, H, W, 5)``."""
        return self.segmenter(batch.images, train=train)

    def segment(self, batch: Batch) -> jax.Array:
        return nn.softmax(self(batch, train=False))


def create(
    *,
    model: Mapping[str, Any],
    segmentation: Mapping[str, Any],
    dtype: Any = jnp.float32,
    axis_name: str | None = None,
) -> Method:
    """Builds the method.

    Args:
      model, segmentation: sections of the config; see `samr_jax.config`.
      dtype: of activations.
      axis_name: device axis of synchronised batch norm and of the Dice sums.
    """
    return Method(
        name="U-Net",
        prior="none",
        fields=("labels", "images"),
        gen=SegmenterSide(create_segmenter(model, norm_axis=axis_name, dtype=dtype)),
        gen_loss=functools.partial(
            segmentation_loss, **segmentation, axis_name=axis_name
        ),
        can_synthesize=False,
        can_segment=True,
        downsamplings=segmenter_depth(model),
    )


def segmentation_loss(
    logits: jax.Array,
    features: None,
    batch: Batch,
    carry: Carry,
    *,
    cross_entropy: float,
    dice: float,
    label_weights: tuple[float, ...],
    axis_name: str | None = None,
) -> tuple[jax.Array, Terms]:
    """Cross-entropy, as Ronneberger's, and equation (4), as the paper's own.

    Cross-entropy learns from the first step on, Dice loss does not let the large labels
    outvote the small ones.
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


def create_segmenter(model: Mapping[str, Any], **common: Any) -> nn.Module:
    """U as ``config.model`` describes it; `common` goes to the network."""
    options = {"features": model["unet_channels"], **common}
    if model["unet"] == "pix2pix":
        return Pix2PixUNet(len(LABELS), downsamplings=PIX2PIX_DEPTH, **options)
    return UNet(len(LABELS), depth=model["unet_depth"], **options)


def segmenter_depth(model: Mapping[str, Any]) -> int:
    """How often U halves a slice."""
    return PIX2PIX_DEPTH if model["unet"] == "pix2pix" else model["unet_depth"]
