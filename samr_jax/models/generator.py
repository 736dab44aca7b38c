"""The generator of CG-SAMR: two encoders, a trunk and a stretch-out decoder."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from samr_jax.models.decoder import StretchOutDecoder, Synthesis
from samr_jax.models.encoder import Encoder, Trunk


class Generator(nn.Module):
    """Synthesizes all MR sequences of a slice from its lesion mask (section III-B).

    The defaults are the paper's CG-SAMR. ``confidence=False, branch_blocks=1`` is SAMR;
    ``heads="shared", blocks=9`` is CG-SAMR as the authors released it.

    Half of the residual blocks come before the decoder and half belong to it. Without
    the atlas, the encoder of the mask is twice as wide: the layers behind it keep their
    size, so that the ablation removes knowledge and not capacity.

    Attributes:
      sequences: number of MR sequences, S.
      ngf: channels of the first convolution of each encoder.
      downsamplings: number of times that H and W are halved.
      blocks: residual blocks before and in the decoder.
      heads: see `StretchOutDecoder`, as for the next three.
      confidence: whether there are synthesis and confidence map modules.
      branch_blocks: residual blocks at the start of each branch.
      stretch_out: whether each sequence has its own up-sampling branch.
      use_atlas: whether the atlas is encoded.
      skips: whether the branches are connected to the encoders at every scale; the
        paper's are not.
      norm: kind of `Norm`; 'batch' is the paper's.
      norm_axis: mapped axis of the devices over which batch norm is synchronised.
      dtype: dtype of the computation; outputs are always float32.
      rematerialise: saves memory; see `rematerialised`.
    """

    sequences: int
    ngf: int = 16
    downsamplings: int = 4
    blocks: int = 6
    heads: str = "per_branch"
    confidence: bool = True
    branch_blocks: int = 0
    stretch_out: bool = True
    use_atlas: bool = True
    skips: bool = False
    norm: str = "batch"
    norm_axis: str | None = None
    dtype: Any = jnp.float32
    rematerialise: bool = False

    @nn.compact
    def __call__(
        self,
        mask: jax.Array,
        atlas: jax.Array | None = None,
        noise: jax.Array | None = None,
        *,
        train: bool,
    ) -> Synthesis:
        """Synthesizes a batch of slices.

        Args:
          mask: one-hot lesion masks ``(N, H, W, 5)``, perhaps with further channels; H
            and W are divisible by 2^downsamplings.
          atlas: ``(N, H, W, 3 S)`` in [-1, 1]; ignored without `use_atlas`.
          noise: Gaussian ``(N, H, W, C)``, from which each branch draws grain; none
            for the paper's generator.
          train: whether batch statistics are used and accumulated.

        Raises:
          ValueError: H or W cannot be halved so often.
        """
        self._check(mask)
        options = {
            "norm": self.norm,
            "norm_axis": self.norm_axis,
            "dtype": self.dtype,
        }
        scales = self._encode(mask, atlas, options, train=train)
        latent = scales.pop()
        options["rematerialise"] = self.rematerialise
        in_decoder = self.blocks // 2
        latent = Trunk(self.blocks - in_decoder, name="trunk", **options)(
            latent, train=train
        )
        return StretchOutDecoder(
            self.sequences,
            self.downsamplings,
            in_decoder,
            self.heads,
            self.confidence,
            self.branch_blocks,
            self.stretch_out,
            name="decoder",
            **options,
        )(latent, scales if self.skips else (), noise, train=train)

    def _encode(
        self,
        mask: jax.Array,
        atlas: jax.Array | None,
        options: dict[str, Any],
        *,
        train: bool,
    ) -> list[jax.Array]:
        """Features of both encoders at every scale, the full size first."""
        ngf = self.ngf if self.use_atlas else 2 * self.ngf
        inputs: dict[str, Any] = {"mask_encoder": mask}
        if self.use_atlas:
            inputs["atlas_encoder"] = atlas
        encoded = [
            Encoder(ngf, self.downsamplings, every_scale=True, name=name, **options)(
                image, train=train
            )
            for name, image in inputs.items()
        ]
        return [jnp.concatenate(maps, -1) for maps in zip(*encoded, strict=True)]

    def _check(self, mask: jax.Array) -> None:
        multiple = 2**self.downsamplings
        if mask.ndim != 4 or mask.shape[1] % multiple or mask.shape[2] % multiple:
            raise ValueError(
                f"mask {mask.shape}, expected (N, H, W, labels) with H and W divisible "
                f"by {multiple} (2^downsamplings)"
            )
