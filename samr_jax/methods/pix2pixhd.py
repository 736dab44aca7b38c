"""Pix2PixHD: global generator and local enhancer, discriminators at two scales.

Least-squares GAN and feature matching; see `samr_jax.methods.pix2pix` for the sides.
Both generators are trained together from the start: the global one alone, on images of
half the size, is how pix2pixHD begins at 2048 x 1024. Its perceptual term needs VGG
weights, which are not distributed with this package, and is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp

from samr_jax.methods.base import Method
from samr_jax.methods.pix2pix import conditional_gan
from samr_jax.models.discriminators import MultiScaleDiscriminator
from samr_jax.models.pix2pixhd import LocalEnhancer

NORM = "instance"


def create(
    *,
    sequences: int,
    model: Mapping[str, Any],
    loss: Mapping[str, Any],
    dtype: Any = jnp.float32,
) -> Method:
    """Builds the method.

    Args:
      sequences: number of MR sequences ``S``.
      model, loss: sections of the config; see `samr_jax.config`.
      dtype: of activations.
    """
    generator = LocalEnhancer(
        sequences,
        model["ngf"],
        model["downsamplings"],
        model["blocks"],
        norm=NORM,
        dtype=dtype,
    )
    discriminator = MultiScaleDiscriminator(
        scales=2,
        ndf=model["ndf"],
        layers=model["disc_layers"],
        padding=2,
        norm=NORM,
        dtype=dtype,
    )
    return conditional_gan(
        "Pix2PixHD",
        "atlas",
        generator,
        discriminator,
        loss=loss,
        downsamplings=model["downsamplings"] + 1,
    )
