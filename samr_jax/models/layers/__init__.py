"""Layers that all networks share. All are NHWC, and parameters are always float32."""

from samr_jax.models.layers.blocks import ConvBlock, ResidualBlock, rematerialised
from samr_jax.models.layers.convolution import Conv, UpConv
from samr_jax.models.layers.norm import Norm
from samr_jax.models.layers.pooling import average_pool_3s2, max_half

__all__ = [
    "Conv",
    "ConvBlock",
    "Norm",
    "ResidualBlock",
    "UpConv",
    "average_pool_3s2",
    "max_half",
    "rematerialised",
]
