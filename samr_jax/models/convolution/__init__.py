"""Convolutions as PyTorch computes them, and faster forms of them for CPUs."""

from samr_jax.models.convolution.conv import conv2d
from samr_jax.models.convolution.padding import reflect_pad
from samr_jax.models.convolution.up_conv import up_conv2d

__all__ = ["conv2d", "reflect_pad", "up_conv2d"]
