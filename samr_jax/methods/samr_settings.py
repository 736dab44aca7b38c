"""Settings that SAMR and CG-SAMR have in common."""

from __future__ import annotations

import dataclasses
from typing import Literal

from samr_jax.methods import conditional_gan
from samr_jax.methods.settings import (
    EQUAL_WEIGHTS,
    Count,
    LabelWeights,
    PositiveInt,
    Weight,
)


@dataclasses.dataclass(frozen=True)
class SamrModel:
    """Networks that SAMR and CG-SAMR have.

    Attributes:
      ngf: channels of the encoders' first convolution.
      downsamplings: how often the generator halves a slice.
      blocks: residual blocks of the generator.
      norm: the generator's norm. ``affine_instance`` computes the same in training and
        after it, for batches that do not show what is rare.
      rematerialise: recomputes activations in the backward pass, to save memory.
      ndf: channels of the discriminators' first convolution.
      disc_layers: strided convolutions of each discriminator.
      disc_norm: the discriminators' norm. The paper's, ``batch``, normalises real and
        synthesized images apart, so that a lack of grain is hard to see; ``none`` lets
        the discriminators see it.
      unet: kind of U, the U-Net that segments: ``ronneberger``, or ``pix2pix`` as in
        the released code.
      unet_channels: channels of U's first level.
      unet_depth: number of U's down-samplings.
    """

    ngf: PositiveInt = 16
    downsamplings: Count = 4
    blocks: Count = 6
    norm: Literal["batch", "affine_instance"] = "batch"
    rematerialise: bool = False
    ndf: PositiveInt = 64
    disc_layers: PositiveInt = 3
    disc_norm: Literal["batch", "none"] = "batch"
    unet: Literal["ronneberger", "pix2pix"] = "ronneberger"
    unet_channels: PositiveInt = 64
    unet_depth: Count = 4


@dataclasses.dataclass(frozen=True)
class SamrLoss(conditional_gan.Loss):
    """Terms of equation (6) that SAMR and CG-SAMR have.

    Attributes:
      shape_consistency: λ_2, the weight of the lesion shape consistency loss.
      shape_cross_entropy: weight of a cross-entropy added to the Dice loss of equation
        (4), within the lesion shape consistency loss; the paper has none.
      shape_label_weights: weights of the labels in the cross-entropy of synthesized
        images.
      segmenter_label_weights: weights of the labels in the cross-entropy of real
        images.
      segmenter_learns_from_fake: whether U learns from synthesized images too. If not,
        it learns from real images alone and judges synthesized ones by them.
      texture: weight of `samr_jax.losses.texture_loss` and of
        `samr_jax.losses.repeated_pattern_loss`; the paper has neither.
      region_mean: whether the loss of each label-wise discriminator is the mean over
        the logits that see its region. The paper's is the mean over all logits: of the
        lesion's discriminator, four in five see no lesion.
    """

    shape_consistency: Weight = 1.0
    shape_cross_entropy: Weight = 0.0
    shape_label_weights: LabelWeights = EQUAL_WEIGHTS
    segmenter_label_weights: LabelWeights = EQUAL_WEIGHTS
    segmenter_learns_from_fake: bool = True
    texture: Weight = 0.0
    region_mean: bool = False


@dataclasses.dataclass(frozen=True)
class SamrAblation:
    """Parts of SAMR that can be left out (Table V).

    Attributes:
      stretch_out: whether each sequence has an up-sampling branch of its own; if not,
        one branch serves all.
      labelwise: whether each region has discriminators of its own; if not, they see the
        whole image.
      atlas: whether G and D are given the atlas.
      shape_consistency: whether there is a lesion shape consistency loss.
    """

    stretch_out: bool = True
    labelwise: bool = True
    atlas: bool = True
    shape_consistency: bool = True


SMALL_NETWORKS = {
    "model.ngf": 12,
    "model.downsamplings": 2,
    "model.blocks": 4,
    "model.ndf": 8,
    "model.disc_layers": 2,
    "model.unet_channels": 8,
    "model.unet_depth": 3,
}
"""Fields of the networks for the variant ``demo``."""
