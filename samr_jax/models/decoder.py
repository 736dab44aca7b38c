"""Stretch-out up-sampling: one branch for each MR sequence (section III-B)."""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
from flax import linen as nn

from samr_jax.models.encoder import Trunk
from samr_jax.models.heads import STYLES, ConfidenceHeads
from samr_jax.models.layers import Conv, ConvBlock, rematerialised


@flax.struct.dataclass
class Synthesis:
    """What a generator makes of one lesion mask.

    Attributes:
      images: ``(N, H, W, S)`` in [-1, 1].
      intermediate: ŷ ``(N, H / 2, W / 2, S)`` in [-1, 1]; None without confidence.
      confidence: c ``(N, H / 2, W / 2, S)`` in (0, 1); None without confidence.
    """

    images: jax.Array
    intermediate: jax.Array | None = None
    confidence: jax.Array | None = None


class Branch(nn.Module):
    """Up-convolutions that halve the channels, then a 7 x 7 convolution and tanh.

    Attributes:
      heads: SM and CM, applied before the last up-convolution, which then receives
        ``concat(f, ŷ·c)``; None for SAMR. Several branches may be given the same one.
      outputs: channels of the image.
      upsamplings: how many up-convolutions.
      blocks: residual blocks before the first of them.
      norm: kind of `Norm`, here as in the other modules.
    """

    heads: nn.Module | None
    outputs: int = 1
    upsamplings: int = 4
    blocks: int = 0
    norm: str = "batch"
    norm_axis: str | None = None
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> Synthesis:
        options = {
            "norm": self.norm,
            "norm_axis": self.norm_axis,
            "dtype": self.dtype,
        }
        if self.blocks:
            x = Trunk(self.blocks, name="trunk", **options)(x, train=train)
        intermediate = confidence = None
        features = x.shape[-1]
        for i in range(self.upsamplings):
            if self.heads is not None and i == self.upsamplings - 1:
                intermediate, confidence = self.heads(x, train=train)
                trusted = (intermediate * confidence).astype(self.dtype)
                x = jnp.concatenate([x, trusted], -1)
            features //= 2
            x = ConvBlock(features, 3, up=True, name=f"up_{i}", **options)(
                x, train=train
            )
        image = Conv(self.outputs, 7, pad_mode="reflect", name="out")(x)
        return Synthesis(jnp.tanh(image), intermediate, confidence)


class StretchOutDecoder(nn.Module):
    """Residual blocks, then one branch for each sequence with weights of its own.

    Attributes:
      sequences: how many MR sequences, S.
      upsamplings: the images are 2^upsamplings larger than the latent.
      blocks: residual blocks before the branches.
      heads: 'per_branch' (the paper: conv, batch norm, ReLU) or 'shared' (the released
        code: one SM and one CM for all branches, LeakyReLU 0.2, no norm).
      confidence: whether there are an SM and a CM at all; SAMR has none.
      branch_blocks: residual blocks at the start of each branch (SAMR: 1).
      stretch_out: False for the ablation with one branch of S output channels.
      rematerialise: recomputes activations in the backward pass to save memory.
    """

    sequences: int
    upsamplings: int = 4
    blocks: int = 0
    heads: str = "per_branch"
    confidence: bool = True
    branch_blocks: int = 0
    stretch_out: bool = True
    norm: str = "batch"
    norm_axis: str | None = None
    dtype: Any = jnp.float32
    rematerialise: bool = False

    @nn.compact
    def __call__(self, latent: jax.Array, *, train: bool) -> Synthesis:
        options = {
            "norm": self.norm,
            "norm_axis": self.norm_axis,
            "dtype": self.dtype,
        }
        latent = Trunk(
            self.blocks, rematerialise=self.rematerialise, name="trunk", **options
        )(latent, train=train)
        branches = self.sequences if self.stretch_out else 1
        parts = []
        for i, heads in enumerate(self._heads(branches, options)):
            branch = Branch(
                heads,
                self.sequences // branches,
                self.upsamplings,
                self.branch_blocks,
                name=f"branch_{i}",
                **options,
            )
            parts.append(
                rematerialised(branch, latent, train=train, on=self.rematerialise)
            )
        return jax.tree.map(lambda *maps: jnp.concatenate(maps, -1), *parts)

    def _heads(
        self, branches: int, options: dict[str, Any]
    ) -> list[ConfidenceHeads | None]:
        """SM and CM of each branch, which may be the same module."""
        if self.heads not in STYLES:
            raise ValueError(f"heads {self.heads!r}, expected one of {STYLES}")
        if not self.confidence:
            return [None] * branches
        outputs = self.sequences // branches
        if self.heads == "shared":
            return [ConfidenceHeads(outputs, "shared", name="heads", **options)] * (
                branches
            )
        return [
            ConfidenceHeads(outputs, "per_branch", name=f"heads_{i}", **options)
            for i in range(branches)
        ]
