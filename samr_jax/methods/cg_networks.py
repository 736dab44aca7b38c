"""The two sides of CG-SAMR's game: G with U, and D (sections III-B and III-C)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from samr_jax import losses
from samr_jax.methods.batch import Batch
from samr_jax.models.generator import Synthesis


class GeneratorSide(nn.Module):
    """G and U: the networks over which the final objective is minimised.

    Attributes:
      generator: G, mask and atlas to images.
      segmenter: U of the lesion shape consistency loss; None without that loss.
      learns_from_fake: whether U learns from synthesized images too.
    """

    generator: nn.Module
    segmenter: nn.Module | None = None
    learns_from_fake: bool = True

    def __call__(self, batch: Batch, *, train: bool) -> dict[str, Any]:
        synthesis = self.generator(*self.condition(batch), train=train)
        outputs = {"synthesis": synthesis}
        if self.segmenter is not None:
            logits = self._segment(batch.images, synthesis.images, train=train)
            outputs["logits_of_real"], outputs["logits_of_fake"] = logits
        return outputs

    def condition(self, batch: Batch) -> tuple[jax.Array, ...]:
        """The inputs of the generator: mask and atlas, and noise if it draws grain."""
        return batch.mask, batch.atlas

    def _segment(
        self, real: jax.Array, fake: jax.Array, *, train: bool
    ) -> Sequence[jax.Array]:
        if self.learns_from_fake:
            # One call: U's kernels, most of them larger than their inputs, are read and
            # transformed once.
            both = jnp.concatenate([real, fake])
            return jnp.split(self.segmenter(both, train=train, groups=2), 2)

        def segment(segmenter: nn.Module, images: jax.Array) -> jax.Array:
            return segmenter(images, train=train)

        as_given = nn.map_variables(segment, "params", jax.lax.stop_gradient)
        return segment(self.segmenter, real), as_given(self.segmenter, fake)

    def synthesize(self, batch: Batch) -> Synthesis:
        return self.generator(*self.condition(batch), train=False)


class DiscriminatorSide(nn.Module):
    """D, judging real and synthesized images together with mask and atlas.

    Attributes:
      discriminator: the six label-wise networks, or the whole-image ablation.
      use_atlas: whether D is given the atlas.
      region_mean: whether the losses count only the logits that see the region of
        their discriminator.
    """

    discriminator: nn.Module
    use_atlas: bool = True
    region_mean: bool = False

    def __call__(self, batch: Batch, outputs: dict, *, train: bool) -> dict:
        anatomy = self.anatomy(batch)

        def judge(images: jax.Array) -> losses.Features:
            return self.discriminator(batch.mask, anatomy, images, train=train)

        features = {
            "real": judge(batch.images),
            "fake": judge(outputs["synthesis"].images),
        }
        if self.region_mean:
            features["counted"] = self.discriminator.in_region(batch.mask)
        return features

    def anatomy(self, batch: Batch) -> jax.Array:
        """``(N, H, W, C)``: what D is told besides the mask."""
        return batch.atlas if self.use_atlas else batch.atlas[..., :0]
