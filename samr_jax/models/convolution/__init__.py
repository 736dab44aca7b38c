"""Convolutions as PyTorch computes them, and faster forms of them for CPUs."""

from samr_jax.models.convolution.conv import conv2d
from samr_jax.models.convolution.up_conv import up_conv2d

__all__ = ["conv2d", "up_conv2d"]
