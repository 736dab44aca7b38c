"""SynSeg-Net: CycleGAN with a segmenter that learns from synthesized images.

The synthesized images come from label maps, so that their segmentation is known. One
optimizer trains both generators and the segmenter; its loss reaches the generator, too.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from samr_jax.labels import LABELS
from samr_jax.methods import cyclegan
from samr_jax.methods.base import Carry, Method, Terms
from samr_jax.methods.batch import Batch
from samr_jax.methods.segmentation import segmentation_loss


class GeneratorSide(cyclegan.GeneratorSide):
    """CycleGAN's networks and a segmenter of images."""

    segmenter: nn.Module

    def __call__(self, batch: Batch, *, train: bool) -> dict[str, Any]:
        """As CycleGAN's, with ``logits``, the labels in the synthesized images."""
        outputs = super().__call__(batch, train=train)
        logits = self.segmenter(outputs["cross_2"].images, train=train)
        return outputs | {"logits": logits}

    def segment(self, batch: Batch) -> jax.Array:
        return nn.softmax(self.segmenter(batch.images, train=False))


def create(
    *,
    sequences: int,
    size: tuple[int, int],
    model: Mapping[str, Any],
    loss: Mapping[str, Any],
    unpaired: Mapping[str, Any],
    segmentation: Mapping[str, Any],
    dtype: Any = jnp.float32,
    axis_name: str | None = None,
) -> Method:
    """Builds the method; see `samr_jax.methods.cyclegan.create`.

    `segmentation` is the section of the config that `segmentation_loss` is made of.
    """
    base = cyclegan.create(
        sequences=sequences,
        size=size,
        model=model,
        loss=loss,
        unpaired=unpaired,
        dtype=dtype,
    )
    return dataclasses.replace(
        base,
        name="SynSeg-Net",
        gen=GeneratorSide(
            **cyclegan.translators(model, sequences, dtype),
            segmenter=cyclegan.resnet(len(LABELS), _logits, model, dtype),
        ),
        gen_loss=functools.partial(
            generator_loss,
            translation=base.gen_loss,
            segmentation=functools.partial(
                segmentation_loss, **segmentation, axis_name=axis_name
            ),
        ),
    )


def generator_loss(
    outputs: dict,
    features: dict,
    batch: Batch,
    carry: Carry,
    *,
    translation: Any,
    segmentation: Any,
) -> tuple[jax.Array, Terms]:
    """The sum of CycleGAN's loss and the segmenter's."""
    total, terms = translation(outputs, features, batch, carry)
    of_labels, label_terms = segmentation(outputs["logits"], None, batch, carry)
    return total + of_labels, {**terms, **label_terms}


def _logits(x: jax.Array) -> jax.Array:
    return x
