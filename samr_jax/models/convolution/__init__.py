"""Convolutions as PyTorch computes them, and their forms for CPUs."""

from samr_jax.models.convolution.as_pytorch import conv2d, reflect_pad, up_conv2d

__all__ = ["conv2d", "reflect_pad", "up_conv2d"]
