"""The stretch-out decoder: one up-sampling branch per MR sequence (section III-B)."""

from collections.abc import Sequence
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
from flax import linen as nn

from samr_jax.models.encoder import Trunk
from samr_jax.models.grain import Grain
from samr_jax.models.heads import STYLES, ConfidenceHeads
from samr_jax.models.layers import Conv, ConvBlock, rematerialised


class Synthesis(flax.struct.PyTreeNode):
    """The output of a generator for a batch of lesion masks.

    Its arrays are JAX's within a compiled function and numpy's outside.

    Attributes:
      images: synthesized images ``(N, H, W, S)`` in [-1, 1]. In training, grain may
        lead out of this range, so that its gradient is known everywhere.
      intermediate: intermediate images ŷ ``(N, H / 2, W / 2, S)`` in [-1, 1]; None if
        the generator has no confidence maps.
      confidence: confidence maps c ``(N, H / 2, W / 2, S)`` in (0, 1); None if the
        generator has none.
      without_grain: the images without grain, same shape; None if the generator has no
        grain, and after training.
    """

    images: Any
    intermediate: Any = None
    confidence: Any = None
    without_grain: Any = None


class Branch(nn.Module):
    """One branch: up-convolutions that halve the channels, a 7 x 7 convolution, tanh.

    Attributes:
      heads: the synthesis module (SM) and the confidence map module (CM). They see the
        features f before the last up-convolution, which then receives
        ``concat(f, ŷ·c)``. None for SAMR. Branches may share one instance.
      outputs: channels of the image.
      upsamplings: number of up-convolutions.
      blocks: residual blocks before the first up-convolution.
      norm: kind of `Norm`.
      norm_axis: see `Norm`.
      dtype: dtype of the computation.
    """

    heads: nn.Module | None
    outputs: int = 1
    upsamplings: int = 4
    blocks: int = 0
    norm: str = "batch"
    norm_axis: str | None = None
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self,
        x: jax.Array,
        skips: Sequence[jax.Array] = (),
        noise: jax.Array | None = None,
        *,
        train: bool,
    ) -> Synthesis:
        """Decodes a latent.

        Args:
          x: the latent.
          skips: of each scale above the latent's, full size first, features that are
            concatenated to the branch's own; none for the paper's branches.
          noise: of the full size, see `Grain`; none for the paper's branches.
          train: whether batch statistics are used and accumulated.
        """
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
            if skips:
                x = jnp.concatenate([x, skips[self.upsamplings - 1 - i]], -1)
        if skips:
            # At the full size no further up-convolution joins the two.
            x = ConvBlock(features, 3, name="join", **options)(x, train=train)
        image = Conv(self.outputs, 7, pad_mode="reflect", name="out")(x)
        if noise is None:
            return Synthesis(jnp.tanh(image), intermediate, confidence)
        # Whatever grain learns must not bend the features of the anatomy.
        grain = Grain(self.outputs, dtype=self.dtype, name="grain")(
            jax.lax.stop_gradient(x), noise
        )
        without_grain = jnp.tanh(image)
        images = without_grain + grain
        if train:
            return Synthesis(images, intermediate, confidence, without_grain)
        return Synthesis(jnp.clip(images, -1, 1), intermediate, confidence)


class StretchOutDecoder(nn.Module):
    """Residual blocks, then one branch per MR sequence, each with its own weights.

    Attributes:
      sequences: number of MR sequences, S.
      upsamplings: up-convolutions of a branch; each doubles the size of the latent.
      blocks: residual blocks before the branches.
      heads: 'per_branch' (the paper: every branch has its own SM and CM, with norm and
        ReLU) or 'shared' (the released code: all branches share one SM and one CM, with
        LeakyReLU 0.2 and without norm).
      confidence: whether there are an SM and a CM; SAMR has neither.
      branch_blocks: residual blocks at the start of each branch; 1 in SAMR.
      stretch_out: False for the ablation with a single branch of S output channels.
      norm: kind of `Norm`.
      norm_axis: see `Norm`.
      dtype: dtype of the computation.
      rematerialise: saves memory; see `rematerialised`.
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
    def __call__(
        self,
        latent: jax.Array,
        skips: Sequence[jax.Array] = (),
        noise: jax.Array | None = None,
        *,
        train: bool,
    ) -> Synthesis:
        """Decodes a latent; see `Branch` for `skips` and `noise`."""
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
                rematerialised(
                    branch, latent, skips, noise, train=train, on=self.rematerialise
                )
            )
        return jax.tree.map(lambda *maps: jnp.concatenate(maps, -1), *parts)

    def _heads(
        self, branches: int, options: dict[str, Any]
    ) -> list[ConfidenceHeads | None]:
        """The SM and CM of each branch; 'shared' gives all branches one instance."""
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
