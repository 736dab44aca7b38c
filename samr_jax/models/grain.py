"""Grain: the fine detail of an image that no input determines."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from samr_jax.models.layers import Conv

SCALES = 3
"""Sizes at which grain sees the noise: full, half and a quarter."""


class Grain(nn.Module):
    """Turns Gaussian noise into grain, with an amount that the features choose.

    ``grain = Σ_k a_k(x) · (w_k * noise)``: the kernels w say what grain looks like, the
    amounts a where there is how much of which. In Karras et al., "A Style-Based
    Generator Architecture for Generative Adversarial Networks" (2019, section 3.2),
    noise is added likewise, but with the same amount at every pixel. The scanner's
    noise and the texture of a tissue are of different strength in each tissue.

    Attributes:
      outputs: channels of the image.
      patterns: kinds of grain of each channel, K.
      dtype: dtype of the computation.
    """

    outputs: int = 1
    patterns: int = 4
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, noise: jax.Array) -> jax.Array:
        """Draws the grain of a batch.

        Args:
          x: features ``(N, H, W, C)``.
          noise: N(0, 1), independent between pixels, ``(N, H, W, channels)``.

        Returns:
          ``(N, H, W, outputs)``, to be added to images in [-1, 1].
        """
        kinds = self.outputs * self.patterns
        options = {"pad_mode": "reflect", "dtype": self.dtype}
        amounts = Conv(kinds, 1, name="amount", **options)(x)
        patterns = Conv(kinds, 5, use_bias=False, name="pattern", **options)(
            at_every_scale(noise).astype(self.dtype)
        )
        kinds_of_grain = (amounts * patterns).reshape(
            *x.shape[:3], self.outputs, self.patterns
        )
        return jnp.sum(kinds_of_grain, -1)


def at_every_scale(noise: jax.Array) -> jax.Array:
    """The noise, and its coarser parts: ``(N, H, W, SCALES · channels)``.

    The mean of a block of 2 x 2 values is multiplied by 2, so that its standard
    deviation is 1, before it is interpolated to the full size.
    """
    scales, smaller = [noise], noise
    for _ in range(SCALES - 1):
        smaller = 2 * nn.avg_pool(smaller, (2, 2), (2, 2))
        scales.append(jax.image.resize(smaller, noise.shape, "linear"))
    return jnp.concatenate(scales, -1)
