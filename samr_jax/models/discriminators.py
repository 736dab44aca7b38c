"""PatchGAN discriminators: multi-scale, and one per region (section III-C)."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from samr_jax.labels import LABELS, ROIS
from samr_jax.models.layers import Conv, ConvBlock, average_pool_3s2

SLOPE = 0.2


class PatchDiscriminator(nn.Module):
    """A PatchGAN that returns the features of all its layers; the logits come last.

    With the default of 3 layers, each logit judges a patch of 70 x 70 pixels.

    Attributes:
      ndf: channels of the first layer. Each further layer has twice as many, up to
        8 ndf.
      layers: 4 x 4 convolutions of stride 2, before two of stride 1.
      padding: zeros around the input of each convolution: 2 in pix2pixHD, 1 in pix2pix.
      norm: kind of `Norm` in all layers except the first and the last.
      norm_axis: see `Norm`.
      dtype: dtype of the computation; the logits are always float32.
    """

    ndf: int = 64
    layers: int = 3
    padding: int = 2
    norm: str = "batch"
    norm_axis: str | None = None
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> list[jax.Array]:
        features = []
        for i in range(self.layers + 1):
            x = ConvBlock(
                self.ndf * min(2**i, 8),
                4,
                2 if i < self.layers else 1,
                self.padding,
                norm=self.norm if i else "none",
                slope=SLOPE,
                norm_axis=self.norm_axis,
                dtype=self.dtype,
                name=f"layer_{i}",
            )(x, train=train)
            features.append(x)
        logits = Conv(1, 4, 1, self.padding, dtype=self.dtype, name="logits")(x)
        return [*features, logits.astype(jnp.float32)]


class MultiScaleDiscriminator(nn.Module):
    """PatchGANs on the whole input: at full size, at half the size, and so on."""

    scales: int = 2
    ndf: int = 64
    layers: int = 3
    padding: int = 2
    norm: str = "batch"
    norm_axis: str | None = None
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> list[list[jax.Array]]:
        outputs = []
        for i in range(self.scales):
            discriminator = PatchDiscriminator(
                self.ndf,
                self.layers,
                self.padding,
                self.norm,
                self.norm_axis,
                self.dtype,
                name=f"scale_{i}",
            )
            outputs.append(discriminator(x, train=train))
            x = average_pool_3s2(x)
        return outputs


class LabelwiseDiscriminators(nn.Module):
    """Six PatchGANs: three regions of interest, at two scales each (section III-C).

    Attributes:
      scales: see `MultiScaleDiscriminator`.
      ndf: see `PatchDiscriminator`.
      layers: see `PatchDiscriminator`.
      norm: see `PatchDiscriminator`.
      norm_axis: see `Norm`.
      dtype: dtype of the computation.
    """

    scales: int = 2
    ndf: int = 64
    layers: int = 3
    norm: str = "batch"
    norm_axis: str | None = None
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self, mask: jax.Array, atlas: jax.Array, images: jax.Array, *, train: bool
    ) -> list[list[jax.Array]]:
        """Judges each region of the images by discriminators of its own.

        Args:
          mask: one-hot ``(N, H, W, 5)``.
          atlas: ``(N, H, W, 3 S)``.
          images: real or synthesized, ``(N, H, W, S)``.
          train: whether batch statistics are used and accumulated.

        Returns:
          The features of six PatchGANs: background, normal brain and lesion, each at
          full and at half size.
        """
        if mask.shape[-1] != len(LABELS):
            raise ValueError(f"mask {mask.shape}, expected {len(LABELS)} channels")
        x = jnp.concatenate([mask, atlas, images], -1)
        outputs = []
        for name in ROIS:
            outputs += MultiScaleDiscriminator(
                self.scales,
                self.ndf,
                self.layers,
                norm=self.norm,
                norm_axis=self.norm_axis,
                dtype=self.dtype,
                name=name,
            )(x * region(mask, name), train=train)
        return outputs

    def in_region(self, mask: jax.Array) -> list[jax.Array]:
        """For each PatchGAN, which of its logits see any pixel of its region.

        Args:
          mask: one-hot ``(N, H, W, 5)``.

        Returns:
          Maps ``(N, h, w, 1)`` of 0 and 1, in the order of the features and of the
          logits' size.
        """
        maps = []
        for name in ROIS:
            pixels = region(mask, name)
            for _ in range(self.scales):
                maps.append(_logits_that_see(pixels, self.layers))
                pixels = jnp.ceil(average_pool_3s2(pixels))
        return maps


def region(mask: jax.Array, name: str) -> jax.Array:
    """A region of `ROIS` as a map ``(N, H, W, 1)`` of 0 and 1.

    Args:
      mask: one-hot ``(N, H, W, 5)``.
      name: of the region.
    """
    labels = jnp.stack([mask[..., code] for code in ROIS[name]], -1)
    return labels.max(-1, keepdims=True)


def _logits_that_see(pixels: jax.Array, layers: int, padding: int = 2) -> jax.Array:
    """Which logits of a `PatchDiscriminator` depend on any of the marked pixels."""
    pads = ((padding, padding),) * 2
    for i in range(layers + 2):
        stride = 2 if i < layers else 1
        pixels = nn.max_pool(pixels, (4, 4), (stride, stride), pads)
    return pixels


class WholeImageDiscriminator(nn.Module):
    """One multi-scale discriminator: the ablation without label-wise ones (Table V)."""

    ndf: int = 64
    layers: int = 3
    norm: str = "batch"
    norm_axis: str | None = None
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self, mask: jax.Array, atlas: jax.Array, images: jax.Array, *, train: bool
    ) -> list[list[jax.Array]]:
        return MultiScaleDiscriminator(
            ndf=self.ndf,
            layers=self.layers,
            norm=self.norm,
            norm_axis=self.norm_axis,
            dtype=self.dtype,
            name="discriminator",
        )(jnp.concatenate([mask, atlas, images], axis=-1), train=train)
